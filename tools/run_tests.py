#!/usr/bin/env python3
"""Runs the tests of a build: `tools/run_tests.py [SUITE...]`, all suites of `make test` by default.

  checks     the rules about the tree itself: who may include whom, formatting, clang-tidy on what changed, scripts
  unit       every gtest program (*_test) below the build folder
  fuzz       every fuzz target, a few seconds each, from its corpus
  scenarios  tests/scenarios/*.yaml against the program
  e2e        tests/e2e/test_*.py: the program as its users meet it
  soak       tests/soak/test_*.py, and 10,000 seeds of the simulation: the long ones, only when asked for

All of it is one queue of which two run at a time, the longest first: the build folder remembers how long each took
(`test_times.json`). What fails is printed with its output. Each gtest case, fuzz target, scenario and end-to-end test
counts as one; skipped ones are listed with their reasons. The last line is `tests: N passed, N failed, N skipped`; the
exit code is 1 when something failed or nothing ran.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SUITES = ["checks", "unit", "fuzz", "scenarios", "e2e"]
UNIT_TIMEOUT = 300
SOAK_TIMEOUT = 6 * 3600
SOAK_SEEDS = 10_000
SCRIPT_TIMEOUT = 420
TIDY_SOURCES_MAX = 12  # a source takes some ten seconds
OUTPUT_LINES_MAX = 120
ENVIRONMENT = {
    # A leak is a failure; what the sanitizers hold back after a free is kept small so that memory limits can be tested.
    "ASAN_OPTIONS": "detect_leaks=1:quarantine_size_mb=8:strict_string_checks=1:allocator_may_return_null=1",
    "TSAN_OPTIONS": "die_after_fork=0:second_deadlock_stack=1:halt_on_error=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "LC_ALL": "C.UTF-8",
    # promtool, where tools/setup.sh unpacked it.
    "PATH": f"{ROOT}/build/tools/prometheus/usr/bin:{os.environ.get('PATH', os.defpath)}",
    "PYTHONDONTWRITEBYTECODE": "1",
}


@dataclasses.dataclass
class Outcome:
    """What one program said: the counts, and the words for what needs them."""
    name: str
    passed: int = 0
    failed: list = dataclasses.field(default_factory=list)     # names of the cases
    skipped: list = dataclasses.field(default_factory=list)    # (name, reason)
    output: str = ""
    seconds: float = 0.0


@dataclasses.dataclass
class Job:
    name: str
    run: object              # () -> Outcome
    guess: float = 1.0       # seconds, as long as nobody knows better


def run_program(argv, timeout, environment=None, cwd=ROOT):
    """(exit code or None after the timeout, output). The whole process group ends with it."""
    env = dict(os.environ, **ENVIRONMENT, **(environment or {}))
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([str(a) for a in argv], stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                   env=env, cwd=cwd, start_new_session=True)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        log.seek(0)
        text = log.read().decode("utf-8", "replace")
    if code is None:
        text += f"\n... did not end within {timeout} s and was killed"
    elif code < 0:
        text += f"\n... ended by signal {signal.Signals(-code).name}"
    return code, text


def timed(function):
    def inner(*arguments):
        began = time.monotonic()
        outcome = function(*arguments)
        outcome.seconds = time.monotonic() - began
        return outcome
    return inner


# ------------------------------------------------------------------------ unit

def kubectls():
    """Debian's kubectl and, where `make interop` has brought one, a current one: for the tests of the API."""
    found = {"KUBECTL": ROOT / "build/tools/kubernetes-client/usr/bin/kubectl", "KUBECTL_NEW": ROOT / "build/tools/kubectl-new/kubectl"}
    return {name: str(path) for name, path in found.items() if path.exists() and name not in os.environ}


@timed
def run_gtest(program, label="unit", timeout=UNIT_TIMEOUT, environment=None):
    outcome = Outcome(f"{label} {program.name}")
    if not program.exists():
        outcome.failed.append(f"{program} has not been built")
        return outcome
    with tempfile.TemporaryDirectory(prefix="sluice-unit-") as scratch:
        report = pathlib.Path(scratch, "report.json")
        code, outcome.output = run_program([program, f"--gtest_output=json:{report}"], timeout,
                                           {"TMPDIR": scratch, **kubectls(), **(environment or {})})
        try:
            suites = json.loads(report.read_text())["testsuites"]
        except (OSError, ValueError):
            suites = []      # it crashed before the end
    for suite in suites:
        for case in suite["testsuite"]:
            name = f"{suite['name']}.{case['name']}"
            if case.get("failures"):
                outcome.failed.append(name)
            elif case.get("result") == "SKIPPED":
                outcome.skipped.append((name, skip_reason(outcome.output, name)))
            elif case.get("status") == "RUN":
                outcome.passed += 1
    if not suites:
        outcome.passed = outcome.output.count("[       OK ] ")
    if code != 0 and not outcome.failed:
        running = [line.partition("] ")[2] for line in outcome.output.splitlines() if line.startswith("[ RUN      ]")]
        outcome.failed.append(f"{program.name} ended with {code} in or after {running[-1] if running else 'its start'}")
    if code == 0 and not outcome.passed and not outcome.skipped:
        outcome.failed.append(f"{program.name} holds no test")
    return outcome


def skip_reason(output, name):
    """GTEST_SKIP prints `file:line: Skipped`, then the reason, between RUN and SKIPPED of the case."""
    _, _, rest = output.partition(f"[ RUN      ] {name}\n")
    lines = rest.partition("[  SKIPPED ]")[0].strip().splitlines()
    return lines[-1] if lines else "no reason given"


def unit_jobs(options):
    programs = sorted(p for p in options.build.rglob("*_test") if p.is_file() and os.access(p, os.X_OK))
    return [Job(p.name, lambda p=p: run_gtest(p), p.stat().st_size / 1e7) for p in chosen(programs, options)]


def chosen(files, options):
    return [f for f in files if not options.only or any(part in f.stem for part in options.only.split(","))]


# ------------------------------------------------------------------------ fuzz

@timed
def run_fuzz_target(program, options):
    outcome = Outcome(f"fuzz {program.name}")
    corpora = [d for d in ROOT.glob(f"src/**/corpus/{program.name}") if d.is_dir() and any(d.iterdir())]
    if not corpora:
        outcome.failed.append(f"{program.name} has no corpus: src/**/corpus/{program.name}/ is missing or empty")
        return outcome
    with tempfile.TemporaryDirectory(prefix="sluice-fuzz-") as scratch:
        finds = pathlib.Path(options.keep_finds or scratch, program.name)
        new = pathlib.Path(scratch, "new")
        for folder in (finds, new):
            folder.mkdir(parents=True, exist_ok=True)
        seconds = options.fuzz_seconds
        code, outcome.output = run_program(
            [program, f"-max_total_time={seconds}", "-timeout=5", "-rss_limit_mb=2048", "-print_final_stats=1",
             "-verbosity=0" if seconds <= 60 else "-verbosity=1", f"-artifact_prefix={finds}/", new, *corpora],
            seconds + 120)
        if code == 0:
            outcome.passed = 1
            return outcome
        outcome.failed.append(f"{program.name} ended with {code}")
        for find in sorted(finds.iterdir()):
            if find.is_file():
                outcome.output += f"\n{find.name}: {find.read_bytes()[:512]!r}"
    return outcome


def fuzz_jobs(options):
    folder = options.build / "fuzz"
    programs = sorted(p for p in folder.glob("*") if p.is_file() and os.access(p, os.X_OK)) if folder.is_dir() else []
    return [Job(p.name, lambda p=p: run_fuzz_target(p, options), options.fuzz_seconds) for p in chosen(programs, options)]


# ------------------------------------------------------- Python and tree checks

@timed
def run_script(file, label, options):
    """A file of unittest cases, or a scenario, run by a script that reports each case as JSON."""
    outcome = Outcome(f"{label} {file.stem}")
    with tempfile.TemporaryDirectory(prefix="sluice-e2e-") as scratch:
        report = pathlib.Path(scratch, "report.json")
        timeout = SCRIPT_TIMEOUT if label != "soak" else SOAK_TIMEOUT
        code, outcome.output = run_program(
            [sys.executable, ROOT / "tests/harness" / ("scenario.py" if label == "scenarios" else "run_file.py"), file, report], timeout,
            {"TMPDIR": scratch, "SLUICE_BIN": os.environ.get("SLUICE_BIN", str(options.build / "sluice"))})
        try:
            cases = json.loads(report.read_text())
        except (OSError, ValueError):
            cases = []
    for case in cases:
        if case["result"] == "passed":
            outcome.passed += 1
        elif case["result"] == "skipped":
            outcome.skipped.append((f"{file.stem}.{case['name']}", case["reason"]))
        else:
            outcome.failed.append(f"{file.stem}.{case['name']}")
    if code != 0 and not outcome.failed:
        outcome.failed.append(f"{file.stem} ended with {code}")
    if code == 0 and not cases:
        outcome.failed.append(f"{file.stem} holds no test")
    return outcome


def script_jobs(folder, label, pattern="test_*.py"):
    def jobs(options):
        files = chosen(sorted((ROOT / folder).glob(pattern)), options)
        return [Job(f.stem, lambda f=f: run_script(f, label, options), f.stat().st_size / 1e3) for f in files]
    return jobs


def soak_jobs(options):
    """The simulation is a test program, which a build for release does not have: the one of --build is taken."""
    programs = chosen([options.build / "src/simulation/simulation_test"], options)
    seeds = {"SLUICE_SEEDS": os.environ.get("SLUICE_SEEDS", str(SOAK_SEEDS))}
    return [*script_jobs("tests/soak", "soak")(options),
            *(Job(p.name, lambda p=p: run_gtest(p, "soak", SOAK_TIMEOUT, seeds)) for p in programs)]


@timed
def run_check(name, argv):
    outcome = Outcome(f"checks {name}")
    code, outcome.output = run_program(argv, SCRIPT_TIMEOUT)
    if code == 0:
        outcome.passed = 1
    else:
        outcome.failed.append(name)
    return outcome


def check_jobs(options):
    sources = [str(f.relative_to(ROOT)) for end in ("*.h", "*.cc") for f in sorted((ROOT / "src").rglob(end))]
    checks = {
        "includes_point_downwards": [sys.executable, "tools/check_layers.py"],
        "outcomes_are_no_texts": [sys.executable, "tools/check_outcomes.py"],
        "sources_are_formatted": ["clang-format-19", "--dry-run", "-Werror", *sources],
        "shell_scripts_parse": ["bash", "-n", "tools/setup.sh", "tools/tidy.sh", ".ci/run"],
    }
    if (ROOT / "build/dev/compile_commands.json").exists():
        checks["changed_sources_are_tidy"] = ["env", f"TIDY_MAX={TIDY_SOURCES_MAX}", "tools/tidy.sh"]
    program = os.environ.get("SLUICE_BIN", str(options.build / "sluice"))
    if os.path.exists(program):
        checks["generated_docs_are_up_to_date"] = [sys.executable, "tools/write_docs.py", "--check", program]
    return [Job(name, lambda name=name, argv=argv: run_check(name, argv), 10.0 * TIDY_SOURCES_MAX if "tidy" in name else 1)
            for name, argv in checks.items()]


JOBS = {"checks": check_jobs, "unit": unit_jobs, "fuzz": fuzz_jobs, "scenarios": script_jobs("tests/scenarios", "scenarios", "*.yaml"),
        "e2e": script_jobs("tests/e2e", "e2e"), "soak": soak_jobs}


# ------------------------------------------------------------------------ main

class Times:
    """Seconds that each job took the last time it passed, in a file of the build folder; losing it costs nothing."""

    def __init__(self, folder):
        self.file = folder / "test_times.json"
        try:
            self.seconds = {str(name): float(seconds) for name, seconds in json.loads(self.file.read_text()).items()}
        except (OSError, ValueError, AttributeError, TypeError):
            self.seconds = {}

    def longest_first(self, jobs):
        """`jobs`: (suite, Job). Programs of another build folder have times of their own there."""
        return sorted(jobs, key=lambda job: -self.seconds.get(f"{job[0]} {job[1].name}", job[1].guess))

    def note(self, outcomes):
        self.seconds.update((outcome.name, round(outcome.seconds, 1)) for outcome in outcomes if not outcome.failed)
        if self.file.parent.is_dir():
            scratch = self.file.with_suffix(f".{os.getpid()}")
            scratch.write_text(json.dumps(self.seconds, indent=1, sort_keys=True))
            scratch.replace(self.file)


def report(outcome, lock):
    with lock:
        counts = f"{outcome.passed} passed"
        if outcome.failed:
            counts += f", {len(outcome.failed)} failed"
        if outcome.skipped:
            counts += f", {len(outcome.skipped)} skipped"
        print(f"{outcome.name}: {counts} ({outcome.seconds:.1f} s)", flush=True)
        if outcome.failed:
            lines = outcome.output.rstrip().splitlines()
            if len(lines) > OUTPUT_LINES_MAX:
                print(f"   ... {len(lines) - OUTPUT_LINES_MAX} lines before")
            for line in lines[-OUTPUT_LINES_MAX:]:
                print(f"   | {line}")
            for name in outcome.failed:
                print(f"   FAILED {name}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(JOBS)}")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/dev")
    parser.add_argument("--only", help="only the programs and files whose names hold one of these, comma list")
    parser.add_argument("--fuzz-seconds", type=int, default=10)
    parser.add_argument("--keep-finds", type=pathlib.Path, help="where inputs that failed are kept")
    parser.add_argument("--jobs", type=int, default=2, help="how many programs run at a time")
    options = parser.parse_args()
    options.build = options.build.resolve()
    if options.keep_finds:
        options.keep_finds = options.keep_finds.resolve()
    unknown = set(options.suites) - set(JOBS)
    if unknown:
        parser.error(f"no such suite: {', '.join(sorted(unknown))}")

    outcomes, lock = [], threading.Lock()
    began = time.monotonic()
    times = Times(options.build)
    jobs = times.longest_first([(suite, job) for suite in options.suites or SUITES for job in JOBS[suite](options)])
    with concurrent.futures.ThreadPoolExecutor(max_workers=options.jobs) as pool:
        for future in concurrent.futures.as_completed([pool.submit(job.run) for _, job in jobs]):
            outcomes.append(future.result())
            report(outcomes[-1], lock)
    times.note(outcomes)

    passed = sum(o.passed for o in outcomes)
    failed = [name for o in outcomes for name in o.failed]
    skipped = [entry for o in outcomes for entry in o.skipped]
    print(f"\n{time.monotonic() - began:.0f} s")
    for name, reason in skipped:
        print(f"skipped {name}: {reason}")
    for name in failed:
        print(f"FAILED {name}")
    if not passed and not failed:
        print("nothing ran: is anything built?")
    print(f"tests: {passed} passed, {len(failed)} failed, {len(skipped)} skipped", flush=True)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
