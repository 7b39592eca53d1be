"""Thousands of clients behind TLS that say nothing most of the time."""

import time

from harness import configs
from harness.case import Case
from harness.certificates import authority
from harness.gateway import ROOT, Gateway
from harness.talker import PYTHON, Talker
from harness.tls import TlsClient
from harness.waiting import until

CLIENTS, PROCESSES = 8000, 4


class IdleConnections(Case):
    def test_eight_thousand_wait_and_each_is_served_when_it_asks(self):
        secure = configs.virtual_service("- matchers: [{prefix: /}]\n  directResponseAction: {status: 200, body: here}").replace(
            "spec:\n", "spec:\n  sslConfig: {secretRef: {name: a, namespace: gloo-system}}\n", 1)
        gateway = self.use(Gateway(
            {"gateway.yaml": configs.gateway().replace("  httpGateway", "  ssl: true\n  httpGateway"),
             "a.yaml": authority().make("a.test").secret("a"), "vs.yaml": secure}, workers=2, descriptors=20_000, access_log="off"))

        def active():
            return gateway.metric("^envoy_listener_downstream_cx_active")
        before = gateway.process.descriptors()
        holders = [self.use(Talker(PYTHON, ROOT / "tests/interop/tls_holder.py", gateway.port, authority().certificate, "a.test",
                                   CLIENTS // PROCESSES)) for _ in range(PROCESSES)]
        for holder in holders:
            self.assertEqual(holder.end(300), {"open": CLIENTS // PROCESSES})
        self.assertEqual(active(), CLIENTS)
        for _ in range(2):
            # One more is served as if it were alone.
            began = time.monotonic()
            with TlsClient(gateway.port, "a.test") as client:
                self.assertEqual(client.ask("a.test").text(), "here")
            self.assertLess(time.monotonic() - began, 2)
            for holder in holders:
                holder.begin()
            for holder in holders:
                self.assertEqual(holder.end(300), {"answered": CLIENTS // PROCESSES})
        self.assertEqual(active(), CLIENTS)
        for holder in holders:
            holder.popen.kill()
        until(lambda: active() == 0, "all of them to be gone", 60)
        until(lambda: gateway.process.descriptors() <= before + 8, "their descriptors to be closed", 60)
