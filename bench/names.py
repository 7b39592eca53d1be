#!/usr/bin/env python3
"""What names cost a dynamic forward route.

  idle name           bytes of memory for each of 100,000 names that are known
  idle destination    bytes more for a name that has been forwarded to and has no connection
  s2 beside ...       CPU time of a request to one name while so many others are known, against none
  unknown names       CPU time that 20,000 names a second which do not resolve add to cached traffic beside them
  endpoint changes    CPU time that 1,000 names a second whose address is another one take more than names that keep theirs

Exits 0 where all are within their bounds and cached traffic sees no error. SLUICE_BIN names the program;
build/release/sluice otherwise. Needs nginx, dnsmasq, wrk, and load/build/latency_load.
"""

import argparse
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

from compare import cpu_seconds, free_ports, get, http_once, memory_kib, pin, stop_process

HERE = pathlib.Path(__file__).resolve().parent
KNOWN = 100_000
DESTINATIONS = 8_000
DESTINATIONS_MAX = 8_192         # that a worker remembers
FLOOD_RATE = 20_000
CACHED_RATE = 4_000
CACHED_NAMES = 100
TTL = 5                         # seconds: names are asked for no more often
CHANGING = 1_000 * TTL
CHANGING_RATE = 2_000           # of requests: each name is used within its TTL

CONFIG = """\
apiVersion: gateway.solo.io/v1
kind: Gateway
metadata: {{name: gateway-proxy, namespace: gloo-system}}
spec:
  bindAddress: 127.0.0.1
  bindPort: {port}
  httpGateway:
    options:
      httpConnectionManagerSettings: {{generateRequestId: false}}
      dynamicForwardProxy:
        circuitBreakers: {{maxConnections: 20000, maxPendingRequests: 20000, maxRequests: 20000}}
        dnsCacheConfig:
          dnsLookupFamily: V4_ONLY
          maxHosts: {hosts}
          hostTtl: 1h
          caresDns:
            resolvers: [{{socketAddress: {{address: 127.0.0.1, portValue: {dns}, protocol: UDP}}}}]
---
# The test's hosts live on one loopback address.
apiVersion: sluice.dev/v1alpha1
kind: EgressPolicy
metadata: {{name: lab, namespace: gloo-system}}
spec:
  targetRefs: [{{group: gateway.solo.io, kind: Gateway, name: gateway-proxy}}]
  rules:
  - {{name: backends, action: allow, match: {{addresses: [loopback]}}}}
---
apiVersion: gateway.solo.io/v1
kind: VirtualService
metadata: {{name: all, namespace: gloo-system}}
spec:
  virtualHost:
    domains: ['*']
    routes:
    - matchers: [{{prefix: /}}]
      routeAction: {{dynamicForwardProxy: {{}}}}
"""
# `keeping` keeps connections; `closing` ends each after its answer, so that no destination has one.
BACKEND = """\
daemon off; worker_processes 1; pid {tmp}/nginx.pid; error_log {tmp}/error.log; worker_rlimit_nofile 20000;
events {{ worker_connections 18000; }}
http {{
  access_log off; keepalive_requests 100000000; client_body_temp_path {tmp}; proxy_temp_path {tmp};
  fastcgi_temp_path {tmp}; uwsgi_temp_path {tmp}; scgi_temp_path {tmp};
  server {{ listen 127.0.0.1:{keeping} backlog=4096; keepalive_timeout 600s; return 200 "ok"; }}
  server {{ listen 127.0.0.1:{closing} backlog=4096; listen 127.0.0.2:{closing} backlog=4096; keepalive_timeout 0; return 200 "ok"; }}
}}
"""


class Answers(threading.Thread):
    """A DNS server that knows 127.0.0.1 for each name, or by turns that and 127.0.0.2."""

    def __init__(self, changing):
        super().__init__(daemon=True)
        self.changing, self.asked, self.changed = changing, {}, 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def run(self):
        while True:
            query, peer = self.socket.recvfrom(4096)
            end = query.index(0, 12) + 5                        # behind the question's name, type and class
            times = self.asked[query[12:end]] = self.asked.get(query[12:end], 0) + 1
            self.changed += times > 1
            host = 1 + times % 2 if self.changing else 1
            self.socket.sendto(query[:2] + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + query[12:end] +
                               b"\xc0\x0c\x00\x01\x00\x01" + TTL.to_bytes(4, "big") + bytes([0, 4, 127, 0, 0, host]), peer)


class Lab:
    """The backend, a DNS server (*.known.test is 127.0.0.1, *.refused.test an address that no policy allows, no other
    name exists) and what is started on them."""

    def __init__(self, folder, load_core, rate):
        self.folder, self.load_core, self.rate = folder, load_core, rate
        self.keeping, self.closing, self.dns = free_ports(3)
        self.processes = []

    def start(self, argv, core, **further):
        process = subprocess.Popen(argv, preexec_fn=pin(core), **further)
        self.processes.append(process)
        return process

    def start_surroundings(self):
        conf = self.folder / "nginx.conf"
        conf.write_text(BACKEND.format(tmp=self.folder, keeping=self.keeping, closing=self.closing))
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.start(["nginx", "-p", str(self.folder), "-c", str(conf)], self.load_core, **quiet)
        self.start([shutil.which("dnsmasq") or "/usr/sbin/dnsmasq", "-k", "-C", "/dev/null", "--no-resolv", "--no-hosts",
                    "--user=", "--pid-file=", "--bind-interfaces", "--listen-address=127.0.0.1", f"--port={self.dns}",
                    "--local-ttl=3600", "--neg-ttl=3600", "--cache-size=0", "--local=/test/", "--address=/known.test/127.0.0.1",
                    "--address=/refused.test/10.1.1.1"], self.load_core, **quiet)

    def sluice(self, hosts, dns=None):
        """A started one and its port."""
        port, = free_ports(1)
        conf = self.folder / f"sluice-{port}.yaml"
        conf.write_text(CONFIG.format(port=port, hosts=hosts, dns=dns or self.dns))
        program = os.environ.get("SLUICE_BIN", HERE.parent / "build/release/sluice")
        process = self.start([program, "run", "--config", conf, "--workers", "1", "--access-log", "off", "--log-level", "error",
                              "--admin", "off", "--api", "off"], 0, stdout=subprocess.DEVNULL)
        for _ in range(500):
            try:
                if http_once(port, get(host=f"one.known.test:{self.keeping}"))[0] == 200:
                    return process, port
            except OSError:
                pass
            time.sleep(0.02)
        sys.exit("names: sluice or what it asks does not answer")

    def stop(self, process=None):
        for one in [process] if process else self.processes:
            stop_process(one)
            if process:
                self.processes.remove(process)

    def wrk(self, port, seconds, connections=64, requests=()):
        """How many requests were answered."""
        file = self.folder / "requests.bin"
        file.write_bytes(b"".join(b"%d\n%s" % (len(r), r) for r in requests))
        out = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(HERE / "load/replay.lua"), f"http://127.0.0.1:{port}/"],
            capture_output=True, text=True, check=True, env=dict(os.environ, BENCH_REQUESTS=str(file)),
            preexec_fn=pin(self.load_core))
        return json.loads(out.stdout.partition("RESULT ")[2])

    def steady(self, port, rate, seconds, host, names, status=200, connections=64):
        arguments = map(str, (port, connections, rate, seconds, host, names, status))
        return subprocess.Popen([str(HERE / "load/build/latency_load"), *arguments], stdout=subprocess.PIPE, text=True,
                                preexec_fn=pin(self.load_core))

    def ask_each(self, port, count, host, status):
        """One request for each of so many names; how long it takes is the proxy's affair."""
        result = json.loads(self.steady(port, self.rate, count // self.rate + 2, host, count, status).communicate()[0])
        if result["errors"] or result["requests"] < count:
            sys.exit(f"names: {host}: {result}")


def bytes_of_each(lab, hosts, count, host, status):
    process, port = lab.sluice(hosts)
    lab.ask_each(port, 100, "warm#." + host.partition(".")[2], status)
    before = memory_kib(process.pid)[1]
    lab.ask_each(port, count, host, status)
    after = memory_kib(process.pid)[1]
    lab.stop(process)
    return (after - before) * 1024 / count


def one_name_beside(lab, counts, rounds, seconds):
    """CPU time of a request to one name, for each count of others that are known."""
    running = {}
    for count in counts:
        running[count] = lab.sluice(2 * KNOWN)
        if count:
            lab.ask_each(running[count][1], count, f"n#.known.test:{lab.closing}", 200)
    request = [get(host=f"one.known.test:{lab.keeping}")]
    samples = {count: [] for count in counts}
    for turn in range(rounds + 1):
        for count in counts[turn % len(counts):] + counts[:turn % len(counts)]:
            process, port = running[count]
            before = sum(cpu_seconds(process.pid))
            result = lab.wrk(port, seconds, requests=request)
            if turn:    # the first warms up
                samples[count].append((sum(cpu_seconds(process.pid)) - before) * 1e6 / result["requests"])
    for process, _ in running.values():
        lab.stop(process)
    return {count: statistics.median(values) for count, values in samples.items()}


def cost_of_unknown_names(lab, rounds, seconds):
    """(CPU time that the flood adds to cached traffic, as a share of that traffic's; errors of it)"""
    process, port = lab.sluice(1024)
    errors, shares = 0, []

    def measured(cached, flood):
        nonlocal errors
        before = sum(cpu_seconds(process.pid))
        loads = []
        if cached:
            loads.append(lab.steady(port, CACHED_RATE, seconds, f"c#.known.test:{lab.keeping}", CACHED_NAMES))
        if flood:   # ever new: the numbers of each run are its own
            flood_name = f"u{time.monotonic_ns()}x#.unknown.test"
            loads.append(lab.steady(port, FLOOD_RATE, seconds, flood_name, 0, 502, connections=128))
        results = [json.loads(load.communicate()[0]) for load in loads]
        if cached:
            errors += results[0]["errors"]
        sent = results[-1]["requests"]
        return sum(cpu_seconds(process.pid)) - before, sent / (FLOOD_RATE if flood else CACHED_RATE) / seconds

    measured(True, False)
    for _ in range(rounds):
        cached, _ = measured(True, False)
        flood, reached = measured(False, True)
        both, reached_beside = measured(True, True)
        if min(reached, reached_beside) < 0.95:
            print(f"  (only {min(reached, reached_beside):.0%} of the unknown names could be sent)")
        shares.append((both - flood - cached) / cached)
    lab.stop(process)
    return statistics.median(shares), errors


def cost_of_changing_names(lab, seconds):
    """(share of a core that names cost more which change, how many did in a second)"""
    busy, changes = {}, 0.0
    for changing in (False, True):
        answers = Answers(changing)
        answers.start()
        process, port = lab.sluice(2 * CHANGING, answers.port)
        host = f"e#.changing.test:{lab.closing}"    # a connection for each request, to whichever address
        lab.steady(port, CHANGING_RATE, 2 * TTL, host, CHANGING).communicate()
        asked, before = answers.changed, sum(cpu_seconds(process.pid))
        result = json.loads(lab.steady(port, CHANGING_RATE, seconds, host, CHANGING).communicate()[0])
        busy[changing] = (sum(cpu_seconds(process.pid)) - before) / seconds
        changes = (answers.changed - asked) / seconds
        if result["errors"]:
            sys.exit(f"names: of names that change: {result}")
        lab.stop(process)
    return busy[True] - busy[False], changes


def measure_changes(lab, options, judge):
    share, changes = cost_of_changing_names(lab, max(10, 2 * options.seconds))
    if changes < 500:
        sys.exit(f"names: only {changes:.0f} names a second were asked for again")
    judge(f"what {changes:,.0f} changes of address a second cost", share * 100, 5 * changes / 1000, "% of a core", ".1f")


def measure_memory(lab, _, judge):
    # Of these names the last 8,192 are destinations too, of which the second figure knows the size.
    many = bytes_of_each(lab, 2 * KNOWN, KNOWN, "n#.refused.test", 403) * KNOWN
    both = bytes_of_each(lab, 2 * KNOWN, DESTINATIONS, f"n#.known.test:{lab.closing}", 200)
    idle_name = (many - DESTINATIONS_MAX * both) / (KNOWN - DESTINATIONS_MAX)
    judge("an idle name", idle_name, 512, "bytes")
    judge("an idle destination, its name aside", both - idle_name, 1024, "bytes")


def measure_time(lab, options, judge):
    cpu = one_name_beside(lab, [0, 1000, KNOWN], options.rounds, options.seconds)
    for count in (1000, KNOWN):
        judge(f"one name beside {count:,} others, against none", cpu[count] / cpu[0], 1.10, "x", ".3f")


def measure_flood(lab, options, judge):
    share, errors = cost_of_unknown_names(lab, options.rounds, options.seconds)
    judge(f"what {FLOOD_RATE:,} unknown names a second add", share * 100, 5, "%", ".1f")
    judge("errors of the cached traffic meanwhile", errors, 0, "")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--rate", type=int, default=8_000, help="at which names are made known; less for a slow build")
    parser.add_argument("--only", choices=["memory", "time", "flood", "changes"], help="one of the above")
    options = parser.parse_args()
    good = True

    def judge(what, value, most, unit, form=".0f"):
        nonlocal good
        good &= value <= most
        print(f"  {'held' if value <= most else 'MISSED':8} {what:44} {value:8{form}} {unit} <= {most:g}", flush=True)

    with tempfile.TemporaryDirectory(prefix="names-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o777)
        lab = Lab(folder, 1 if (os.cpu_count() or 1) > 1 else 0, options.rate)
        try:
            lab.start_surroundings()
            measures = {"memory": measure_memory, "time": measure_time, "flood": measure_flood, "changes": measure_changes}
            for what, measure in measures.items():
                if options.only in (None, what):
                    measure(lab, options, judge)
        finally:
            lab.stop()
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
