"""The dashboard and the rules on a real Prometheus that scrapes two replicas of the scaler, in a world in which everything that
they tell of happens: each query must return data and count nothing twice, and alerts must see what they are for. Beside them is
another scaler, in a namespace of its own, whose credential was wrong from the start and which never sees the cluster.

    live.py SCALER PROMETHEUS PROMTOOL RULES DASHBOARD FOLDER
"""

import base64
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

from stand_ins import Kubernetes, ask, identity

SCALER, PROMETHEUS, PROMTOOL, RULES, DASHBOARD, FOLDER = sys.argv[1:]
FOLDER = Path(FOLDER)
ADDRESS = {"scalerAddress": "azp-scaler:6000"}
SCALED_JOBS = {
    "small": {"poolName": "linux", "capabilities": "git", **ADDRESS},
    "broken": {"poolName": "linux", "capabilities": "broken", **ADDRESS},
    "counted": {"poolName": "linux", "matching": "builtin", "demands": "old", **ADDRESS},
}
# Who asks about a pool that isn't there is told an error.
TRIGGERS = {**SCALED_JOBS, "lost": {"poolName": "nowhere", **ADDRESS}}
# What alerts see of this world at once, whatever they wait for before they tell anybody: by the scaler's namespace, some of the
# labels and annotations.
SEEN = {
    "azp-scaler": {
        "AzpScalerJobsUnmatched": {"summary": "No ScaledJob fits 2 jobs in pool linux of contoso (unmatched)."},
        "AzpScalerStartsFailing": {"pool": "linux"},
        "AzpScalerTokenExpiring": {"organization": "contoso"},
        "AzpScalerParallelJobsFull": {"pool": "linux"},
        "AzpScalerAnswersFail": {"code": "NOT_FOUND"},
    },
    "azp-scaler-lost": {
        "AzpScalerNoAnswers": {"severity": "critical"},
        "AzpScalerTokenRefused": {"organization": "fabrikam"},
        "AzpScalerAnswersFail": {"code": "FAILED_PRECONDITION"},
        "AzpScalerClusterViewLost": {"severity": "warning"},
    },
}
processes = []


def main():
    token = secrets.token_hex(16)
    kubernetes = Kubernetes()
    for name, metadata in SCALED_JOBS.items():
        trigger = {"type": "external", "metadata": metadata}
        kubernetes.add("scaledjobs", name, spec={"jobTargetRef": {"template": {"spec": {}}}, "triggers": [trigger]})
    organization = Organization(token)
    # The token of one of them is about to end.
    machines = [identity(token, seconds) for seconds in (3600, 100)]
    contoso = {"name": "contoso", "url": organization.url, "credential": {"kind": "managed_identity"}}
    replicas = [
        Replica(f"azp-scaler-{place}", contoso, kubernetes.url, {"AZURE_POD_IDENTITY_AUTHORITY_HOST": machine})
        for place, machine in enumerate(machines)
    ]
    wrong = {"kind": "personal_access_token", "env": "AZP_TOKEN"}
    fabrikam = {"name": "fabrikam", "url": organization.url, "credential": wrong}
    lost = Replica("azp-scaler-lost-0", fabrikam, Kubernetes().url, {"AZP_TOKEN": "wrong"})
    for replica in replicas:
        patience = r'azp_scaler_azure_throttled_seconds_total\{organization="contoso"\} 0\n'
        until("patience is counted from the start", lambda: counted(replica, patience))
    threading.Thread(target=keda, args=(replicas, TRIGGERS), daemon=True).start()
    threading.Thread(target=keda, args=([lost], {"small": SCALED_JOBS["small"]}), daemon=True).start()
    prometheus = Prometheus({"azp-scaler": replicas, "azp-scaler-lost": [lost]})
    errors = 'increase(azp_scaler_cluster_watch_errors_total{namespace="azp-scaler"}[1m]) > 0'
    until("a cluster that can't be watched", lambda: prometheus.query(errors) or None)
    kubernetes.works = True
    play(organization, kubernetes, replicas, prometheus)
    dashboard(prometheus, organization)
    rules(prometheus)
    for replica in replicas:
        text = get(f"http://{replica.http}/metrics")
        subprocess.run([PROMTOOL, "check", "metrics"], input=text, text=True, check=True)
        documented(text)
    print("promtool check metrics: 2 replicas are clean")
    pages(replicas[0].http)


class Organization:
    def __init__(self, token):
        self.token = token
        command = [SCALER, "simulate", "--listen", "127.0.0.1:0", "--pool", "linux"]
        process = start(command, {"AZP_TOKEN": token}, subprocess.PIPE)
        told = json.loads(process.stdout.readline())
        self.url, self.control = told["organization_url"], told["control"].rstrip("/")

    def call(self, method, path, body=None):
        login = base64.b64encode(f":{self.token}".encode()).decode()
        headers = {"authorization": f"Basic {login}", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.control + path, data, headers, method=method)
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read() or "null")


class Replica:
    def __init__(self, pod, organization, kubernetes, environment):
        self.pod = pod
        self.grpc, self.http = (f"127.0.0.1:{port}" for port in free_ports(2))
        config, kubeconfig = FOLDER / f"{pod}.yaml", FOLDER / f"{pod}.kubeconfig"
        # JSON is YAML.
        config.write_text(json.dumps({
            "grpc": {"listen": self.grpc}, "http": {"listen": self.http},
            "kubernetes": {"view": "on", "addresses": list(ADDRESS.values())},
            "organizations": [organization],
        }))
        kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "it", "users": [{"name": "it", "user": {}}],
            "clusters": [{"name": "it", "cluster": {"server": kubernetes}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        }))
        environment = {"KUBECONFIG": str(kubeconfig), "RUST_LOG": "warn", **environment}
        start([SCALER, "serve", "--config", str(config)], environment, (FOLDER / f"{pod}.log").open("w"))


class Prometheus:
    def __init__(self, scalers):
        # As the Prometheus Operator scrapes what the chart's ServiceMonitor names.
        scraped = [
            {"targets": [one.http], "labels": {"namespace": namespace, "pod": one.pod, "endpoint": "http"}}
            for namespace, replicas in scalers.items() for one in replicas
        ]
        (FOLDER / "prometheus.yml").write_text(json.dumps({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [RULES],
            "scrape_configs": [{"job_name": "azp-scaler", "honor_labels": True, "static_configs": scraped}],
        }))
        address = f"127.0.0.1:{free_ports(1)[0]}"
        self.url = f"http://{address}/api/v1"
        files = ["--config.file", FOLDER / "prometheus.yml", "--storage.tsdb.path", FOLDER / "tsdb"]
        start([PROMETHEUS, *files, "--web.listen-address", address, "--log.level", "error"], {})
        ready = f"http://{address}/-/ready"
        until("Prometheus is ready", lambda: get(ready))

    def query(self, expression):
        """The series with a number."""
        result = self.get("query", query=expression)["result"]
        return [series for series in result if series["value"][1] != "NaN"]

    def get(self, path, **parameters):
        try:
            return json.loads(get(f"{self.url}/{path}?{urllib.parse.urlencode(parameters)}"))["data"]
        except urllib.error.HTTPError as error:
            sys.exit(f"FAILED: {parameters}: {error.read().decode()}")


def keda(replicas, triggers):
    while True:
        for replica in replicas:
            for name, metadata in triggers.items():
                ask(replica.grpc, name, metadata)
        time.sleep(1)


def play(organization, kubernetes, replicas, prometheus):
    """What the dashboard and the alerts tell of."""
    def queue(demand, count, seconds):
        body = {"pool": "linux", "demands": [demand], "count": count, "duration_ms": seconds * 1000}
        organization.call("POST", "/jobs", body)

    def triggers(replica):
        told = json.loads(get(f"http://{replica.http}/api/v1/triggers"))["triggers"]
        return len(told) == len(SCALED_JOBS) and all(trigger["cluster"] for trigger in told)

    for replica in replicas:
        until("the cluster's view", lambda: triggers(replica) or None)
    organization.call("PUT", "/parallel-jobs", {"private": 3})
    # Two agents come one after the other, and each runs a job for as long as this lasts.
    for name in ("small-1", "small-2"):
        queue("git", 1, 600)
        kubernetes.agent("small", name)
        for replica in replicas:
            until("an agent starts", lambda: counted(replica, r'azp_scaler_agents\{.*state="starting"\} 1') or None)
        organization.call("POST", "/agents", {"pool": "linux", "name": name, "capabilities": {"git": ""}, "ephemeral": True})
        for replica in replicas:
            until("it has its job", lambda: counted(replica, f'stage="job"}} {name[-1]}') or None)
    # An agent that is no ScaledJob's has a job, and another waits for it.
    organization.call("POST", "/agents", {"pool": "linux", "name": "static", "capabilities": {"static": ""}})
    queue("static", 2, 600)
    for replica in replicas:
        until("three agents are busy", lambda: counted(replica, r'azp_scaler_agents\{.*state="busy"\} 3'))
    # That is counted as the built-in scaler does; nobody offers that; these agents don't come; these wait for a parallel job.
    queue("old", 1, 1)
    queue("gpu", 2, 1)
    queue("broken", 3, 1)
    for number in range(3):
        kubernetes.broken("broken", f"broken-{number}")
    queue("git", 4, 1)
    # Azure DevOps asks for patience, and then is short of what it may be asked for.
    organization.call("PUT", "/faults", {"status": 429, "headers": {"retry-after": "1"}})
    patience = "min(increase(azp_scaler_azure_throttled_seconds_total[1m])) > 0"
    until("patience", lambda: prometheus.query(patience) or None)
    organization.call("PUT", "/faults", {"headers": {"x-ratelimit-limit": "200", "x-ratelimit-remaining": "150"}})


def counted(replica, series):
    return re.search(series, get(f"http://{replica.http}/metrics"))


def dashboard(prometheus, organization):
    """Every query returns data, and none but those of the process counts by replica."""
    model = json.loads(Path(DASHBOARD).read_text())
    variables = {"$organization": ".*", "$pool": ".*", "$__rate_interval": "2m"}
    queries = [(panel["title"], target["expr"]) for panel in model["panels"] for target in panel.get("targets", [])]
    results = {}
    for title, query in queries:
        for name, value in variables.items():
            query = query.replace(name, value)
        results[query] = until(f"data for `{title}`: {query}", lambda: prometheus.query(query) or None)
        labels = {label for series in results[query] for label in series["metric"]}
        if not query.startswith(("process_", "rate(process_")) and labels & {"instance", "pod"}:
            sys.exit(f"FAILED: {title}: {query}: by replica: {labels}")
    for variable in model["templating"]["list"]:
        if variable["type"] == "query":
            series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]).groups()
            series = series.replace("$organization", ".*")
            if not any(found["metric"].get(label) for found in prometheus.query(series)):
                sys.exit(f"FAILED: the variable {variable['name']} has no values")
    once(prometheus, organization, queries)
    print(f"dashboard: {len(queries)} queries return data")


def once(prometheus, organization, queries):
    """What two replicas tell of is there once."""
    jobs = organization.call("GET", "/state")["jobs"]
    queued = sum(job["state"] == "queued" for job in jobs)
    both = f"sum(azp_scaler_queued_jobs) == {2 * queued} and count(azp_scaler_queued_jobs) == 2"
    until(f"two replicas tell of {queued} jobs each", lambda: prometheus.query(both) or None)
    # Of four that are unmatched two are served all the same.
    for title, jobs in {"Jobs that wait": queued, "Jobs that no ScaledJob fits": 2}.items():
        stat = next(query for one, query in queries if one == title)
        told = prometheus.query(stat.replace("$organization", ".*").replace("$pool", ".*"))[0]["value"][1]
        if told != str(jobs):
            sys.exit(f"FAILED: {title}: there are {jobs}, and the dashboard says {told}")


def rules(prometheus):
    """Each rule evaluates, and those for what is wrong in this world see it."""
    def seen():
        found = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
        bad = [rule["name"] for rule in found if rule["health"] == "err"]
        if bad:
            sys.exit(f"FAILED: do not evaluate: {bad}")
        alerts = [alert for rule in found for alert in rule["alerts"]]
        told = [(one["labels"]["namespace"], one["labels"]["alertname"], one["labels"] | one["annotations"]) for one in alerts]
        missing = [
            name for namespace, names in SEEN.items() for name, some in names.items()
            if not any((namespace, name) == (where, what) and some.items() <= parts.items() for where, what, parts in told)
        ]
        surplus = [(namespace, name) for namespace, name, _ in told if name not in SEEN[namespace]]
        return (len(found), surplus) if not missing else None

    names = {name for names in SEEN.values() for name in names}
    count, surplus = until(f"alerts see {SEEN}", seen)
    if surplus:
        sys.exit(f"FAILED: alerts for what is well: {surplus}")
    print(f"rules: {count} evaluate, {len(names)} see what is wrong, and no other does")


def documented(text):
    """Whatever is answered stands in docs/metrics.md."""
    page = Path("docs/metrics.md").read_text()
    for name in re.findall(r"^# TYPE (azp_scaler_\w+)", text, re.M):
        if f"| `{name}` |" not in page:
            sys.exit(f"FAILED: {name} is not in docs/metrics.md")


def pages(http):
    """What the runbooks say to look at is there."""
    paths = set()
    for runbook in Path("docs/runbooks").glob("*.md"):
        paths |= set(re.findall(r"localhost:8080(/[^\s`'\">|]*)", runbook.read_text()))
    for path in sorted(paths):
        try:
            get(f"http://{http}{path}")
        except urllib.error.HTTPError as error:
            sys.exit(f"FAILED: docs/runbooks: {path}: {error}")
    print(f"runbooks: {len(paths)} addresses answer")


def start(command, environment, output=None):
    environment = {"PATH": os.environ["PATH"], **environment}
    log = None if output == subprocess.PIPE else output
    processes.append(subprocess.Popen(command, env=environment, stdout=output, stderr=log, text=True))
    return processes[-1]


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def until(what, look, seconds=60):
    """What there is to see, as soon as there is; it fails where there is nothing."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for process in processes:
            if process.poll() is not None:
                sys.exit(f"FAILED: {what}: {process.args[:2]} has ended")
        try:
            if (seen := look()) is not None:
                return seen
        except (urllib.error.URLError, ConnectionError):
            pass
        time.sleep(0.5)
    sys.exit(f"FAILED: not within {seconds} s: {what}")


try:
    main()
except SystemExit:
    for log in sorted(FOLDER.glob("*.log")):
        print(f"---- {log.name}", *log.read_text().splitlines()[-20:], sep="\n")
    raise
finally:
    for process in processes:
        process.send_signal(signal.SIGTERM)
    for process in processes:
        process.wait()
