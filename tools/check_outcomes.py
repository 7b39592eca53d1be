#!/usr/bin/env python3
"""Holds that nothing on a request's way decides by a text: what ended a request is a kind (src/pipeline/outcome.h).

Prints every place that compares `details` or the message of an Error, or searches in them, and exits 1. Filters may: what their owner wrote in the
configuration (responseCodeDetails) is compared with them.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent / "src"
FOLDERS = ("pipeline", "http", "forward", "clients", "route", "serve", "observe", "main")
EXEMPT = {
    "pipeline/outcome.cc",  # puts the rule behind them
    "pipeline/format_operator.cc",  # prints them as one word
}
DETAILS = r"\b(?:details|(?:error|error\(\)|why)\.message)"
SEARCHES = r"(?:starts_with|ends_with|find|rfind|contains|compare|find_first_of)"
DECIDES = re.compile(rf"{DETAILS}\s*[=!]=|[=!]=\s*[\w.:>()*-]*{DETAILS}|{DETAILS}\s*\.\s*{SEARCHES}\s*\(")
COMMENT = re.compile(r"//.*")
SAMPLES = {
    'if (info.details == "via_upstream") {': True,
    'if ("via_upstream" != request.info.details) {': True,
    'if (details.starts_with("dns_resolution_failure")) {': True,
    "if (info_.details.find('x') != 0) {": True,
    'if (error.message == "timed out") {': True,
    "info.details = terms.details;": False,
    "if (info.outcome.kind == OutcomeKind::no_route)  // details == x": False,
}


def decides(line):
    return DECIDES.search(COMMENT.sub("", line)) is not None


def main():
    for line, wrong in SAMPLES.items():
        assert decides(line) == wrong, line
    found, files = [], 0
    for folder in FOLDERS:
        for file in sorted([*(ROOT / folder).rglob("*.h"), *(ROOT / folder).rglob("*.cc")]):
            relative = str(file.relative_to(ROOT))
            if relative.endswith(("_test.cc", "_fuzz.cc", "_bench.cc")) or relative in EXEMPT:
                continue
            files += 1
            for number, line in enumerate(file.read_text().splitlines(), 1):
                if decides(line):
                    found.append(f"src/{relative}:{number}: decides by a text; ask for the kind of the outcome: "
                                 f"{line.strip()}")
    print("\n".join(found) or f"{files} files decide by no text of an outcome")
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
