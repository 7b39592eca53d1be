"""proxyLatency: histograms and metadata of real requests; bodies that nobody looks at still pass from socket to socket."""

import os
import subprocess

from harness import configs
from harness.backend import Backend
from harness.case import Case, rows
from harness.gateway import Gateway
from harness.waiting import until

KEYS = ("request_out_internal", "request_out", "response_out")
LOG = ("accessLoggingService: {accessLog: [{fileSink: {path: /dev/stdout, stringFormat: \"%REQ(:PATH)% " +
       " ".join(f"%DYNAMIC_METADATA(io.solo.filters.http.proxy_latency:{key})%" for key in KEYS) + " %DURATION%\\n\"}}]}")
BIG = os.urandom(3_000_000)
ROUTES = f"- matchers: [{{prefix: /own}}]\n  directResponseAction: {{status: 200, body: own}}\n- matchers: [{{prefix: /}}]\n  {configs.TO_BACKEND}"


class ProxyLatency(Case):
    @classmethod
    def setUpClass(cls):
        cls.backend = cls.share(Backend())
        cls.backend.on("/big", lambda connection, _request: connection.answer(200, BIG))

    def start(self, options):
        return self.use(Gateway({"gateway.yaml": configs.gateway(f"proxyLatency: {{{options}}}", options=LOG), "upstream.yaml": configs.BACKEND,
                                 "vs.yaml": configs.virtual_service(ROUTES)}, values={"backend": self.backend.port}))

    def charged(self, gateway):
        """How many requests and responses, of the cluster and of the listener."""
        of = {"cluster": r'envoy_cluster_name="backend_gloo-system"', "listener": rf'envoy_listener_address="127\.0\.0\.1_{gateway.port}"'}
        return [gateway.metric(rf"^envoy_{scope}_proxy_latency_{what}_proxy_latency_count\{{{label}\}}$")
                for scope, label in of.items() for what in ("rq", "rs")]

    @rows({f"{first}_INCOMING_{last}_OUTGOING": (f"{first}_INCOMING_{last}_OUTGOING",) for first in ("FIRST", "LAST") for last in ("FIRST", "LAST")})
    def is_charged_once_for_each_exchange(self, measurement):
        gateway = self.start(f"request: {measurement}, response: {measurement}")
        self.assertEqual(gateway.fetch("/big").body, BIG)
        self.assert_status(gateway.fetch("/upload", method="POST", body=BIG), 200)
        until(lambda: self.charged(gateway) == [2, 2, 2, 2], "both to be charged")
        subprocess.run(["curl", "-sf", "--http2-prior-knowledge", "-o", os.devnull, f"http://127.0.0.1:{gateway.port}/big"], check=True, timeout=20)
        until(lambda: self.charged(gateway) == [3, 3, 3, 3], "that by HTTP/2 to be charged")
        self.assertEqual(gateway.fetch("/own").body, b"own")
        self.assertEqual(self.charged(gateway), [3, 3, 3, 3])

    def test_logs_tell_when_what_went_out(self):
        gateway = self.start("measureRequestInternally: true, chargeListenerStat: false")
        gateway.fetch("/a")
        inside, request, response, duration = map(int, gateway.log_line("/a").split()[1:])
        self.assertTrue(0 <= inside <= request <= response <= duration + 1, (inside, request, response, duration))
        gateway.fetch("/own")
        self.assertRegex(gateway.log_line("/own"), r"^/own - - \d+ \d+$")
        self.assertNotIn("envoy_listener_proxy_latency", gateway.admin("/metrics").text())

    def test_an_upload_is_charged_when_its_last_byte_has_gone(self):
        gateway = self.start("request: FIRST_INCOMING_LAST_OUTGOING")
        with gateway.client() as client:
            client.send("POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
            until(lambda: gateway.metric(r'^envoy_cluster_upstream_rq_active\{envoy_cluster_name="backend_gloo-system"\}$') == 1, "it to be under way")
            self.assertEqual(self.charged(gateway)[0], 0)
            client.send("def")
            self.assert_status(client.read_response("POST"), 200)
        until(lambda: self.charged(gateway)[0] == 1, "it to be charged")
