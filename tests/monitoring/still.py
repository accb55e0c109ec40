"""What can be told of rules, dashboard and pages as they stand, without running anything: that they name what there is, and that
nothing is left out.

    still.py    in the repository's root
"""

import json
import re
import sys
from pathlib import Path

import yaml

MONITORING = Path("manifests/monitoring")
RUNBOOKS = Path("docs/runbooks")
HEADINGS = ["## Meaning", "## Impact", "## Diagnosis", "## Mitigation"]
# What the dashboard must show, by the metrics that tell it.
SHOWN = """queued_jobs unplaced_jobs unmatched_jobs_served_elsewhere placed_jobs oldest_queued_job_age_seconds agents trigger_value
    running_jobs grpc_requests_total azure_requests_total azure_rate_limit_remaining azure_throttled_seconds_total
    parallel_jobs_used parallel_jobs_limit start_failures_total agent_start_seconds credential_valid_until_timestamp_seconds
    cluster_view_up snapshot_age_seconds""".split()


def main():
    rule = yaml.safe_load((MONITORING / "prometheusrule.yaml").read_text())
    alerts = {one["alert"]: one for group in rule["spec"]["groups"] for one in group["rules"]}
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    tested(alerts)
    explained(alerts)
    named(alerts, dashboard)
    shown(dashboard)
    red(alerts, dashboard)
    print(f"{len(alerts)} alerts are tested and explained; {len(dashboard['panels'])} panels and rows")


def tested(alerts):
    """Each alert has a case in which it fires and one in which it doesn't."""
    cases = yaml.safe_load(Path("tests/monitoring/alerts.yaml").read_text())["tests"]
    cases = [(case["alertname"], bool(case["exp_alerts"])) for test in cases for case in test["alert_rule_test"]]
    for alert in alerts:
        for fires in (True, False):
            need((alert, fires) in cases, f"{alert}: no case in which it {'fires' if fires else 'does not fire'}")
    need({alert for alert, _ in cases} <= set(alerts), "a case is of no alert")


def explained(alerts):
    """Each alert names its page, which has all that a page has; no page is left over."""
    for name, alert in alerts.items():
        page = RUNBOOKS / f"{name}.md"
        need(alert["annotations"]["runbook_url"] == str(page), f"{name}: runbook_url is not {page}")
        need(page.is_file(), f"{name}: {page} is missing")
        lines = page.read_text().splitlines()
        headings = [line for line in lines if line.startswith("#") and line[1] in " #"]
        need(headings == [f"# {name}", *HEADINGS], f"{page}: the headings are {headings}")
        need(alert["labels"]["severity"] in ("critical", "warning", "info"), f"{name}: no severity")
    listed = set(re.findall(r"`(AzpScaler\w+)`", Path("README.md").read_text()))
    need(listed == set(alerts), f"the README's alerts and the rules differ in {listed ^ set(alerts)}")
    pages = {page.stem for page in RUNBOOKS.glob("*.md")} - {"README"}
    need(pages == set(alerts), f"pages without an alert: {pages - set(alerts)}")
    for page in [*RUNBOOKS.glob("*.md"), Path("docs/metrics.md")]:
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            need((page.parent / link).exists(), f"{page}: {link} is not there")


def named(alerts, dashboard):
    """docs/metrics.md lists the metrics of the code, and whatever is written of one is about one of those."""
    code = "".join(path.read_text() for path in [Path("src/metrics.rs"), *Path("src/metrics").glob("*.rs")])
    made = set(re.findall(r'\b(?:gauge|float_gauge|counter|histogram|options)\(\s*(?:&?registry,\s*)?"([a-z_]+)"', code))
    listed = set(re.findall(r"^\| `azp_scaler_(\w+)` \|", Path("docs/metrics.md").read_text(), re.M))
    need(made and made == listed, f"the code and docs/metrics.md differ in {made ^ listed}")
    expressions = [alert["expr"] for alert in alerts.values()] + [expression for _, expression in targets(dashboard)]
    texts = {page: page.read_text() for page in [*RUNBOOKS.glob("*.md"), Path("README.md")]} | {"a query": " ".join(expressions)}
    for where, text in texts.items():
        for name in set(re.findall(r"azp_scaler_(\w+)", text)):
            need(re.sub("_(bucket|count|sum)$", "", name) in listed or name in listed, f"{where}: there is no azp_scaler_{name}")


def shown(dashboard):
    """Nothing that the dashboard is for is missing, and every panel asks the data source that is chosen."""
    expressions = " ".join(expression for _, expression in targets(dashboard))
    for metric in SHOWN:
        need(re.search(rf"azp_scaler_{metric}(_bucket)?\b", expressions), f"the dashboard does not show azp_scaler_{metric}")
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    for panel in panels:
        told = [panel["title"], panel["description"], panel["fieldConfig"]["defaults"]["unit"]]
        need(all(told), f"panel {panel['id']}: without title, description or unit: {told}")
    asking = [*panels, *dashboard["annotations"]["list"], *variables(dashboard)]
    for one in [*asking, *(target for panel in panels for target in panel["targets"])]:
        source = one.get("datasource")
        need(source == {"type": "prometheus", "uid": "${datasource}"}, f"another data source, {source}: {one}")
    ids = [panel["id"] for panel in dashboard["panels"]]
    need(len(set(ids)) == len(ids), "two panels have one id")
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]]
    need(len(set(places)) == len(places), "two panels have one place")


def targets(dashboard):
    return [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel.get("targets", [])]


def red(alerts, dashboard):
    """Where a panel says that it is red for an alert, the number is that alert's."""
    found = [(panel, re.search(r"Red: (\w+)\.", panel.get("description", ""))) for panel in dashboard["panels"]]
    found = [(panel, said[1]) for panel, said in found if said]
    need(found, "no panel says for which alert it is red")
    for panel, alert in found:
        number = panel["fieldConfig"]["defaults"]["thresholds"]["steps"][-1]["value"]
        need(f"> {number}\n" in alerts[alert]["expr"], f"{panel['title']}: {number} is not the number of {alert}")


def variables(dashboard):
    return [variable for variable in dashboard["templating"]["list"] if variable["type"] == "query"]


def need(holds, otherwise):
    if not holds:
        sys.exit(f"FAILED: {otherwise}")


main()
