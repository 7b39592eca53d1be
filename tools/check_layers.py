#!/usr/bin/env python3
"""Holds the direction of includes: a folder includes only itself and what stands below it.

    main > control, simulation > serve, observe > filters, route > clients > forward > upstream > pipeline > http, config > net > io,
        engines > regex > base

Folders on one level do not include each other, nor does a filter another filter or an engine another engine.
`filters/all.h`, the list the build writes, is for main and control alone.
Prints every include that breaks this and exits 1.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent / "src"
LEVELS = [
    {"main"},
    {"control", "simulation"},
    {"serve", "observe"},
    {"filters", "route"},
    {"clients"},
    {"forward"},
    {"upstream"},
    {"pipeline"},
    {"http", "config"},
    {"net"},
    {"io", "engines"},
    {"regex"},
    {"base"},
]
KNOW_CODECS = ("serve", "forward", "main", "simulation")
LEVEL = {folder: number for number, folders in enumerate(LEVELS) for folder in folders}
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')


def part(path):
    """(top folder, the unit in it that must not know its siblings)"""
    pieces = path.parts
    top = pieces[0]
    unit = "/".join(pieces[:2]) if top in ("filters", "engines") and len(pieces) > 2 else top
    return top, unit


def problem(file, target):
    """Why `file` may not include `target`, or None. Both are paths below src/."""
    top, unit = part(file)
    other_top, other_unit = part(target)
    if top not in LEVEL:
        return f"{top}/ is not a folder this check knows; add it to its level in tools/check_layers.py"
    if other_top not in LEVEL:
        return None if target.parts[0] == "generated" else f"{other_top}/ is not a folder this check knows"
    if str(target) == "filters/all.h":
        return None if top in ("main", "control") else "the list of filters is for main and control alone"
    for codec in ("http/h1/", "http/h2/"):
        if str(target).startswith(codec) and not str(file).startswith(codec) and top not in KNOW_CODECS:
            return f"{codec[:-1]} is for those who carry messages alone: " + ", ".join(KNOW_CODECS)
    if top == other_top:
        if unit == other_unit:
            return None
        if top == "filters":
            return "a filter does not know another filter"
        return "an engine does not know another engine"
    if LEVEL[top] < LEVEL[other_top]:
        return None
    if LEVEL[top] == LEVEL[other_top]:
        return f"{top} and {other_top} stand on one level"
    return f"{other_top} stands above {top}"


def main():
    found, files = [], 0
    for file in sorted([*ROOT.rglob("*.h"), *ROOT.rglob("*.cc")]):
        files += 1
        relative = file.relative_to(ROOT)
        for number, line in enumerate(file.read_text().splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                continue
            target = pathlib.Path(match.group(1))
            if len(target.parts) < 2:
                if (file.parent / target).exists():
                    found.append(f"src/{relative}:{number}: write \"{relative.parent / target}\": includes start at src/")
                continue
            why = problem(relative, target)
            if why:
                found.append(f"src/{relative}:{number}: includes {target}: {why}")
    print("\n".join(found) or f"{files} files include only downwards")
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
