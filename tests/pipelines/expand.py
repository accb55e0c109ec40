"""expand.py PIPELINE TEMPLATES

Prints the pipeline as JSON, with its templates (`NAME@templates`, in the folder TEMPLATES) put in as Azure Pipelines would: as far as
these templates go, `${{ parameters.NAME }}` and `${{ if eq(parameters.NAME, '') }}:` or `ne`. Whatever else it meets ends it, as do a
parameter that is not declared, not given or never used, and one of another type.
"""
import json
import re
import sys

import yaml

TYPES = {"string": str, "stepList": list, "object": list}


def load(path):
    with open(path) as file:
        return yaml.safe_load(file)


class Template:
    def __init__(self, name, folder, given):
        self.name = name
        document = load(f"{folder}/{name}")
        declared = {each["name"]: each for each in document["parameters"]}
        for parameter in given.keys() - declared.keys():
            self.fail(parameter, "is not declared")
        self.values = {}
        for parameter, each in declared.items():
            if parameter not in given and "default" not in each:
                self.fail(parameter, "is not given")
            value = given.get(parameter, each.get("default"))
            if not isinstance(value, TYPES[each["type"]]):
                self.fail(parameter, f"is no {each['type']}")
            self.values[parameter] = value
        self.used = set()
        self.jobs = self.expand(document["jobs"])
        for parameter in declared.keys() - self.used:
            self.fail(parameter, "is never used")

    def fail(self, parameter, why):
        sys.exit(f"{self.name}: the parameter {parameter} {why}")

    def value(self, parameter):
        if parameter not in self.values:
            self.fail(parameter, "is not declared")
        self.used.add(parameter)
        return self.values[parameter]

    def expand(self, node):
        if isinstance(node, list):
            expanded = []
            for item in node:
                new = self.expand(item)
                # A list put into a list.
                expanded += new if isinstance(item, str) and isinstance(new, list) else [new]
            return expanded
        if isinstance(node, dict):
            expanded = {}
            for key, item in node.items():
                if not key.startswith("${{"):
                    expanded[key] = self.expand(item)
                    continue
                condition = re.fullmatch(r"\$\{\{ if (eq|ne)\(parameters\.(\w+), ''\) \}\}", key)
                if not condition:
                    sys.exit(f"{self.name}: {key} is not understood here")
                inner = self.expand(item)
                if (self.value(condition[2]) == "") == (condition[1] == "eq"):
                    expanded.update(inner)
            return expanded
        if not isinstance(node, str):
            return node
        whole = re.fullmatch(r"\$\{\{ parameters\.(\w+) \}\}", node)
        if whole:
            return self.value(whole[1])
        text = re.sub(r"\$\{\{ parameters\.(\w+) \}\}", lambda found: self.value(found[1]), node)
        if "${{" in text:
            sys.exit(f"{self.name}: {text} is not understood here")
        return text


pipeline, templates = sys.argv[1:]
pipeline = load(pipeline)
jobs = []
for job in pipeline["jobs"]:
    name = job["template"].removesuffix("@templates")
    jobs += Template(name, templates, job.get("parameters", {})).jobs
pipeline["jobs"] = jobs
json.dump(pipeline, sys.stdout, indent=2)
