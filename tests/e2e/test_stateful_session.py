"""Sessions that stay with an endpoint, as curl with a cookie jar keeps them."""

import base64
import os
import subprocess
import tempfile

from harness import configs
from harness.backend import Backend
from harness.case import Case, rows
from harness.gateway import Gateway

UPSTREAM = """\
apiVersion: gloo.solo.io/v1
kind: Upstream
metadata: {name: backend, namespace: gloo-system}
spec:
  static:
    hosts: [{addr: 127.0.0.1, port: @{one}}, {addr: 127.0.0.1, port: @{two}}, {addr: localhost, port: @{three}}]
"""


class StatefulSession(Case):
    def setUp(self):
        self.backends = {name: self.use(Backend()) for name in ("one", "two", "three")}

    def gateway(self, session):
        return self.use(Gateway(
            {"gateway.yaml": configs.gateway("statefulSession: " + session), "upstream.yaml": UPSTREAM,
             "vs.yaml": configs.virtual_service("- matchers: [{prefix: /}]\n  " + configs.TO_BACKEND)},
            values={name: backend.port for name, backend in self.backends.items()}))

    def curl(self, gateway, *arguments, path="/"):
        """The name of the backend that answered, "" where none did, and the response's head."""
        before = {name: len(backend.requests) for name, backend in self.backends.items()}
        done = subprocess.run(["curl", "-s", "-m", "20", "-D", "-", "-o", os.devnull, *arguments, f"http://127.0.0.1:{gateway.port}{path}"],
                              capture_output=True, text=True, check=True)
        return "".join(name for name, backend in self.backends.items() if len(backend.requests) > before[name]), done.stdout

    @rows({"by HTTP/1.1": (), "by HTTP/2": ("--http2-prior-knowledge",)})
    def a_client_with_a_cookie_stays_where_it_is(self, *how):
        gateway = self.gateway("{cookieBased: {cookie: {name: s, path: /app, ttl: 1h}}}")
        served = set()
        for _ in range(8):
            with tempfile.NamedTemporaryFile() as jar:
                ask = lambda: self.curl(gateway, *how, "-b", jar.name, "-c", jar.name, path="/app/x")
                first, head = ask()
                value = base64.b64encode(f"127.0.0.1:{self.backends[first].port}".encode()).decode()
                self.assertIn(f"set-cookie: s={value}; Max-Age=3600; Path=/app; HttpOnly", head)
                for _ in range(6):
                    name, head = ask()
                    self.assertEqual(name, first)
                    self.assertNotIn("set-cookie", head)
                served.add(first)
        self.assertGreater(len(served), 1)
        self.assertEqual(gateway.metric(r'^sluice_stateful_session_requests_total\{session="kept"\}'), 48)
        self.assertNotIn("set-cookie", self.curl(gateway, *how, path="/else")[1])

    def test_a_session_moves_when_its_endpoint_is_gone(self):
        gateway = self.gateway("{headerBased: {headerName: X-Session}}")
        session = lambda name: "X-Session: " + base64.b64encode(f"127.0.0.1:{self.backends[name].port}".encode()).decode()
        for name in self.backends:
            self.assertEqual(self.curl(gateway, "-H", session(name))[0], name)
        self.backends["one"].stop()
        name, head = self.curl(gateway, "-H", session("one"))
        self.assertIn(name, ("two", "three"))
        self.assertIn(session(name).lower().split(":")[0] + session(name)[len("X-Session"):], head)

    def test_a_strict_session_goes_nowhere_else(self):
        gateway = self.gateway("{headerBased: {headerName: x-session}, strict: true}")
        aim = lambda port: self.curl(gateway, "-H", "x-session: " + base64.b64encode(f"127.0.0.1:{port}".encode()).decode())
        for name, backend in self.backends.items():
            self.assertEqual(aim(backend.port)[0], name)
        outside = self.use(Backend())
        name, head = aim(outside.port)
        self.assertEqual((name, outside.accepted), ("", 0))  # no endpoint of the cluster
        self.assertIn(" 503 ", head)
        self.assertIn(" UH ", gateway.log_line(" 503 "))
        self.assertEqual(gateway.metric(r'^sluice_stateful_session_requests_total\{session="refused"\}'), 1)
