#!/usr/bin/env python3
"""Builds and runs what a change may have broken, in under a minute: `make check`.

The change is what differs from the last commit or, where nothing does, the last commit itself; `--since COMMIT` takes all
since then. Asked are

  1. the directions of includes, and the format of the sources that changed
  2. the unit tests of the folders that changed
  3. the unit tests of every folder above whose program is made of something that changed, the lowest first, as far as the
     time goes (--seconds, 55)

It builds without sanitizers (preset `quick`). The build itself says what is made of what: the inputs of each test program,
and the headers that each of its objects read. What found no time is named: that is for `make test`.
"""

import argparse
import pathlib
import subprocess
import sys
import threading
import time

import check_layers
import run_tests

ROOT = run_tests.ROOT
BUILD = ROOT / "build/quick"


def output_of(*argv):
    return subprocess.run(argv, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def changed_files(since):
    """Relative to the root; files that are gone too, as others may have been made of them."""
    files = set(output_of("git", "diff", "--name-only", since or "HEAD").splitlines())
    files |= set(output_of("git", "ls-files", "-o", "--exclude-standard").splitlines())
    if not files and not since:
        files = set(output_of("git", "diff", "--name-only", "HEAD~1", "HEAD").splitlines())
    return files


def configure():
    if not (BUILD / "build.ninja").exists():
        subprocess.run(["cmake", "--preset", "quick", "-Wno-dev"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def ninja(*argv):
    return output_of("ninja", "-C", str(BUILD), *argv)


def headers_of_objects():
    """{object: what it read when it was built last}, in the words of the build."""
    objects, present = {}, None
    for line in ninja("-t", "deps").splitlines():
        if line.startswith(" "):
            present.add(line.strip())
        elif line:
            present = objects.setdefault(line.split(": #deps")[0], set())
    return objects


def in_tree(paths):
    """Names of the build, which are relative to it or absolute, as paths below the root."""
    found = set()
    for path in paths:
        whole = pathlib.Path(BUILD, path)
        if "/src/" in str(whole):
            found.add(str(whole)[str(whole).rindex("/src/") + 1:])
    return found


def test_programs():
    """{name: its folder}, as CMake names them: engines_jose_test stands in src/engines/jose."""
    programs = {}
    for line in ninja("-t", "targets", "all").splitlines():
        path = line.split(":")[0]
        if path.startswith("src/") and path.endswith("_test") and "CXX_EXECUTABLE_LINKER" in line:
            programs[pathlib.Path(path)] = str(pathlib.Path(path).parent)
    return programs


def level(folder):
    """0 is the top: the lowest folders have the largest number."""
    return check_layers.LEVEL.get(pathlib.Path(folder).parts[1], 0)


def touched_programs(changed):
    """(those of folders that changed, those above), each the lowest first."""
    everything = any(f == "CMakeLists.txt" or f.startswith("cmake/") for f in changed)
    read = headers_of_objects()
    lowest = max((level(f) for f in changed if f.startswith("src/")), default=0)
    own, above, perhaps = [], [], []
    for program, folder in test_programs().items():
        inputs = ninja("-t", "inputs", str(program)).splitlines()
        made_of = in_tree(inputs).union(*(in_tree(read.get(one, ())) for one in inputs if one.endswith(".o")))
        unknown = any(one.endswith(".o") and one not in read for one in inputs)
        if any(str(pathlib.Path(f).parent) == folder for f in changed):
            own.append(program)
        elif everything or not made_of.isdisjoint(changed):
            above.append(program)
        elif unknown and level(folder) < lowest:  # what has never been built has not said what it reads
            perhaps.append(program)
    own, above, perhaps = (sorted(programs, key=lambda p: (-level(p), p)) for programs in (own, above, perhaps))
    return own, above + perhaps


def build(program, timeout):
    """None, or what went wrong; raises TimeoutExpired."""
    built = subprocess.run(["ninja", "-C", str(BUILD), str(program)], cwd=ROOT, timeout=timeout, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, text=True)
    return built.stdout if built.returncode else None


def check_program(program, deadline):
    """Its outcome; None when there was no time."""
    left = None if deadline is None else deadline - time.monotonic()
    if left is not None and left <= 0:
        return None
    try:
        problem = build(program, left)
        if problem:
            return run_tests.Outcome(f"unit {program.name}", failed=[f"{program.name} cannot be built"], output=problem)
        left = run_tests.UNIT_TIMEOUT if deadline is None else deadline - time.monotonic()
        return run_tests.run_gtest(BUILD / program) if left > 0 else None
    except subprocess.TimeoutExpired:
        return None


def check_tree(changed):
    outcomes = [run_tests.run_check("includes_point_downwards", [sys.executable, "tools/check_layers.py"]),
                run_tests.run_check("outcomes_are_no_texts", [sys.executable, "tools/check_outcomes.py"])]
    sources = sorted(f for f in changed if f.startswith("src/") and f.endswith((".h", ".cc")) and (ROOT / f).exists())
    if sources:
        outcomes.append(run_tests.run_check("changed_sources_are_formatted",
                                            ["clang-format-19", "--dry-run", "-Werror", *sources]))
    return outcomes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--since", metavar="COMMIT", help="all that has changed since then")
    parser.add_argument("--seconds", type=float, default=55, help="how long programs of folders above may take, with all before")
    options = parser.parse_args()
    deadline = time.monotonic() + options.seconds
    began, lock = time.monotonic(), threading.Lock()

    changed = changed_files(options.since)
    outcomes, left_out = check_tree(changed), []
    for outcome in outcomes:
        run_tests.report(outcome, lock)
    if any(f.startswith(("src/", "cmake/", "CMake")) for f in changed):
        configure()
        own, above = touched_programs(changed)
        for program in own + above:
            outcome = check_program(program, None if program in own else deadline)
            if outcome is None:
                left_out.append(program.name)
                continue
            outcomes.append(outcome)
            run_tests.report(outcome, lock)
    if left_out:
        print(f"no time for {', '.join(left_out)}: `make test` runs them")
    failed = sum(len(o.failed) for o in outcomes)
    passed = sum(o.passed for o in outcomes)
    print(f"{time.monotonic() - began:.0f} s\n{len(changed)} changed files: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
