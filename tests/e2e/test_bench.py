"""The comparison with other proxies goes on when one of them is not there."""

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

    def peer(self, name, program, like="haproxy"):
        folder = self.folder / f"peer-{name}"
        folder.mkdir()
        (folder / "peer.json").write_text(json.dumps({"name": name, "like": like, "binary": {"default": program}}))
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
