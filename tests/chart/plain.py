"""Whether the plain manifests are what the chart renders: plain.py CHART KUSTOMIZED. Prints how many objects are alike, or what
differs. What only Helm needs is left out of the comparison, here and nowhere else."""

import difflib
import json
import sys
import tomllib

import yaml

HELMS_LABELS = {"helm.sh/chart", "app.kubernetes.io/managed-by", "app.kubernetes.io/version"}
CONFIG = "azp-scaler."


def without_helms(value):
    """Without Helm's labels, the checksum that stands for kustomize's name of the ConfigMap, and what `helm test` needs."""
    if isinstance(value, list):
        return [without_helms(one) for one in value if "azp-scaler-test" not in json.dumps(one)]
    if not isinstance(value, dict):
        return value
    kept = {key: without_helms(one) for key, one in value.items() if key not in HELMS_LABELS | {"checksum/config"}}
    return {key: one for key, one in kept.items() if key != "annotations" or one}


def read(path, renamed):
    """The objects of a file by kind and name; `renamed` are names that stand for the chart's and kustomize's own."""
    found = {}
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for old, new in renamed(text).items():
        text = text.replace(old, new)
    for thing in yaml.safe_load_all(text):
        if thing["kind"] == "ConfigMap":
            ((name, configuration),) = thing["data"].items()
            configuration = tomllib.loads(configuration) if name.endswith("toml") else yaml.safe_load(configuration)
            thing["data"] = {CONFIG: configuration}
        if "helm.sh/hook" not in thing["metadata"].get("annotations", {}):
            found[f"{thing['kind']} {thing['metadata']['name']}"] = without_helms(thing)
    return found


def chart(_text):
    # Roles of the whole cluster are named after the namespace, too.
    return {"azp-scaler-azp-scaler": "azp-scaler", "/azp-scaler.yaml": "/" + CONFIG}


def kustomized(text):
    names = [thing["metadata"]["name"] for thing in yaml.safe_load_all(text) if thing["kind"] == "ConfigMap"]
    return {names[0]: "azp-scaler", "/azp-scaler.toml": "/" + CONFIG}


def lines(things):
    return json.dumps(things, indent=1, sort_keys=True).splitlines()


ours, theirs = read(sys.argv[1], chart), read(sys.argv[2], kustomized)
difference = list(difflib.unified_diff(lines(ours), lines(theirs), "the chart", "manifests/scaler", lineterm=""))
if difference:
    sys.exit("\n".join(difference))
print(f"{len(ours)} objects of manifests/scaler are those of the chart")
