"""The whole differential run against nginx and HAProxy; SLUICE_SEED makes it another one."""

import os

from differential import sample
from harness.case import Case

CASES = 10_000


class Differential(Case):
    def test_sluice_reads_ten_thousand_mutated_requests_as_its_peers_do_or_refuses_them(self):
        sample.play(self, CASES, int(os.environ.get("SLUICE_SEED", "1")))
