#!/usr/bin/env python3
"""Writes the pages that are made from the code: `tools/write_docs.py PROGRAM`; `--check` only tells which are out of date.

kinds.md and metrics.md are what `sluice docs` prints. filters.md is too, with the README of each filter's folder (but its
part for developers) in front of the filter's tables of fields.
"""

import argparse
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def printed(program, page):
    return subprocess.run([program, "docs", page], check=True, capture_output=True, text=True).stdout


def readme(filter_name):
    """The README without its title and its part for developers, headings one level down."""
    text = (ROOT / "src/filters" / filter_name / "README.md").read_text()
    text = re.sub(r"\A# .*\n+", "", text)
    text = re.sub(r"^## For developers\n.*?(?=^## |\Z)", "", text, flags=re.MULTILINE | re.DOTALL)
    out, in_code = [], False
    for line in text.rstrip().split("\n"):
        in_code ^= line.startswith("```")
        out.append("#" + line if line.startswith("#") and not in_code else line)
    return "\n".join(out) + "\n"


def filters_page(program):
    head, *sections = re.split(r"^## ", printed(program, "filters"), flags=re.MULTILINE)
    pages = [head]
    for section in sections:
        name, fields = section.split("\n", 1)
        pages.append(f"## {name}\n\n{readme(name)}{fields}")
    return "".join(pages)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("program")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    pages = {"kinds.md": printed(options.program, "kinds"), "filters.md": filters_page(options.program),
             "metrics.md": printed(options.program, "metrics")}
    stale = [name for name, text in pages.items()
             if not (ROOT / "docs" / name).exists() or (ROOT / "docs" / name).read_text() != text]
    if options.check:
        if stale:
            print(f"out of date: {', '.join('docs/' + name for name in stale)}; run `make docs`")
        return 1 if stale else 0
    for name in stale:
        (ROOT / "docs" / name).write_text(pages[name])
        print(f"wrote docs/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
