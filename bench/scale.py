#!/usr/bin/env python3
"""How sluice does with many objects: scale.py HOSTS ROUTES

Makes that many VirtualServices with that many routes each, starts sluice on them, and measures how long it takes from its
start to serving, its memory (PSS), how long one changed object takes to be live on all workers, and what changes cost the
traffic meanwhile: its median latency and the CPU time of the workers for a request, with two changes a second against
without. Exits 0 where all are within their bounds. SLUICE_BIN names the program; build/release/sluice otherwise. Needs
load/build/latency_load.
"""

import argparse
import http.client
import json
import os
import pathlib
import select
import statistics
import subprocess
import sys
import tempfile
import time

from compare import free_ports, memory_kib, stop_process

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
OBJECTS_A_FILE = 100
START_PATIENCE = 240    # seconds
CHANGE_PATIENCE = 60
CHANGES = 5
WORKERS = 2
TRAFFIC_RATE = 2_000    # requests a second
TRAFFIC_SECONDS = 3
TRAFFIC_ROUNDS = 5
TRAFFIC_CHANGES = 5     # in that time
SEEN_IN_A_ROW = 20      # new connections, so that each worker has had some

GATEWAY = """\
apiVersion: gateway.solo.io/v1
kind: Gateway
metadata: {{name: gateway-proxy, namespace: gloo-system}}
spec:
  bindAddress: 127.0.0.1
  bindPort: {port}
  httpGateway: {{options: {{dynamicForwardProxy: {{}}}}}}
"""
SERVICE = """\
apiVersion: gateway.solo.io/v1
kind: VirtualService
metadata: {{name: vs{number}, namespace: gloo-system}}
spec:
  virtualHost:
    domains: [h{number}.test]
    routes:
{routes}    - matchers: [{{prefix: /}}]
      directResponseAction: {{status: 200, body: "{body}"}}
"""
ROUTE = """\
    - matchers: [{{prefix: /r{number}/}}]
      routeAction: {{dynamicForwardProxy: {{autoHostRewriteHeader: x-to}}}}
"""


def service(number, routes, body):
    before = "".join(ROUTE.format(number=k) for k in range(routes - 1))
    return SERVICE.format(number=number, routes=before, body=body)


def write_objects(folder, port, hosts, routes):
    (folder / "gateway.yaml").write_text(GATEWAY.format(port=port))
    for first in range(0, hosts, OBJECTS_A_FILE):
        numbers = range(first, min(hosts, first + OBJECTS_A_FILE))
        (folder / f"services-{first}.yaml").write_text("---\n".join(service(n, routes, str(n)) for n in numbers))
    (folder / "changed.yaml").write_text(service(hosts, routes, "before"))


def ask(port, host):
    """The body that `host` answers with; None when nobody does."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/", headers={"Host": host})
        return connection.getresponse().read().decode()
    except OSError:
        return None
    finally:
        connection.close()


def wait_for_snapshot(process, seconds):
    """Until it says that it serves another one."""
    deadline = time.monotonic() + seconds
    while select.select([process.stderr], [], [], max(0, deadline - time.monotonic()))[0]:
        line = process.stderr.readline()
        if b"config serving" in line:
            return
        if not line:
            sys.exit("scale: sluice ended")
    sys.exit(f"scale: nothing is served after {seconds} s")


def seconds_to_serve(process, port, hosts, started):
    wait_for_snapshot(process, START_PATIENCE)
    while ask(port, f"h{hosts - 1}.test") != str(hosts - 1):
        if process.poll() is not None or time.monotonic() - started > START_PATIENCE:
            sys.exit("scale: it serves something else")
    return time.monotonic() - started


def replace(folder, hosts, routes, body):
    new = folder / ".changed.yaml"
    new.write_text(service(hosts, routes, body))
    os.replace(new, folder / "changed.yaml")


def change_millis(process, folder, port, hosts, routes, body):
    """From the new file's coming to the first of many answers in a row that show it."""
    began = time.monotonic()
    replace(folder, hosts, routes, body)
    wait_for_snapshot(process, CHANGE_PATIENCE)
    seen, first = 0, None
    while seen < SEEN_IN_A_ROW:
        if time.monotonic() - began > CHANGE_PATIENCE:
            sys.exit(f"scale: a change is not live on all workers after {CHANGE_PATIENCE} s")
        if ask(port, f"h{hosts}.test") == body:
            seen += 1
            first = first or time.monotonic()
        else:
            seen, first = 0, None
    return (first - began) * 1000


def workers_cpu(process):
    """Seconds that the workers have used."""
    ticks = 0
    for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
        fields = (task / "stat").read_text()
        if fields[fields.index("(") + 1:].startswith("worker"):
            user, system = fields.rpartition(")")[2].split()[11:13]
            ticks += int(user) + int(system)
    return ticks / os.sysconf("SC_CLK_TCK")


def traffic(process, port, hosts, during):
    """(median latency in us, CPU time of the workers in us for a request) of steady traffic while during() runs."""
    before = workers_cpu(process)
    load = subprocess.Popen([HERE / "load/build/latency_load", *map(str, (port, 16, TRAFFIC_RATE, TRAFFIC_SECONDS, "h#.test", hosts))],
                            stdout=subprocess.PIPE, text=True)
    during()
    result = json.loads(load.communicate()[0])
    if result["errors"]:
        sys.exit(f"scale: traffic beside changes: {result}")
    return result["p50_us"], (workers_cpu(process) - before) * 1e6 / result["requests"]


def cost_of_changes(process, folder, port, hosts, routes):
    """(median latency, CPU time) of traffic with changes against without."""
    def changes():
        for k in range(TRAFFIC_CHANGES):
            replace(folder, hosts, routes, f"beside traffic {k}")
            wait_for_snapshot(process, CHANGE_PATIENCE)
            time.sleep(TRAFFIC_SECONDS / TRAFFIC_CHANGES / 2)
    quiet, changing = [], []
    for _ in range(TRAFFIC_ROUNDS):
        quiet.append(traffic(process, port, hosts, lambda: None))
        changing.append(traffic(process, port, hosts, changes))
    return [statistics.median(x[i] for x in changing) / statistics.median(x[i] for x in quiet) for i in (0, 1)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("hosts", type=int)
    parser.add_argument("routes", type=int)
    parser.add_argument("--max-start", type=float, default=3, help="seconds")
    parser.add_argument("--max-memory", type=float, default=300, help="MiB")
    parser.add_argument("--max-change", type=float, default=80, help="milliseconds, 30 of them waiting for quiet")
    parser.add_argument("--max-slowdown", type=float, default=1.10, help="of the traffic's median latency and CPU time")
    options = parser.parse_args()
    program = os.environ.get("SLUICE_BIN", ROOT / "build/release/sluice")

    with tempfile.TemporaryDirectory(prefix="scale-") as name:
        folder, port = pathlib.Path(name), free_ports(1)[0]
        write_objects(folder, port, options.hosts, options.routes)
        started = time.monotonic()
        process = subprocess.Popen(
            [program, "run", "--config", folder, "--workers", str(WORKERS), "--admin", "off", "--api", "off",
             "--access-log", "off"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, bufsize=0)
        try:
            start = seconds_to_serve(process, port, options.hosts, started)
            memory = memory_kib(process.pid)[1] / 1024
            change = statistics.median(
                change_millis(process, folder, port, options.hosts, options.routes, f"change {k}") for k in range(CHANGES))
            latency, cpu = cost_of_changes(process, folder, port, options.hosts, options.routes)
        finally:
            stop_process(process)

    good = True
    for what, value, most, unit in (("start", start, options.max_start, "s"), ("memory", memory, options.max_memory, "MiB"),
                                    ("one change", change, options.max_change, "ms"),
                                    ("median latency beside changes", latency, options.max_slowdown, "x"),
                                    ("CPU of the workers beside changes", cpu, options.max_slowdown, "x")):
        good &= value <= most
        print(f"  {'held' if value <= most else 'MISSED':8} {what:34} {value:8.2f} {unit} <= {most:g}")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
