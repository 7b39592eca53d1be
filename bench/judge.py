#!/usr/bin/env python3
"""Runs the comparison that sluice is held to and says for each limit whether it holds. `make bench` calls this.

One worker each, all on one core but where it says two, peers taking turns in each round; the medians of the rounds are
judged. A limit of 1.00 between two proxies counts as held up to 1.02, which is the noise of this method.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
NOISE = 0.02


@dataclasses.dataclass
class Ratio:
    """CPU time per request of sluice in `scenario`, against another row."""
    scenario: str
    other: str                      # a peer
    limit: float
    other_scenario: str = ""        # where it is not the same
    own: str = "sluice"

    def text(self):
        beside = f"{self.other} {self.other_scenario}" if self.other_scenario else self.other
        return f"{self.scenario} {self.own} / {beside} <= {self.limit:.2f}"

    def measured(self, rows):
        own = rows.get((self.scenario, self.own), {}).get("cpu_us_median")
        other = rows.get((self.other_scenario or self.scenario, self.other), {}).get("cpu_us_median")
        return own / other if own and other else None

    def holds(self, value):
        return value <= self.limit + (NOISE if self.limit == 1.0 else 0)


@dataclasses.dataclass
class Bound:
    scenario: str
    key: str
    unit: str
    limit: float

    def text(self):
        return f"{self.scenario} sluice {self.unit} <= {self.limit:g}"

    def measured(self, rows):
        return rows.get((self.scenario, "sluice"), {}).get(self.key)

    def holds(self, value):
        return value <= self.limit


LIMITS = [
    Ratio("s1", "nginx", 0.87),
    Ratio("s1", "haproxy", 0.89),
    Ratio("s1", "limit-epoll", 1.30),
    Ratio("s1", "sluice", 1.03, own="sluice-busy"),
    Ratio("s2", "haproxy", 0.82),
    Ratio("s2", "envoy", 0.26),
    Ratio("s2", "sluice", 1.06, other_scenario="s1"),
    Ratio("s3", "haproxy", 0.72),
    Ratio("s4a", "haproxy", 0.66),
    Ratio("s4b", "haproxy", 0.75),
    Ratio("s4c", "envoy", 0.22),
    Ratio("s4d", "envoy", 0.30),
    Ratio("s5b", "haproxy", 0.86),
    Ratio("s5c", "limit-splice", 1 / 0.85),     # at least 0.85 of its throughput for the same CPU time
    Bound("s10a", "kib_per_connection", "KiB per idle connection", 0.40),
    Bound("s11", "startup_ms", "ms from start to the first answer", 15.0),
]
@dataclasses.dataclass
class Micro:
    """Nanoseconds of a google-benchmark."""
    program: str
    benchmark: str
    limit: float

    def text(self):
        return f"{self.benchmark} of {pathlib.Path(self.program).name} <= {self.limit:g} ns"

    def measured(self):
        program = HERE.parent / "build/release" / self.program
        if not program.exists():
            return None
        out = subprocess.run([program, f"--benchmark_filter=^{self.benchmark}$", "--benchmark_format=json"], check=True,
                             capture_output=True, text=True).stdout
        return max(row["cpu_time"] for row in json.loads(out)["benchmarks"])

    def holds(self, value):
        return value <= self.limit


MICROS = [
    Micro("src/route/route_table_bench", "choose/.*", 1000),     # among 100,000 routes
]
# The load and the backend on a core of their own: a large body is mostly theirs.
ON_TWO_CORES = {"s5c"}
# Programs with bounds of their own.
OWN_BOUNDS = {"scale": ["scale.py", "10000", "10"], "names": ["names.py"]}


def envoy_program():
    if os.environ.get("ENVOY_BIN"):
        return os.environ["ENVOY_BIN"]
    found = sorted((HERE.parent / "build/tools/envoy/lib").glob("python3*/site-packages/envoy/_bin/envoy"))
    return str(found[0]) if found else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenarios", default="s1,s2,s3,s4,s5b,s5c,s10a,s11,scale,names,micro")
    parser.add_argument("--peers", default="sluice,sluice-busy,nginx,haproxy,envoy,limit-epoll,limit-splice",
                        help="those of --peer-dir come besides these")
    parser.add_argument("--peer-dir", action="append", default=[], help="a further peer's directory (repeatable)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--json", help="where every sample goes; default: a temporary file")
    parser.add_argument("--dns", default="127.0.0.54:5354")
    options = parser.parse_args()

    further = [json.loads(pathlib.Path(d, "peer.json").read_text())["name"] for d in options.peer_dir]
    peers = [*options.peers.split(","), *(name for name in further if name not in options.peers.split(","))]
    wanted = options.scenarios.split(",")
    compared = [s for s in wanted if s not in OWN_BOUNDS and s != "micro"]
    cores = {"0": [s for s in compared if s not in ON_TWO_CORES],
             "1": [s for s in compared if s in ON_TWO_CORES] if (os.cpu_count() or 1) > 1 else []}
    rows = {}
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as scratch:
        result = pathlib.Path(options.json or pathlib.Path(scratch, "result.json")).resolve()
        for load_core, scenarios in cores.items():
            if not scenarios:
                continue
            code = subprocess.run(
                [sys.executable, str(HERE / "compare.py"), "--peers", ",".join(peers), "--scenarios",
                 ",".join(scenarios), *(f"--peer-dir={d}" for d in options.peer_dir),
                 "--rounds", str(options.rounds), "--seconds", str(options.seconds), "--proxy-core", "0", "--load-core",
                 load_core, "--dns", options.dns, "--json", str(result)],
                env=dict(os.environ, ENVOY_BIN=envoy_program()), check=False).returncode
            if code:
                return code
        if result.exists():
            rows = {(r["scenario"], r["peer"]): r for r in json.loads(result.read_text())["rows"]}

    print("\nverdicts (medians):", flush=True)
    missed = measured = 0
    for program in (OWN_BOUNDS[name] for name in wanted if name in OWN_BOUNDS):
        measured += 1
        missed += subprocess.run([sys.executable, str(HERE / program[0]), *program[1:]], check=False).returncode != 0
    values = [(limit, limit.measured(rows)) for limit in LIMITS]
    if "micro" in wanted:
        values += [(limit, limit.measured()) for limit in MICROS]
    for limit, value in values:
        if value is None:
            print(f"  not measured  {limit.text()}")
            continue
        measured += 1
        good = limit.holds(value)
        missed += not good
        print(f"  {'held  ' if good else 'MISSED'} {value:8.2f}  {limit.text()}")
    errors = {key: row["errors"] for key, row in rows.items() if row["errors"] and key[1].startswith("sluice")}
    for (scenario, peer), count in errors.items():
        print(f"  MISSED          {scenario} {peer}: {count} errors")
    return 1 if missed or errors or not measured else 0


if __name__ == "__main__":
    sys.exit(main())
