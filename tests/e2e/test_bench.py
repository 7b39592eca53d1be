"""The comparison with other proxies goes on when one of them is not there."""

import importlib.util
import json
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import tempfile

from harness.case import Case
from harness.gateway import ROOT

COMPARE = ROOT / "bench/compare.py"
JUDGE = ROOT / "bench/judge.py"
PORTS = 140     # that a run of few peers may take, from its base on


def free_range():
    """The first of PORTS neighbours that nobody listens on."""
    for base in random.sample(range(20000, 32000, PORTS), 50):
        try:
            for port in range(base, base + PORTS):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
    raise AssertionError("no free range of ports")


class Peers(Case):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="sluice-peers-")
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def program(self, name, text, mode=0o755):
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)
        return str(path)

    def peer(self, name, program, **more):
        folder = self.folder / f"peer-{name}"
        folder.mkdir()
        spec = {"name": name, "binary": {"default": program}, **(more or {"like": "haproxy"})}
        (folder / "peer.json").write_text(json.dumps(spec))
        return f"--peer-dir={folder}"

    def compare(self, *arguments):
        done = subprocess.run([sys.executable, str(COMPARE), *arguments], capture_output=True, text=True, timeout=120)
        return done.returncode, done.stdout + done.stderr

    def test_list_says_why_a_peer_cannot_be_run(self):
        peers = [self.peer("none", "/nonexistent/proxy"), self.peer("garbage", self.program("garbage", "no program")),
                 self.peer("folder", str(self.folder)), self.peer("plain", self.program("plain", "", 0o644))]
        code, text = self.compare("--list", *peers)
        self.assertEqual(code, 0, text)
        self.assertIn("peer none: no program /nonexistent/proxy\n", text)
        self.assertIn("garbage cannot be run: ", text)
        self.assertIn(f"peer folder: no program {self.folder}\n", text)
        self.assertIn("peer plain: no program ", text)

    def test_another_version_of_a_peer_needs_a_name_and_a_program(self):
        other = self.peer("other", self.program("other", "#!/bin/sh\necho version: 9.9\n"))
        code, text = self.compare("--list", other)
        self.assertEqual(code, 0, text)
        self.assertRegex(text, r"peer other: .*/other \(9\.9\)")
        self.assertRegex(text, r"(?m)^s4a .*\bother\b")

    def test_two_peers_of_one_name_are_refused(self):
        code, text = self.compare("--list", self.peer("haproxy", "/nonexistent"))
        self.assertEqual(code, 2)
        self.assertIn("2 peers are called haproxy", text)

    def test_a_peer_that_does_not_start_is_left_out_of_every_kind_of_scenario(self):
        for tool in ("nginx", "wrk", "h2load", "openssl", "dnsmasq"):
            if not shutil.which(tool):
                self.skipTest(f"{tool} is not installed (make bench installs it)")
        peers = [self.peer("ends", self.program("ends", "#!/bin/sh\nexit 1\n")), self.peer("none", "/nonexistent/proxy")]
        base = free_range()
        code, text = self.compare("--peers", "ends,none", *peers, "--scenarios", "s1,s10a,s11", "--rounds", "1", "--seconds",
                                  "1", "--dns", f"127.0.0.54:{base + PORTS - 1}", "--base-port", str(base))
        self.assertEqual(code, 0, text)
        self.assertIn("none: left out: no program", text)
        self.assertEqual(text.count("ends: left out: ends did not start"), 2, text)
        self.assertIn("ends: left out after 0 connections: ends did not start", text)

    def test_an_answer_of_gRPC_without_its_trailer_is_not_measured(self):
        for tool in ("nginx", "wrk", "h2load", "nghttp", "nghttpd", "openssl", "dnsmasq"):
            if not shutil.which(tool):
                self.skipTest(f"{tool} is not installed (make test and make bench install it)")
        (self.folder / "bench.Echo").mkdir()
        (self.folder / "bench.Echo/Say").write_text("answer")
        server = ["@{binary}", "--no-tls", "-a", "127.0.0.1", "-d", str(self.folder), "@{h2c_port}"]
        trailer = ["--trailer", "grpc-status: 0"]
        peers = [self.peer("without", "nghttpd", command=server, configs={"h2": None}),
                 self.peer("with", "nghttpd", command=[*server[:-1], *trailer, server[-1]], configs={"h2": None})]
        base = free_range()
        code, text = self.compare("--peers", "with,without", *peers, "--scenarios", "s7d", "--rounds", "1", "--seconds", "1",
                                  "--dns", f"127.0.0.54:{base + PORTS - 1}", "--base-port", str(base))
        self.assertEqual(code, 0, text)
        self.assertIn("without: left out: without s7d: no grpc-status: 0 in\n", text)
        self.assertRegex(text, r"(?m)^\| s7d \| with \| [1-9]")
        self.assertNotRegex(text, r"ERRORS")


class Verdicts(Case):
    """What judge.py says of figures that were measured before."""

    def judge(self, *rows):
        scratch = tempfile.TemporaryDirectory(prefix="sluice-verdicts-")
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        data = {"when": "2026-11-30T12:00:00+00:00", "kernel": "6.18", "cores": 2, "versions": {"nginx": "1.22.1"},
                "rows": [{"errors": 0, **row} for row in rows]}
        (self.folder / "figures.json").write_text(json.dumps(data))
        done = subprocess.run([sys.executable, str(JUDGE), "--scenarios", "", "--rounds", "2", "--json",
                               str(self.folder / "figures.json"), "--results", str(self.folder / "results")],
                              capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    def test_limits_are_held_up_to_the_last_and_missed_beyond(self):
        code, text = self.judge({"scenario": "s1", "peer": "sluice", "cpu_us_median": 7.5},
                                {"scenario": "s1", "peer": "nginx", "cpu_us_median": 10.0},
                                {"scenario": "s9", "peer": "sluice", "p50_us": 110},
                                {"scenario": "s9", "peer": "limit-epoll", "p50_us": 100},
                                {"scenario": "s10a", "peer": "sluice", "kib_per_connection": 0.75},
                                {"scenario": "s10a", "peer": "sluice-epoll", "kib_per_connection": 0.4})
        self.assertEqual(code, 0, text)
        for line in ("held +0.75 +s1 sluice / nginx", "held +10.00 +s9 sluice p50", "held +0.75 +s10a sluice KiB",
                     "held +0.40 +s10a sluice-epoll KiB", "not measured +s2 sluice / haproxy"):
            self.assertRegex(text, line)
        code, text = self.judge({"scenario": "s9", "peer": "sluice", "p50_us": 111},
                                {"scenario": "s9", "peer": "limit-epoll", "p50_us": 100},
                                {"scenario": "s10a", "peer": "sluice-epoll", "kib_per_connection": 0.41})
        self.assertEqual(code, 1, text)
        self.assertRegex(text, "MISSED +11.00 +s9 sluice p50")
        self.assertRegex(text, "MISSED +0.41 +s10a sluice-epoll KiB")

    def test_nothing_measured_is_no_success(self):
        code, text = self.judge()
        self.assertEqual(code, 1, text)

    def test_the_results_say_what_was_measured_how_and_with_what(self):
        _, text = self.judge({"scenario": "s1", "peer": "nginx", "cpu_us_median": 10.0},
                             {"scenario": "s1", "peer": "sluice", "cpu_us_median": 7.5},
                             {"scenario": "s11b", "peer": "sluice", "startup_ms": 1900.0, "kib_per_certificate": 21.0})
        page = (self.folder / "results/newest.md").read_text()
        self.assertIn("**Not for publication: a short run", page)
        self.assertIn("- nginx: 1.22.1\n", page)
        self.assertRegex(page, r"2026-11-30, 2 cores of .*, kernel 6.18; 2 rounds of 3 s")
        self.assertIn("| scenario | unit | sluice | nginx |", page)
        self.assertRegex(page, r"\| s1: .* \| us of CPU/request \| 7.50 \| 10.00 \|")
        self.assertRegex(page, r"\| s11b: .* \| ms \| 1,900.00 \|  \|")
        self.assertRegex(page, r"\| s11b: .* \| KiB/certificate \| 21.00 \|  \|")
        self.assertIn("| held | 0.75 | s1 sluice / nginx <= 0.75 |", page)
        plot = self.folder / "results/newest.png"
        if importlib.util.find_spec("matplotlib"):
            self.assertEqual(plot.read_bytes()[:4], b"\x89PNG")
        else:
            self.assertIn("no plot, as python3-matplotlib is missing", text)
