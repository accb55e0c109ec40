"""The pages of the repository, as .ci/guide reads them.

    pages.py links PAGE...            whether each relative link leads to a file, and each anchor to a heading
    pages.py blocks FOLDER PAGE...    writes the guide's blocks to FOLDER, and an index of them to standard output

A block of the guide says by its mark what becomes of it: ```sh run is run; ```sh azure and ```sh nodes are not, and begin with a
comment that says so to whoever reads the page, and may name the stand-in that does it here instead."""

import pathlib
import re
import sys

UNRUN = {"azure": "# Not run in CI: needs Azure.", "nodes": "# Not run in CI: needs nodes."}
# What is only shown.
SHOWN = {"text", "yaml", "toml", "json"}


def outside_blocks(text):
    """The lines of a page that are no code, with their numbers."""
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced:
            yield number, line


def anchors(path):
    """The anchors of a page's headings, as GitHub makes them."""
    found = {}
    for _, line in outside_blocks(path.read_text(encoding="utf-8")):
        if heading := re.match(r"#{1,6} +(.*)", line):
            words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading[1].strip()).lower()
            anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
            times = found[anchor] = found.get(anchor, -1) + 1
            if times:
                found[f"{anchor}-{times}"] = 0
    return found


def links(pages):
    faults, count = [], 0
    for page in map(pathlib.Path, pages):
        for number, line in outside_blocks(page.read_text(encoding="utf-8")):
            for target in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`(?!\])", "", line)):
                if re.match(r"[a-z]+:", target):
                    continue
                count += 1
                file, _, anchor = target.partition("#")
                path = page.parent / file if file else page
                if not path.exists():
                    faults.append(f"{page}:{number}: there is no {path}")
                elif anchor and anchor not in anchors(path):
                    faults.append(f"{page}:{number}: {path} has no heading #{anchor}")
    if faults:
        sys.exit("\n".join(faults))
    print(f"{count} links in {len(pages)} pages lead somewhere")


def blocks(folder, pages):
    faults, number = [], 0
    for page in pages:
        text = pathlib.Path(page).read_text(encoding="utf-8")
        for block in re.finditer(r"^```([^\n`]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            at = f"{page}:{text.count(chr(10), 0, block.start()) + 1}"
            language, *marks = block[1].split() or [""]
            if language in SHOWN and not marks:
                continue
            mark, stand_in = (marks + ["", ""])[:2]
            if language != "sh" or len(marks) > 2 or mark not in {"run", *UNRUN} or (mark == "run" and stand_in):
                faults.append(f"{at}: `{block[1]}` is no mark of the guide: sh run, sh azure or sh nodes")
            elif mark in UNRUN and not block[2].startswith(UNRUN[mark]):
                faults.append(f"{at}: does not begin with `{UNRUN[mark]}`")
            number += 1
            (pathlib.Path(folder) / f"{number}.sh").write_text(block[2], encoding="utf-8")
            print(number, at, mark, stand_in or "-")
    if faults:
        sys.exit("\n".join(faults))


if sys.argv[1] == "links":
    links(sys.argv[2:])
else:
    blocks(sys.argv[2], sys.argv[3:])
