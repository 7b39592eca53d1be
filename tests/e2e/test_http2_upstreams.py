"""Upstreams that speak HTTP/2, in the clear and by TLS: nghttpd as a real one, and some that do not speak it at all."""

import concurrent.futures
import os
import pathlib
import re
import shutil
import socket
import tempfile

from harness import configs
from harness.backend import TlsBackend
from harness.case import Case, rows
from harness.certificates import authority
from harness.dns_server import DnsServer
from harness.gateway import Gateway
from harness.peer import Peer, read_all
from harness.process import Process
from harness.waiting import free_port, until

BIG = os.urandom(3_000_000)
LOG = ("accessLoggingService: {accessLog: [{fileSink: {path: '@{log}', "
       "stringFormat: \"%REQ(:PATH)% %UPSTREAM_PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS%\\n\"}}]}")


class Nghttpd:
    """Serves a folder, and gives uploads back; of a connection at most `streams` at a time. With a `pair` by TLS."""

    def __init__(self, port=None, streams=None, arguments=(), pair=None):
        self.scratch = tempfile.TemporaryDirectory(prefix="sluice-nghttpd-")
        pathlib.Path(self.scratch.name, "small").write_text("hello")
        pathlib.Path(self.scratch.name, "big").write_bytes(BIG)
        self.port = port or free_port()
        self.process = Process(["nghttpd", *([] if pair else ["--no-tls"]), "-d", self.scratch.name, "--echo-upload", *arguments,
                                *(["-m", streams] if streams else []), self.port, *([pair.key, pair.certificate] if pair else [])],
                               self.scratch.name, "nghttpd")
        until(self.listens, "nghttpd to listen")

    def listens(self):
        with socket.create_connection(("127.0.0.1", self.port), 1):
            return True

    def stop(self):
        self.process.stop()
        self.scratch.cleanup()


def to_http2(fields="", log=None):
    files = configs.to_backend()
    files["upstream.yaml"] = files["upstream.yaml"].rstrip() + "\n  useHttp2: true\n" + "".join(f"  {line}\n" for line in fields.splitlines())
    if log:
        files["gateway.yaml"] = configs.gateway(options=LOG)
    return files


class Http2Upstreams(Case):
    @classmethod
    def setUpClass(cls):
        if not shutil.which("nghttpd"):
            raise AssertionError("there is no nghttpd: tools/setup.sh test brings it")
        cls.host = cls.share(Nghttpd(arguments=["--trailer", "x-sum: 7"]))
        cls.folder = tempfile.TemporaryDirectory(prefix="sluice-log-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.log = pathlib.Path(cls.folder.name, "log")
        cls.gateway = cls.share(Gateway(to_http2(log=True), values={"backend": cls.host.port, "log": cls.log}))

    def cluster(self, name):
        return self.gateway.metric(rf'^envoy_cluster_{name}\{{envoy_cluster_name="backend_gloo-system"\}}')

    @rows({"small": ("/small", b"hello"), "big": ("/big", BIG)})
    def gives_what_is_there(self, path, body):
        response = self.gateway.fetch(path)
        self.assert_status(response, 200)
        self.assertTrue(response.body == body)

    def test_gives_no_body_to_head_and_no_file_where_none_is(self):
        response = self.gateway.fetch("/small", method="HEAD")
        self.assertEqual((response.status, response.header("content-length"), response.body), (200, "5", b""))
        self.assert_status(self.gateway.fetch("/none"), 404)

    def test_takes_and_gives_back_large_bodies(self):
        response = self.gateway.fetch("/up", method="POST", body=BIG)
        self.assert_status(response, 200)
        self.assertTrue(response.body == BIG)

    def test_shares_one_connection_between_many_clients_and_says_so_in_the_log(self):
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda i: self.gateway.fetch("/big" if i % 4 == 0 else "/small"), range(60)))
        self.assertEqual([answer.status for answer in answers], [200] * 60)
        self.assertTrue(all(answer.body in (b"hello", BIG) for answer in answers))
        self.assertEqual(self.cluster("upstream_cx_total"), 1)
        self.assertEqual(self.cluster("upstream_cx_http2_total"), 1)
        until(lambda: "/small HTTP/2 200 -" in self.log.read_text(), "the line in the log")


class Http2Limits(Case):
    def test_opens_more_connections_where_an_upstream_takes_few_streams(self):
        host = self.use(Nghttpd(streams=2))
        gateway = self.use(Gateway(to_http2(), values={"backend": host.port}))
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(lambda i: gateway.fetch("/big"), range(30)))
        self.assertEqual([answer.status for answer in answers], [200] * 30)
        self.assertTrue(all(answer.body == BIG for answer in answers))
        self.assertGreater(gateway.metric("^envoy_cluster_upstream_cx_total"), 1)

    def test_connects_again_when_the_upstream_was_restarted(self):
        host = Nghttpd()
        gateway = self.use(Gateway(to_http2(), values={"backend": host.port}))
        self.assert_status(gateway.fetch("/small"), 200)
        host.stop()
        until(lambda: gateway.metric("^envoy_cluster_upstream_cx_active") == 0, "its end to be seen")
        self.use(Nghttpd(port=host.port))
        until(lambda: gateway.fetch("/small").status == 200, "an answer of the new one")

    def test_an_upstream_of_http_1_is_a_protocol_error(self):
        def refuse(connection):
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            read_all(connection)  # closed with bytes unread it would be a reset
        gateway = self.use(Gateway(to_http2(), values={"backend": self.use(Peer(refuse)).port}))
        response = gateway.fetch("/")
        self.assert_status(response, 502)
        self.assertIn("reset reason: protocol error", response.text())
        self.assertEqual(gateway.metric("^envoy_cluster_upstream_rq_total"), 1)


BY_TLS = "sslConfig: {sni: h2.test, verifySubjectAltName: [h2.test], sslFiles: {rootCa: '@{ca}'}}"


class Http2ByTls(Case):
    """By ALPN: as configured for an Upstream, as each destination says of those that requests name."""

    @classmethod
    def setUpClass(cls):
        if not shutil.which("nghttpd"):
            raise AssertionError("there is no nghttpd: tools/setup.sh test brings it")
        ca = authority()
        cls.host = cls.share(Nghttpd(pair=ca.make("h2.test")))
        cls.old = cls.share(TlsBackend(ca.make("h1.test")))
        cls.old.context.set_alpn_protocols(["http/1.1"])
        cls.shared = cls.share(Nghttpd(pair=ca.make("share.h2.test"), arguments=["--verbose"]))
        cls.silent = cls.share(TlsBackend(ca.make("none.test")))  # knows nothing of ALPN
        cls.dns = cls.share(DnsServer())
        cls.dns.set("*.test", "127.0.0.1")
        cls.folder = tempfile.TemporaryDirectory(prefix="sluice-log-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.log = pathlib.Path(cls.folder.name, "log")
        files = to_http2(BY_TLS)
        files["vs.yaml"] = configs.virtual_service(
            f"- matchers: [{{prefix: /, headers: [{{name: x-to}}]}}]\n  routeAction: {{dynamicForwardProxy: {{autoHostRewriteHeader: x-to}}}}\n"
            f"- matchers: [{{prefix: /}}]\n  {configs.TO_BACKEND}")
        files["gateway.yaml"] = configs.gateway("dynamicForwardProxy: {}", options=LOG)
        cls.gateway = cls.share(Gateway({**files, "policy.yaml": configs.LOOPBACK_POLICY, "settings.yaml": configs.SCHEMES},
                                        resolver=cls.dns.where, environment={"SSL_CERT_FILE": str(ca.certificate)},
                                        values={"backend": cls.host.port, "log": cls.log, "ca": ca.certificate}))

    def fetch(self, path, to=None, **keywords):
        return self.gateway.fetch(path, headers=[("x-to", to)] if to else [], **keywords)

    def connections(self):
        """How many the shared host has had."""
        return len(set(re.findall(r"^\[id=(\d+)\]", self.shared.process.stdout(), re.MULTILINE)))

    def logged(self, line):
        until(lambda: line in self.log.read_text(), f"the line {line!r} in the log")

    def test_an_upstream_that_says_so_is_spoken_to_by_http2(self):
        self.assertEqual(self.fetch("/big").body, BIG)
        self.assertEqual(self.fetch("/up", method="POST", body=BIG).body, BIG)
        self.logged("/big HTTP/2 200 -")

    @rows({"HTTP/2": ("h2.test", "host", "HTTP/2"), "HTTP/1.1": ("h1.test", "old", "HTTP/1.1"),
           "nothing": ("none.test", "silent", "HTTP/1.1")})
    def a_destination_is_spoken_to_by_what_it_agrees_to(self, name, which, protocol):
        port = getattr(self, which).port
        path = "/small" if which == "host" else f"/{which}"
        for _ in range(2):
            self.assert_status(self.fetch(path, f"https://{name}:{port}"), 200)
        self.logged(f"{path} {protocol} 200 -")

    def test_many_requests_share_a_connection_once_it_is_known_to_carry_them(self):
        to = f"https://share.h2.test:{self.shared.port}"
        before = self.connections()
        self.assert_status(self.fetch("/small", to), 200)
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: self.fetch("/big", to), range(40)))
        self.assertEqual([answer.status for answer in answers], [200] * 40)
        self.assertTrue(all(answer.body == BIG for answer in answers))
        self.assertEqual(self.connections() - before, 1)
