"""Clients that speak HTTP/2: curl, h2load, and, in the clear and by TLS, h2spec, which tries every rule of RFC 9113 and RFC 7541."""

import json
import pathlib
import re
import shutil
import subprocess

from harness import configs
from harness.backend import Backend
from harness.case import Case, rows
from harness.certificates import authority
from harness.gateway import ROOT, Gateway
from harness.waiting import until

H2SPEC = ROOT / "build/tools/h2spec/h2spec"


def curl(*arguments, data=None):
    """(exit code, stdout)"""
    done = subprocess.run(["curl", "-s", "-m", "20", "--http2-prior-knowledge", *map(str, arguments)], input=data, capture_output=True,
                          check=False)
    return done.returncode, done.stdout


class Http2(Case):
    settings = ""

    @classmethod
    def setUpClass(cls):
        cls.backend = cls.share(Backend())
        cls.backend.on("/large", lambda connection, request: connection.answer(body=b"x" * 3_000_000))
        cls.backend.on("/trailers", lambda connection, request: connection.answer_chunked([b"body"], trailers=[("x-sum", "7")]))
        cls.gateway = cls.share(Gateway(cls.files(), values={"backend": cls.backend.port}))
        cls.url = f"http://127.0.0.1:{cls.gateway.port}"

    @classmethod
    def files(cls):
        return {"gateway.yaml": configs.gateway(cls.settings), **configs.to_backend()}

    def try_every_rule(self, *how):
        if not H2SPEC.exists():
            self.skipTest("h2spec is not there: tools/setup.sh test builds it where there is Go")
        report = pathlib.Path(self.gateway.scratch.name, "h2spec.xml")
        # Against a host that reads a request before it answers: an answer may come first, which h2spec does not expect.
        done = subprocess.run([H2SPEC, "--strict", *how, "-h", "127.0.0.1", "-p", str(self.gateway.port), "-P", "/h2spec", "-o", "5", "-j",
                               report], capture_output=True, text=True, check=False)
        counts = re.search(r"(\d+) tests, (\d+) passed, (\d+) skipped, (\d+) failed", done.stdout)
        self.assertIsNotNone(counts, done.stdout[-2000:] + done.stderr[-2000:])
        self.assertEqual((counts[3], counts[4]), ("0", "0"), done.stdout)
        self.assertGreater(int(counts[1]), 140)


class Curl(Http2):
    def test_gets_what_a_host_of_http1_says(self):
        code, out = curl("-H", "x-a: b", "-w", "\n%{http_version} %{http_code}", f"{self.url}/a?b=c")
        body, _, told = out.decode().rpartition("\n")
        self.assertEqual((code, told), (0, "2 200"))
        seen = json.loads(body)
        self.assertEqual((seen["method"], seen["target"], seen["version"]), ("GET", "/a?b=c", "HTTP/1.1"))
        self.assertIn(["x-a", "b"], seen["headers"])
        self.assertIn(["host", f"127.0.0.1:{self.gateway.port}"], seen["headers"])

    @rows({"a known length": ("--data-binary", "@-"), "an unknown length": ("-X", "POST", "-T", "-")})
    def sends_a_body_of(self, *how):
        body = bytes(range(256)) * 4000
        code, out = curl(*how, f"{self.url}/up", data=body)
        self.assertEqual(code, 0)
        self.assertEqual(json.loads(out)["body"].encode("latin-1"), body)

    def test_reads_a_large_answer(self):
        self.assertEqual(curl(f"{self.url}/large"), (0, b"x" * 3_000_000))

    def test_asks_for_a_head_alone(self):
        code, out = curl("-I", f"{self.url}/large")
        self.assertEqual(code, 0)
        self.assertIn(b"content-length: 3000000\r\n", out)

    def test_has_trailers(self):
        code, out = curl("-i", "-H", "te: trailers", f"{self.url}/trailers")
        self.assertEqual(code, 0)
        self.assertIn(b"x-sum: 7", out)

    def test_may_ask_by_http1_on_the_same_port(self):
        done = subprocess.run(["curl", "-s", "-m", "20", "-w", "%{http_version}", "-o", "/dev/null", self.url], capture_output=True, check=False)
        self.assertEqual(done.stdout, b"1.1")

    def test_is_named_in_the_log_and_counted(self):
        before = self.gateway.metric("^envoy_http_downstream_rq_http2_total")
        curl(f"{self.url}/logged")
        self.assertIn('"GET /logged HTTP/2" 200', self.gateway.log_line("/logged"))
        self.assertEqual(self.gateway.metric("^envoy_http_downstream_rq_http2_total"), before + 1)
        until(lambda: self.gateway.metric("^envoy_http_downstream_cx_http2_active") == 0, "its connection to be over")
        self.assertEqual(self.gateway.metric("^envoy_http2_streams_active"), 0)

    def test_many_requests_at_once_on_few_connections(self):
        if not shutil.which("h2load"):
            self.skipTest("h2load is not there: nghttp2-client of make bench has it")
        # A hundred at a time: with five hundred the host had as many threads, and on a busy machine the last one's answer came after
        # the route's 15 s.
        done = subprocess.run(["h2load", "-n", "3000", "-c", "5", "-m", "20", f"{self.url}/load"], capture_output=True, text=True, check=False)
        self.assertIn("3000 succeeded, 0 failed, 0 errored, 0 timeout", done.stdout)


class OnlyHttp1(Http2):
    settings = "httpConnectionManagerSettings: {codecType: HTTP1}"

    def test_refuses_the_preface_of_http2(self):
        with self.gateway.client() as client:
            client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            self.assert_status(client.read_response(), 400)


class OnlyHttp2(Http2):
    settings = "httpConnectionManagerSettings: {codecType: HTTP2, http2ProtocolOptions: {maxConcurrentStreams: 7}}"

    def test_refuses_a_request_of_http1(self):
        with self.gateway.client() as client:
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertNotIn(b"HTTP/1.1", client.read_to_end())

    def test_offers_as_many_streams_as_it_is_told(self):
        with self.gateway.client() as client:
            client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\4" + bytes(5))
            # SETTINGS_MAX_CONCURRENT_STREAMS
            self.assertIn(b"\0\3\0\0\0\7", client.read_exactly(9 + 24))

    def test_keeps_every_rule_that_h2spec_knows(self):
        self.try_every_rule()


class OnlyHttp2ByTls(Http2):
    settings = "httpConnectionManagerSettings: {codecType: HTTP2}"

    @classmethod
    def files(cls):
        files = super().files()
        files["gateway.yaml"] = files["gateway.yaml"].replace("  httpGateway", "  ssl: true\n  httpGateway")
        # Without names: h2spec says none.
        files["vs.yaml"] = files["vs.yaml"].replace("spec:\n", "spec:\n  sslConfig: {secretRef: {name: pair, namespace: gloo-system}}\n", 1)
        files["secret.yaml"] = authority().make("127.0.0.1").secret("pair")
        return files

    def test_keeps_every_rule_that_h2spec_knows(self):
        self.try_every_rule("--tls", "--insecure")

    def test_is_agreed_on_by_alpn(self):
        done = subprocess.run(["curl", "-sS", "-m", "20", "--http2", "--cacert", authority().certificate, "-o", "/dev/null", "-w",
                               "%{http_version} %{http_code}", f"https://127.0.0.1:{self.gateway.port}/"], capture_output=True, text=True,
                              check=False)
        self.assertEqual((done.returncode, done.stdout), (0, "2 200"), done.stderr)
