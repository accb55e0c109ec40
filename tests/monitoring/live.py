"""The dashboard and the rules on a real Prometheus that scrapes two replicas of the scaler, in a world in which everything that
they tell of happens: each query must return data and count nothing twice, and alerts must see what they are for.

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
}
# Who asks about a pool that isn't there is told an error.
TRIGGERS = {**SCALED_JOBS, "lost": {"poolName": "nowhere", **ADDRESS}}
# What alerts see of this world at once, whatever they wait for before they tell anybody.
SEEN = {
    "AzpScalerJobsUnmatched": {"reason": "unmatched"},
    "AzpScalerStartsFailing": {"pool": "linux"},
    "AzpScalerTokenExpiring": {"organization": "contoso"},
    "AzpScalerParallelJobsFull": {"pool": "linux"},
    "AzpScalerAnswersFail": {"code": "NOT_FOUND"},
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
    replicas = [Replica(place, organization.url, kubernetes.url, machine) for place, machine in enumerate(machines)]
    threading.Thread(target=keda, args=([replica.grpc for replica in replicas],), daemon=True).start()
    prometheus = Prometheus([replica.http for replica in replicas])
    errors = "increase(azp_scaler_cluster_watch_errors_total[1m]) > 0"
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
    def __init__(self, place, organization, kubernetes, machine):
        self.grpc, self.http = (f"127.0.0.1:{port}" for port in free_ports(2))
        config, kubeconfig = FOLDER / f"{place}.yaml", FOLDER / "kubeconfig"
        # JSON is YAML.
        config.write_text(json.dumps({
            "grpc": {"listen": self.grpc}, "http": {"listen": self.http},
            "kubernetes": {"view": "on", "addresses": list(ADDRESS.values())},
            "organizations": [{"name": "contoso", "url": organization, "credential": {"kind": "managed_identity"}}],
        }))
        kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "it", "users": [{"name": "it", "user": {}}],
            "clusters": [{"name": "it", "cluster": {"server": kubernetes}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        }))
        environment = {"KUBECONFIG": str(kubeconfig), "AZURE_POD_IDENTITY_AUTHORITY_HOST": machine, "RUST_LOG": "warn"}
        start([SCALER, "serve", "--config", str(config)], environment, (FOLDER / f"{place}.log").open("w"))


class Prometheus:
    def __init__(self, targets):
        # As the Prometheus Operator scrapes what the chart's ServiceMonitor names.
        added = [{"namespace": "azp-scaler", "pod": f"azp-scaler-{place}", "endpoint": "http"} for place in range(2)]
        scraped = [{"targets": [target], "labels": labels} for target, labels in zip(targets, added)]
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


def keda(addresses):
    while True:
        for address in addresses:
            for name, metadata in TRIGGERS.items():
                ask(address, name, metadata)
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
    organization.call("PUT", "/parallel-jobs", {"private": 2})
    # Two agents come one after the other, and each runs a job for as long as this lasts.
    for name in ("small-1", "small-2"):
        queue("git", 1, 600)
        kubernetes.agent("small", name)
        for replica in replicas:
            until("an agent starts", lambda: counted(replica, r'azp_scaler_agents\{.*state="starting"\} 1') or None)
        organization.call("POST", "/agents", {"pool": "linux", "name": name, "capabilities": {"git": ""}, "ephemeral": True})
        for replica in replicas:
            until("it has its job", lambda: counted(replica, f'stage="job"}} {name[-1]}') or None)
    # Nobody offers that; these agents don't come; these wait for a parallel job.
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
    stat = next(query for title, query in queries if title == "Jobs that wait")
    stat = stat.replace("$organization", ".*").replace("$pool", ".*")
    both = f"sum(azp_scaler_queued_jobs) == {2 * queued} and count(azp_scaler_queued_jobs) == 2"
    until(f"two replicas tell of {queued} jobs each", lambda: prometheus.query(both) or None)
    told = prometheus.query(stat)[0]["value"][1]
    if told != str(queued):
        sys.exit(f"FAILED: {queued} jobs are queued, and the dashboard says {told}")


def rules(prometheus):
    """Each rule evaluates, and those for what is wrong in this world see it."""
    def seen():
        found = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
        bad = [rule["name"] for rule in found if rule["health"] == "err"]
        if bad:
            sys.exit(f"FAILED: do not evaluate: {bad}")
        alerts = {rule["name"]: rule["alerts"] for rule in found}
        has = lambda name, labels: any(labels.items() <= alert["labels"].items() for alert in alerts[name])
        missing = [name for name, labels in SEEN.items() if not has(name, labels)]
        surplus = [name for name in alerts if alerts[name] and name not in SEEN]
        return (len(found), surplus) if not missing else None

    count, surplus = until(f"alerts see {list(SEEN)}", seen)
    if surplus:
        sys.exit(f"FAILED: alerts for what is well: {surplus}")
    print(f"rules: {count} evaluate, {len(SEEN)} see what is wrong, and no other does")


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
