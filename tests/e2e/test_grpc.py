"""gRPC through the program, with a real client and a real server: Debian's grpcio. Without it the tests are skipped."""

import base64
import json
import os
import pathlib
import struct
import subprocess
import tempfile
import time

import yaml

from harness import configs, raw
from harness.case import Case, rows
from harness.certificates import authority
from harness.gateway import ROOT, Gateway
from harness.process import Process
from harness.talker import PYTHON, Talker, need_python
from harness.tokens import Key, token
from harness.waiting import free_port, until

PROGRAMS = ROOT / "tests/interop"
LOG = ("accessLoggingService: {accessLog: [{fileSink: {path: '@{log}', stringFormat: \"%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% "
       "%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS_NUMBER% %TRAILER(X-TRAILER)%\\n\"}}]}")
BIG = os.urandom(5_000_000)

ROUTES = """\
- matchers: [{prefix: /test.Echo/Flaky}]
  routeAction: {single: {upstream: {name: backend, namespace: gloo-system}}}
  options: {retries: {retryOn: unavailable, numRetries: 1}}
- matchers: [{prefix: /test.Echo/Wait, headers: [{name: x-bound, value: route}]}]
  routeAction: {single: {upstream: {name: backend, namespace: gloo-system}}}
  options: {maxStreamDuration: {maxStreamDuration: 0.2s}}
- matchers: [{prefix: /test.Echo/Wait, headers: [{name: x-bound, value: timeout}]}]
  routeAction: {single: {upstream: {name: backend, namespace: gloo-system}}}
  options: {timeout: 0.2s}
- matchers: [{prefix: /test.Echo/Wait}]
  routeAction: {single: {upstream: {name: backend, namespace: gloo-system}}}
  options: {timeout: 0s, maxStreamDuration: {grpcTimeoutHeaderMax: 0.2s}}
- matchers: [{prefix: /test.Echo}]
  routeAction: {single: {upstream: {name: backend, namespace: gloo-system}}}
  options: {timeout: 0s}
- matchers: [{prefix: /grpc.health.v1.Health}]
  routeAction: {single: {upstream: {name: backend, namespace: gloo-system}}}
- matchers: [{prefix: /nobody}]
  routeAction: {single: {upstream: {name: nobody, namespace: gloo-system}}}
- matchers: [{prefix: /direct}]
  directResponseAction: {status: 403, body: "no way"}
"""


def nobody(port):
    return configs.BACKEND.replace("backend", "nobody", 1).replace("@{backend}", str(port)) + "  useHttp2: true\n"


class Server:
    def __init__(self, pair=None, program="grpc_server", files=()):
        self.scratch = tempfile.TemporaryDirectory(prefix="sluice-grpc-")
        files = [pair.certificate, pair.key] if pair else files
        self.process = Process([PYTHON, PROGRAMS / f"{program}.py", *files], self.scratch.name, program)
        self.port = int(until(self.said, "the gRPC server to listen", 60))

    def said(self):
        assert self.process.alive(), self.process.tail()
        return self.process.stdout().strip()

    def evidence(self):
        return f"--- gRPC server:\n{self.process.tail()}"

    def stop(self):
        self.process.stop()
        self.scratch.cleanup()


class Client(Talker):
    def __init__(self):
        super().__init__(PYTHON, PROGRAMS / "grpc_client.py")

    def call(self, **call):
        self.begin_call(**call)
        return self.end_call()

    def begin_call(self, **call):
        self.begin(**{**call, "messages": [base64.b64encode(m).decode() for m in call.get("messages", [])]})

    def end_call(self):
        said = self.end()
        said["messages"] = [base64.b64decode(m) for m in said.get("messages", [])]
        return said


class WithGrpcio(Case):
    @classmethod
    def setUpClass(cls):
        need_python("grpc")


class Grpc(WithGrpcio):
    """In the clear on both sides."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server, cls.client = cls.share(Server()), cls.share(Client())
        cls.folder = tempfile.TemporaryDirectory(prefix="sluice-log-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.log = pathlib.Path(cls.folder.name, "log")
        cls.gateway = cls.share(Gateway(
            {"gateway.yaml": configs.gateway(options=LOG), "upstream.yaml": configs.BACKEND.rstrip() + "\n  useHttp2: true\n",
             "nobody.yaml": nobody(free_port()), "vs.yaml": configs.virtual_service(ROUTES)},
            values={"backend": cls.server.port, "log": cls.log}))

    def call(self, method="/test.Echo/Unary", kind="uu", messages=(b"hi",), **more):
        return self.client.call(port=self.gateway.port, method=method, kind=kind, messages=list(messages), **more)

    def logged(self, words):
        until(lambda: words in self.log.read_text(), f"the line in the log: {words}")

    def test_unary(self):
        said = self.call(metadata=[("x-say", "this")])
        self.assertEqual((said["code"], said["messages"]), (0, [b"hi"]), said)
        self.assertEqual(dict(said["initial"])["x-initial"], "this")
        self.assertEqual(dict(said["trailing"])["x-trailer"], "end")
        self.logged("/test.Echo/Unary 200 - OK OK 0 end")

    def test_streams(self):
        self.assertEqual(self.call("/test.Echo/Split", "us", [b"abc"])["messages"], [b"a", b"b", b"c"])
        self.assertEqual(self.call("/test.Echo/Split", "us", [b""])["messages"], [])
        self.assertEqual(self.call("/test.Echo/Join", "su", [b"a", b"", b"bc"])["messages"], [b"abc"])
        self.assertEqual(self.call("/test.Echo/Join", "su", [])["messages"], [b""])

    def test_each_message_of_a_conversation_arrives_before_the_next_is_sent(self):
        self.assertEqual(self.call("/test.Echo/Chat", "ss", [b"a", b"bc", b"", b"d"])["messages"], [b"A", b"BC", b"", b"D"])

    def test_big_messages(self):
        self.assertEqual(self.call(messages=[BIG])["messages"], [BIG])

    @rows({"cancelled": 1, "invalid argument": 3, "not found": 5, "unauthenticated": 16})
    def errors_of_the_server_arrive_with_their_words(self, code):
        said = self.call("/test.Echo/Fail", messages=[str(code).encode()])
        self.assertEqual((said["code"], said["details"]), (code, "no 5% w\u00e4y"))
        self.assertEqual(dict(said["trailing"])["x-trailer"], "failed")

    def test_a_method_that_is_not_there_is_the_servers_answer(self):
        self.assertEqual(self.call("/test.Echo/None")["code"], 12)

    @rows({"no route": ("/none/None", 12, "", "NR Unimplemented UNIMPLEMENTED 12"),
           "an upstream that cannot be reached": ("/nobody/None", 14, "Connection refused", "UF Unavailable UNAVAILABLE 14"),
           "an answer of the configuration": ("/direct/None", 7, "no way", "- PermissionDenied PERMISSION_DENIED 7")})
    def own_answers_are_statuses(self, path, code, words, line):
        said = self.call(path)
        self.assertEqual(said["code"], code, said)
        self.assertIn(words, said["details"] or "")
        self.logged(f"{path} 200 {line}")

    @rows({"that sends": "su", "both ways": "ss"})
    def a_stream_is_answered_so_in_the_middle_of_its_messages(self, kind):
        said = self.call("/none/None", kind, [b"a"] * 3)
        self.assertEqual(said["code"], 12, said)

    def test_they_are_on_HTTP_1_too(self):
        response = self.gateway.fetch("/none", method="POST", headers=[("content-type", "application/grpc+proto")], body=b"\0\0\0\0\0")
        self.assert_status(response, 200)
        self.assertEqual([response.header(n) for n in ("content-type", "grpc-status", "content-length")], ["application/grpc", "12", "0"])
        self.assert_status(self.gateway.fetch("/none", method="POST", body=b"x"), 404)

    def counts(self, port=None):
        """How many calls wait at the server, and how many have been left; of another one by its own port."""
        waiting, left = self.client.call(port=port or self.server.port, method="/test.Echo/Counts", messages=[b""])["messages"][0].split()
        return int(waiting), int(left)

    def test_the_clients_own_deadline(self):
        _, before = self.counts()
        self.assertEqual(self.call("/test.Echo/Wait", timeout=0.15, metadata=[("x-bound", "none")])["code"], 4)
        until(lambda: self.counts() == (0, before + 1), "the server to see it, too")

    def test_a_client_that_cancels_is_seen_by_the_server(self):
        _, before = self.counts()
        other = self.use(Client())
        other.begin_call(port=self.gateway.port, method="/test.Echo/Wait", messages=[b""], timeout=None, leave="told")
        until(lambda: self.counts()[0] == 1, "the call to be there")
        other.begin()
        self.assertEqual(other.end_call()["code"], 1)
        until(lambda: self.counts() == (0, before + 1), "the server to see it")
        self.logged("/test.Echo/Wait 0 DC")

    def test_so_is_one_that_cancels_in_the_middle_of_messages(self):
        # Asked of the gateway: to a server of grpcio the messages of a call that is left may end before it hears why.
        def resets():
            return self.gateway.metric("^envoy_cluster_http2_tx_reset.*backend")
        before = resets()
        said = self.call("/test.Echo/Chat", "ss", [b"a", b"b"], leave="first")
        self.assertEqual((said["code"], said["messages"]), (1, [b"A"]))
        until(lambda: resets() == before + 1, "the server to be told")

    def test_a_server_may_end_a_call_in_the_middle_of_messages(self):
        said = self.call("/test.Echo/GiveUp", "us", [b"half"])
        self.assertEqual((said["code"], said["details"], said["messages"]), (15, "lost", [b"half"]))

    def test_a_server_that_goes_away_in_the_middle_of_messages_is_no_end(self):
        server = self.use(Server())
        gateway = self.use(Gateway({"upstream.yaml": configs.BACKEND.rstrip() + "\n  useHttp2: true\n", "nobody.yaml": nobody(free_port()),
                                    "vs.yaml": configs.virtual_service(ROUTES)}, values={"backend": server.port}))
        other = self.use(Client())
        other.begin_call(port=gateway.port, method="/grpc.health.v1.Health/Watch", kind="us", messages=[b""])
        until(lambda: self.counts(server.port) == (1, 0), "its first message to have gone")
        server.process.kill()
        said = other.end_call()
        self.assertEqual((said["code"], said["messages"]), (13, [b"\x08\x01"]), said)

    @rows({"the route's longest time": ("route", 4), "its timeout": ("timeout", 14), "grpc-timeout, bounded": ("header", 4)})
    def a_call_is_ended_by(self, bound, code):
        self.assertEqual(self.call("/test.Echo/Wait", timeout=20, metadata=[("x-bound", bound)])["code"], code)

    def test_is_tried_again_where_the_route_says_so(self):
        before = self.gateway.metric("^envoy_cluster_upstream_rq_retry_success{.*backend")
        self.assertEqual(self.call("/test.Echo/Flaky")["messages"], [b"hi"])
        self.assertEqual(self.gateway.metric("^envoy_cluster_upstream_rq_retry_success{.*backend"), before + 1)

    def test_health_checks(self):
        for service, status in ((b"test.Echo", "SERVING"), (b"test.Other", "NOT_SERVING"), (b"", "SERVING")):
            self.assertEqual(self.call(kind="health", messages=[service]).get("health"), status)
        self.assertEqual(self.call(kind="health", messages=[b"none"])["code"], 5)
        watched = self.call("/grpc.health.v1.Health/Watch", "us", [b"\x0a\x0atest.Other"], leave="first")
        self.assertEqual((watched["code"], watched["messages"]), (1, [b"\x08\x02"]))

    def test_what_came_of_calls_is_counted(self):
        def counted():
            return [self.gateway.metric(rf"^envoy_cluster_grpc_{name}{{.*backend") for name in ("total", "success", "failure")]
        before = counted()
        self.call()
        self.call("/test.Echo/Fail", messages=[b"3"])
        until(lambda: [now - was for now, was in zip(counted(), before)] == [2, 1, 1], "both calls to be counted")


def framed(message, flags=0):
    return struct.pack("!BI", flags, len(message)) + message


class GrpcWeb(WithGrpcio):
    """Browsers' dialect, over HTTP/1.1, to a real server."""

    MALFORMED = " http1.codec_error"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = cls.share(Server())
        cls.gateway = cls.share(Gateway(
            {"upstream.yaml": configs.BACKEND.rstrip() + "\n  useHttp2: true\n", "vs.yaml": configs.virtual_service(ROUTES),
             "nobody.yaml": nobody(free_port()), "off.yaml": configs.gateway("grpcWeb: {disable: true}", name="untranslated", port="@{port2}")},
            values={"backend": cls.server.port}))

    def ask(self, body, kind="application/grpc-web+proto", path="/test.Echo/Unary", port=None):
        return raw.fetch(port or self.gateway.port, "POST", path, "web.test", [("content-type", kind), ("x-grpc-web", "1")], body)

    def test_messages_and_trailers(self):
        response = self.ask(framed(b"hi"))
        self.assertEqual((response.status, response.header("content-type")), (200, "application/grpc-web+proto"))
        self.assertTrue(response.body.startswith(framed(b"hi") + b"\x80"), response.body)
        self.assertIn(b"grpc-status:0\r\n", response.body)
        self.assertIn(b"x-trailer:end\r\n", response.body)

    def test_as_text(self):
        response = self.ask(base64.b64encode(framed(b"there")), "application/grpc-web-text")
        self.assertEqual(response.header("content-type"), "application/grpc-web-text+proto")
        first = base64.b64encode(framed(b"there"))
        self.assertTrue(response.body.startswith(first), response.body)
        self.assertIn(b"grpc-status:0\r\n", base64.b64decode(response.body[len(first):]))

    def test_many_messages(self):
        response = self.ask(framed(b"abc"), path="/test.Echo/Split")
        self.assertTrue(response.body.startswith(framed(b"a") + framed(b"b") + framed(b"c") + b"\x80"))

    def test_an_error_of_the_server_and_of_the_gateway(self):
        failed = self.ask(framed(b"5"), path="/test.Echo/Fail")
        # grpcio has it in the head, as nothing else came.
        self.assertTrue(failed.header("grpc-status") == "5" or b"grpc-status:5\r\n" in failed.body, failed)
        own = self.ask(framed(b"5"), path="/nobody/None")
        self.assertEqual((own.status, own.header("grpc-status"), own.header("content-type")), (200, "14", "application/grpc-web+proto"))

    def test_text_that_is_none(self):
        refused = self.ask(b"%%%%", "application/grpc-web-text", path="/test.Echo/Bad")
        self.assertEqual((refused.status, refused.header("grpc-status"), refused.header("grpc-message")), (200, "13", "the body is not Base64"))
        self.assertEqual(refused.header("content-type"), "application/grpc-web-text+proto")
        self.assertIn(self.MALFORMED, self.gateway.log_line("/test.Echo/Bad"))

    def test_disabled(self):
        response = self.ask(framed(b"hi"), port=self.gateway.port2)
        self.assertNotIn(b"grpc-status:0\r\n", response.body)


class HeardByCurl:
    """An answer of HTTP/2, as raw.Response."""

    def __init__(self, out):
        head, _, self.body = out.partition(b"\r\n\r\n")
        first, *fields = head.decode().split("\r\n")
        self.version, self.status = first.split()[0], int(first.split()[1])
        self.fields = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}

    def header(self, name):
        return self.fields.get(name)


class GrpcWebByHttp2(GrpcWeb):
    """The same as browsers have it behind TLS; here in the clear, by prior knowledge."""

    MALFORMED = " http2.violation.of.messaging.rule"
    test_disabled = None    # grpcio breaks off such a stream

    def ask(self, body, kind="application/grpc-web+proto", path="/test.Echo/Unary", port=None):
        done = subprocess.run(["curl", "-s", "-m", "20", "-i", "--http2-prior-knowledge", "-H", f"content-type: {kind}", "-H", "x-grpc-web: 1",
                               "--data-binary", "@-", f"http://127.0.0.1:{port or self.gateway.port}{path}"], input=body,
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        heard = HeardByCurl(done.stdout)
        self.assertEqual(heard.version, "HTTP/2")
        return heard


class GrpcWithTokens(WithGrpcio):
    """A policy that refuses calls does so in their own words."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.key = Key("ec-256")
        block = "".join(f"            {line}\n" for line in cls.key.public_pem.splitlines())
        options = f"jwt:\n  providers:\n    p:\n      issuer: me\n      jwks:\n        local:\n          key: |\n{block}"
        cls.server, cls.client = cls.share(Server()), cls.share(Client())
        cls.gateway = cls.share(Gateway(
            {"upstream.yaml": configs.BACKEND.rstrip() + "\n  useHttp2: true\n", "nobody.yaml": nobody(free_port()),
             "vs.yaml": configs.virtual_service(ROUTES, options)}, values={"backend": cls.server.port}))

    def bearer(self, left=3600):
        return "Bearer " + token({"iss": "me", "sub": "user", "exp": int(time.time()) + left}, self.key, "ES256")

    def call(self, method="/test.Echo/Unary", kind="uu", messages=(b"hi",), bearer=None):
        metadata = [("authorization", bearer)] if bearer else []
        return self.client.call(port=self.gateway.port, method=method, kind=kind, messages=list(messages), metadata=metadata)

    def test_a_call_with_a_token_goes_through(self):
        self.assertEqual(self.call(bearer=self.bearer())["messages"], [b"hi"])
        self.assertEqual(self.call("/test.Echo/Chat", "ss", [b"a", b"b"], bearer=self.bearer())["messages"], [b"A", b"B"])

    @rows({"one message": ("/test.Echo/Unary", "uu"), "messages of the server": ("/test.Echo/Split", "us"),
           "messages of the client": ("/test.Echo/Join", "su"), "both": ("/test.Echo/Chat", "ss")})
    def without_one_a_call_is_unauthenticated_with(self, method, kind):
        said = self.call(method, kind)
        self.assertEqual((said["code"], said["details"], said["messages"]), (16, "Jwt is missing", []))

    def test_so_is_one_whose_token_is_over(self):
        said = self.call(bearer=self.bearer(left=-3600))
        self.assertEqual((said["code"], said["details"]), (16, "Jwt is expired"))

    def test_one_of_a_browser_is_refused_in_plain_http(self):
        # As with Gloo (docs/compatibility.md): what comes from in front of the translation is not translated.
        response = raw.fetch(self.gateway.port, "POST", "/test.Echo/Unary", "web.test",
                             [("content-type", "application/grpc-web+proto"), ("x-grpc-web", "1")], framed(b"hi"))
        self.assertEqual((response.status, response.header("grpc-status"), response.text()), (401, None, "Jwt is missing"))


class GrpcOverTls(WithGrpcio):
    """TLS on both sides."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        ca = authority()
        cls.server, cls.client = cls.share(Server(ca.make("backend.test"))), cls.share(Client())
        upstream = configs.BACKEND.rstrip() + ("\n  useHttp2: true\n  sslConfig: {sni: backend.test, verifySubjectAltName: [backend.test], "
                                               "secretRef: {name: trust, namespace: gloo-system}}\n")
        service = configs.virtual_service(ROUTES).replace(
            "spec:\n", "spec:\n  sslConfig:\n    secretRef: {name: pair, namespace: gloo-system}\n    alpnProtocols: [h2, http/1.1]\n", 1)
        cls.gateway = cls.share(Gateway(
            {"gateway.yaml": configs.gateway().replace("  httpGateway", "  ssl: true\n  httpGateway"),
             "pair.yaml": ca.make("api.test").secret("pair"), "trust.yaml": ca.secret("trust"), "nobody.yaml": nobody(free_port()),
             "upstream.yaml": upstream, "vs.yaml": service}, values={"backend": cls.server.port}))

    def call(self, method="/test.Echo/Unary", kind="uu", messages=(b"hi",)):
        return self.client.call(port=self.gateway.port, method=method, kind=kind, messages=list(messages),
                                root=str(authority().certificate), name="api.test")

    def test_calls_of_each_kind(self):
        self.assertEqual(self.call()["messages"], [b"hi"])
        self.assertEqual(self.call("/test.Echo/Chat", "ss", [b"a", b"b"])["messages"], [b"A", b"B"])
        self.assertEqual(self.call(messages=[BIG])["messages"], [BIG])
        self.assertEqual(self.call("/test.Echo/Fail", messages=[b"5"])["code"], 5)
        self.assertEqual(self.call("/none/None")["code"], 12)


class GrpcJson(WithGrpcio):
    """examples/grpc-json: every line of its "what must be seen", by HTTP/1.1 and HTTP/2, to a real server."""

    @classmethod
    def setUpClass(cls):
        need_python("grpc", "google.protobuf")
        example = ROOT / "examples/grpc-json"
        cls.folder = tempfile.TemporaryDirectory(prefix="sluice-set-")
        cls.addClassCleanup(cls.folder.cleanup)
        descriptors = pathlib.Path(cls.folder.name, "set.pb")
        descriptors.write_bytes(base64.b64decode(yaml.safe_load((example / "configmap.yaml").read_text())["data"]["set.pb"]))
        cls.server, cls.client = cls.share(Server(program="library_server", files=[descriptors])), cls.share(Client())
        files = {name: (example / name).read_text() for name in ("configmap.yaml", "gateway.yaml", "virtualservice.yaml")}
        files["gateway.yaml"] = files["gateway.yaml"].replace("bindPort: 8080", "bindPort: @{port}").replace('"::"', "127.0.0.1")
        files["virtualservice.yaml"] = files["virtualservice.yaml"].replace("50051", str(cls.server.port))
        files["locked.yaml"] = configs.virtual_service(
            "- matchers: [{prefix: /library.Library/, headers: [{name: content-type, value: application/grpc}]}]\n"
            "  routeAction: {single: {upstream: {name: library, namespace: gloo-system}}}",
            'jwt: {providers: {p: {jwks: {local: {key: \'{"kty":"oct","k":"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE"}\'}}}}}', "[locked.test]", "locked")
        cls.gateway = cls.share(Gateway(files))

    def ask(self, path, method="GET", body=None):
        body = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        return self.gateway.fetch(path, method=method, body=body, headers=[("content-type", "application/json")] if body else [])

    def test_a_book_and_none(self):
        response = self.ask("/v1/shelves/a%20b/books/7?key=x")
        self.assert_status(response, 200)
        self.assertEqual(json.loads(response.body), {"id": "7", "title": "one of a b"})
        self.assertEqual(response.header("content-type"), "application/json")
        missing = self.ask("/v1/shelves/a/books/9")
        self.assertEqual((missing.status, json.loads(missing.body)), (404, {"code": 5, "message": "no such book"}))
        missing = self.ask("/v1/shelves/a/books/8")
        self.assertEqual(json.loads(missing.body), {"code": 5, "details": [{"@type": "type.googleapis.com/library.Book", "id": "8"}]})

    def test_streams(self):
        self.assertEqual(json.loads(self.ask("/v1/shelves/a/books?tag=old").body), [{"id": str(n), "tags": ["old"]} if n else {"tags": ["old"]}
                                                                                   for n in range(3)])
        books = [{"title": f"t{n}"} for n in range(1000)] + [{}]
        self.assertEqual(json.loads(self.ask("/v1/books:add", "POST", books).body), {"added": 1000})

    def test_bodies_and_bytes(self):
        self.assertEqual(json.loads(self.ask("/v1/shelves/a/books", "POST", {"title": "t", "none": 1}).body), {"title": "t", "tags": ["a"]})
        cover = self.ask("/v1/shelves/a/books/7/cover")
        self.assertEqual((cover.header("content-type"), cover.body), ("image/x-test", bytes(range(256))))

    @rows({"JSON that is none": ("/v1/shelves/a/books", "POST", b"{", 400), "another type": ("/v1/shelves/a/books", "POST", b'{"id": "x"}', 400),
           "a path that is no number": ("/v1/shelves/a/books/x", "GET", None, 400), "no array": ("/v1/books:add", "POST", b"{}", 400),
           "a body that is too long": ("/v1/shelves/a/books", "POST", b'{"title": "' + b"x" * 1_100_000 + b'"}', 413),
           "a path that no method has": ("/v1/nothing", "GET", None, 404), "an unknown parameter": ("/v1/shelves/a/books/7?what=1", "GET", None, 404)})
    def is_refused(self, path, method, body, status):
        self.assert_status(self.ask(path, method, body), status)

    def test_policies_of_the_route_hold_before_a_body_is_looked_at(self):
        for path in ("/v1/shelves/a/books/7", "/v1/shelves/a/books/x"):
            response = self.gateway.fetch(path, host="locked.test")
            self.assertEqual((response.status, response.body), (401, b"Jwt is missing"))
        response = self.gateway.fetch("/v1/shelves/a/books", host="locked.test", method="POST", body=b"{")
        self.assert_status(response, 401)

    def test_clients_of_grpc_have_the_same_port(self):
        said = self.client.call(port=self.gateway.port, method="/library.Library/GetBook", messages=[b"\x0a\x01a\x10\x07"])
        self.assertEqual((said["code"], said["messages"]), (0, [b"\x08\x07\x12\x08one of a"]))

    def test_http_2(self):
        url = f"http://127.0.0.1:{self.gateway.port}/v1/shelves/a/books"
        for path, wanted in (("/7", '{"id":"7","title":"one of a"}'), ("", '[{},{"id":"1"},{"id":"2"}]')):
            said = subprocess.run(["nghttp", url + path], capture_output=True, timeout=30, check=True).stdout.decode()
            self.assertEqual(said.strip(), wanted)


class GrpcJsonOfAFile(WithGrpcio):
    """The same service, its set of descriptors in a file, that changes."""

    @classmethod
    def setUpClass(cls):
        need_python("grpc", "google.protobuf")
        example = ROOT / "examples/grpc-json"
        cls.folder = tempfile.TemporaryDirectory(prefix="sluice-set-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.set = pathlib.Path(cls.folder.name, "set.pb")
        cls.bytes = base64.b64decode(yaml.safe_load((example / "configmap.yaml").read_text())["data"]["set.pb"])
        cls.set.write_bytes(cls.bytes)
        cls.server = cls.share(Server(program="library_server", files=[cls.set]))
        cls.files = {"gateway.yaml": configs.gateway("grpcJsonTranscoder: {protoDescriptor: '@{set}', services: [library.Library]}"),
                     "virtualservice.yaml": (example / "virtualservice.yaml").read_text().replace("50051", str(cls.server.port))}

    def replace(self, content):
        new = self.set.with_name("new")
        new.write_bytes(content)
        new.rename(self.set)

    def test_it_is_read_again_and_the_last_good_one_stays(self):
        gateway = self.use(Gateway(self.files, values={"set": self.set}))
        old, new = "/v1/shelves/a/books/7", "/v3/shelves/a/books/7"
        self.assertEqual(json.loads(gateway.fetch(old).body), {"id": "7", "title": "one of a"})
        self.replace(b"no set at all")
        until(lambda: "FileDescriptorSet" in gateway.status("gateways", "gateway-proxy")[1], what="the Gateway says why")
        reason = gateway.status("virtualservices", "library")[1]
        self.assertIn(f"protoDescriptor: {self.set}: it is no google.protobuf.FileDescriptorSet", reason)
        self.assert_status(gateway.fetch(old), 200)
        self.replace(self.bytes.replace(b"/v1/", b"/v3/"))
        until(lambda: gateway.fetch(new).status == 200, what="the new paths are served")
        self.assert_status(gateway.fetch(old), 404)
        until(lambda: gateway.status("virtualservices", "library")[0] == "Accepted", what="nothing is wrong any more")
