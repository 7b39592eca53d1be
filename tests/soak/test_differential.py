"""The whole differential run against nginx and HAProxy; SLUICE_SEED makes it another one."""

import os
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from harness.case import Case

import test_differential as sample

CASES = 10_000


class Differential(Case):
    def test_sluice_reads_ten_thousand_mutated_requests_as_its_peers_do_or_refuses_them(self):
        sample.play(self, CASES, int(os.environ.get("SLUICE_SEED", "1")))
