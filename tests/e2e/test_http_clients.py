"""Clients made with the libraries that services use: Go's net/http, Python's httpx, Node's undici and its own http2. What each can do is
done through each protocol that it speaks.

They are programs of tests/interop, told calls as JSON: {"url", "method", "headers", "trailers" (pairs), "body" (in Base64), "streamed" (its
length is not said first), "endless" (it never ends), "times" (so many calls at once), "leave": "head" (the client leaves when it has the
head of the answer) or "told" (at the next line)}. They answer {"status", "headers", "trailers", "body", "error"}.
"""

import base64
import functools
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from harness import configs
from harness.backend import CLOSE, Backend, Gone
from harness.case import Case, rows
from harness.certificates import authority
from harness.gateway import ROOT, Gateway
from harness.talker import PYTHON, Talker, need_python
from harness.waiting import PAUSE, until

PROGRAMS = ROOT / "tests/interop"
UNDICI = pathlib.Path("/usr/share/nodejs/undici")
UPLOAD = bytes(range(256)) * 4000
LARGE = os.urandom(3_000_000)
SECOND_PORT = configs.gateway(name="in-the-clear", port="@{port2}")


@functools.cache
def go_client():
    """The folder with the program, built from its source."""
    go = os.environ.get("GO") or shutil.which("go") or "/usr/local/go/bin/go"
    if not os.path.exists(go):
        raise unittest.SkipTest("there is no Go to build a client with: tools/setup.sh test installs it (golang-go)")
    folder = tempfile.TemporaryDirectory(prefix="sluice-go-")
    done = subprocess.run([go, "build", "-o", folder.name, PROGRAMS / "http_client.go"], capture_output=True, text=True, check=False,
                          env=dict(os.environ, CGO_ENABLED="0"))
    assert done.returncode == 0, done.stderr
    return folder


def node(*needed):
    """Node, where it is there with these files."""
    found = shutil.which("node") or shutil.which("nodejs")
    for file in (found, *needed):
        if not file or not os.path.exists(file):
            raise unittest.SkipTest("there is no node or no undici: tools/setup.sh test installs them (nodejs, node-undici)")
    return found


def swallow(gone):
    """A behaviour that reads a body as long as there is more of it, and notes when its client has gone."""
    def behaviour(connection, request):
        try:
            connection.read_body(request)
        except (Gone, OSError):
            gone.append(request.target)
        return CLOSE
    return behaviour


def refuse(connection, request):
    """Says so before it has read the body, of which there is more and more."""
    connection.answer(413, "too much")
    return swallow([])(connection, request)


def stream(gone):
    """A behaviour whose answer has no end, and that notes when its client has gone. What a client of HTTP/1.1 ends may be a half-close: only
    what is written to it tells (docs/decisions/0006)."""
    def behaviour(connection, request):
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        connection.socket.settimeout(PAUSE)
        try:
            while True:
                connection.send("5\r\npiece\r\n")
                try:
                    connection.more()
                except TimeoutError:
                    pass
        except (Gone, OSError):
            gone.append(request.target)
        return CLOSE
    return behaviour


def silence(gone):
    """A behaviour that says nothing."""
    def behaviour(connection, request):
        try:
            connection.more()
        except (Gone, OSError):
            gone.append(request.target)
        return CLOSE
    return behaviour


class Clients(Case):
    """What every one of them must be able to do. A class of clients says how it is started, and has no test of what it cannot."""

    scheme, version = "https", "HTTP/2"
    shows_trailers = True

    @classmethod
    def setUpClass(cls):
        # Debian's undici finds what it needs where its packages are, also by a Node of elsewhere.
        environment = dict(os.environ, NODE_PATH=str(UNDICI.parent))
        cls.client = cls.share(Talker(*cls.program(), authority().certificate, environment=environment))
        cls.backend, cls.gone = cls.share(Backend()), []
        cls.backend.on("/large", lambda connection, request: connection.answer(body=LARGE))
        cls.backend.on("/trailers", lambda connection, request: connection.answer_chunked([b"body"], trailers=[("x-sum", "7")]))
        cls.backend.on("/error", lambda connection, request: connection.answer(503, "not today", [("Retry-After", "1")]))
        cls.backend.on("/stream", stream(cls.gone))
        cls.backend.on("/silence", silence(cls.gone))
        cls.backend.on_head("/swallow", swallow(cls.gone))
        cls.backend.on_head("/refuse", refuse)
        secure = configs.virtual_service(f"- matchers: [{{prefix: /}}]\n  {configs.TO_BACKEND}\n", name="secure").replace(
            "spec:\n", "spec:\n  sslConfig:\n    secretRef: {name: pair, namespace: gloo-system}\n    alpnProtocols: [h2, http/1.1]\n", 1)
        cls.gateway = cls.share(Gateway(
            {"gateway.yaml": configs.gateway().replace("  httpGateway", "  ssl: true\n  httpGateway"), "clear.yaml": SECOND_PORT,
             "secret.yaml": authority().make("127.0.0.1").secret("pair"), "secure.yaml": secure, **configs.to_backend()},
            values={"backend": cls.backend.port}))

    def call(self, path, method="GET", body=None, headers=(), **more):
        port = self.gateway.port if self.scheme == "https" else self.gateway.port2
        if body is not None:
            more["body"] = base64.b64encode(body).decode()
        return {"url": f"{self.scheme}://127.0.0.1:{port}{path}", "method": method, "headers": list(headers), **more}

    def ask(self, path, method="GET", **more):
        return self.finish(self.client.ask(**self.call(path, method, **more)))

    @staticmethod
    def finish(said):
        said["body"] = base64.b64decode(said.get("body") or "")
        said["fields"] = {name.lower(): value for name, value in said.get("headers") or []}
        said["trailers"] = {name.lower(): value for name, value in said.get("trailers") or []}
        return said

    def assert_done(self, said, status=200):
        self.assertEqual((said.get("status"), said.get("error") or ""), (status, ""), said)

    def test_asks_by_its_protocol(self):
        said = self.ask("/a?b=c", headers=[["x-a", "b"]])
        self.assert_done(said)
        seen = self.backend.seen("/a")[-1]
        self.assertEqual((seen.target, seen.header("x-a"), seen.body), ("/a?b=c", "b", b""))
        self.assertEqual(seen.header("x-forwarded-proto"), self.scheme)
        self.assertIn(f'"GET /a?b=c {self.version}" 200', self.gateway.log_line("/a?b=c"))

    @rows({"a known length": False, "an unknown length": True})
    def sends_a_body_of(self, streamed):
        said = self.ask("/up", "POST", body=UPLOAD, streamed=streamed)
        self.assert_done(said)
        self.assertTrue(self.backend.seen("/up")[-1].body == UPLOAD)

    def test_reads_a_large_answer(self):
        said = self.ask("/large")
        self.assert_done(said)
        self.assertTrue(said["body"] == LARGE)

    def test_asks_for_a_head_alone(self):
        said = self.ask("/large", "HEAD")
        self.assert_done(said)
        self.assertEqual((said["fields"]["content-length"], said["body"]), (str(len(LARGE)), b""))

    def test_is_told_an_error_with_its_words(self):
        said = self.ask("/error")
        self.assert_done(said, 503)
        self.assertEqual((said["body"], said["fields"]["retry-after"]), (b"not today", "1"))

    def test_is_told_trailers(self):
        said = self.ask("/trailers", headers=[["te", "trailers"]])
        self.assert_done(said)
        self.assertEqual(said["body"], b"body")
        if self.shows_trailers:
            self.assertEqual(said["trailers"], {"x-sum": "7"})

    def test_sends_trailers(self):
        said = self.ask("/up", "POST", body=b"summed", headers=[["te", "trailers"]], streamed=True, trailers=[["x-sum", "7"]])
        self.assert_done(said)
        seen = self.backend.seen("/up")[-1]
        self.assertEqual((seen.body, seen.trailers), (b"summed", [("x-sum", "7")]))

    def test_uses_one_connection_for_one_request_after_another(self):
        self.ask("/")
        before = self.gateway.metric("^envoy_listener_downstream_cx_total")
        for _ in range(10):
            self.assert_done(self.ask("/"))
        self.assertEqual(self.gateway.metric("^envoy_listener_downstream_cx_total"), before)

    def test_asks_for_many_things_at_once(self):
        before = len(self.backend.seen("/many"))
        self.assert_done(self.ask("/many", "POST", body=b"x" * 5000, times=60))
        self.assertEqual(len(self.backend.seen("/many")), before + 60)

    @rows({"silence": ("/silence", "GET", {}), "an answer that has begun": ("/stream", "GET", {}),
           "its own body": ("/swallow", "POST", {"endless": True})})
    def leaves_in_the_middle_of(self, path, method, more):
        """Its host sees it go, and the client can go on."""
        self.gone.clear()
        path, before = f"{path}?told", len(self.gateway.log_lines())
        self.client.begin(**self.call(path, method, leave="told", **more))
        until(lambda: self.gateway.metric("^envoy_cluster_upstream_rq_active{.*backend") == 1, "the request to be under way")
        if not more:
            until(lambda: self.backend.seen(path.partition("?")[0]), "the host to have it")
        self.client.begin()
        self.assertTrue(self.client.end().get("error"))
        until(lambda: self.gone == [path], "its host to see that it has gone")
        until(lambda: any(path in line and " DC " in line for line in self.gateway.log_lines()[before:]), "the line in the log")
        self.assert_done(self.ask("/"))

    def test_leaves_when_it_has_seen_the_head(self):
        self.gone.clear()
        self.assertEqual(self.ask("/stream?head", leave="head").get("status"), 200)
        until(lambda: self.gone == ["/stream?head"], "its host to see that it has gone")
        self.assert_done(self.ask("/"))

    def test_is_answered_while_it_still_sends(self):
        said = self.ask("/refuse", "POST", endless=True)
        # Whoever writes to a connection of HTTP/1.1 that has ended may see that before the answer.
        self.assertTrue(said.get("status") == 413 or self.version == "HTTP/1.1" and said.get("error"), said)
        self.assert_done(self.ask("/"))


class Go(Clients):
    @classmethod
    def program(cls):
        return pathlib.Path(go_client().name, "http_client"), {"HTTP/2": "h2", "HTTP/1.1": "h1"}[cls.version]


class GoByHttp2(Go):
    pass


class GoByHttp1(Go):
    version = "HTTP/1.1"


class Httpx(Clients):
    shows_trailers = False
    test_sends_trailers = None

    @classmethod
    def program(cls):
        need_python("httpx", "h2")
        return PYTHON, PROGRAMS / "http_client.py", {"HTTP/2": "h2", "HTTP/1.1": "h1"}[cls.version]


class HttpxByHttp2(Httpx):
    # It resets no streams, and sends all before it listens.
    test_leaves_when_it_has_seen_the_head = test_is_answered_while_it_still_sends = None
    test_leaves_in_the_middle_of_silence = test_leaves_in_the_middle_of_its_own_body = None
    test_leaves_in_the_middle_of_an_answer_that_has_begun = None


class HttpxByHttp2InTheClear(HttpxByHttp2):
    scheme = "http"


class HttpxByHttp1(Httpx):
    version = "HTTP/1.1"


class UndiciByHttp1(Clients):
    version = "HTTP/1.1"
    test_sends_trailers = None

    @classmethod
    def program(cls):
        return node(UNDICI), PROGRAMS / "http_client.cjs", UNDICI, "h1"


class UndiciByHttp2(Clients):
    test_sends_trailers = None

    @classmethod
    def program(cls):
        found, version = node(UNDICI), json.loads((UNDICI / "package.json").read_text())["version"]
        if int(version.partition(".")[0]) < 6:
            raise unittest.SkipTest(f"this undici ({version}) does not speak HTTP/2")
        return found, PROGRAMS / "http_client.cjs", UNDICI, "h2"


class NodeByHttp2(Clients):
    @classmethod
    def program(cls):
        return node(), PROGRAMS / "http_client.cjs", "http2", "h2"


class NodeByHttp2InTheClear(NodeByHttp2):
    scheme = "http"


del Clients, Go, Httpx    # they are no tests themselves
