"""Upstreams that speak HTTP/2 without TLS: nghttpd as a real one, and one that does not speak it at all."""

import concurrent.futures
import os
import pathlib
import shutil
import socket
import tempfile

from harness import configs
from harness.backend import Backend
from harness.case import Case, rows
from harness.gateway import Gateway
from harness.process import Process
from harness.waiting import free_port, until

BIG = os.urandom(3_000_000)
LOG = ("accessLoggingService: {accessLog: [{fileSink: {path: '@{log}', "
       "stringFormat: \"%REQ(:PATH)% %UPSTREAM_PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS%\\n\"}}]}")


class Nghttpd:
    """Serves a folder, and gives uploads back; of a connection at most `streams` at a time."""

    def __init__(self, port=None, streams=None, arguments=()):
        self.scratch = tempfile.TemporaryDirectory(prefix="sluice-nghttpd-")
        pathlib.Path(self.scratch.name, "small").write_text("hello")
        pathlib.Path(self.scratch.name, "big").write_bytes(BIG)
        self.port = port or free_port()
        self.process = Process(["nghttpd", "--no-tls", "-d", self.scratch.name, "--echo-upload", *arguments,
                                *(["-m", streams] if streams else []), self.port], self.scratch.name, "nghttpd")
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

    def test_connects_again_when_the_upstream_was_restarted(self):
        host = Nghttpd()
        gateway = self.use(Gateway(to_http2(), values={"backend": host.port}))
        self.assert_status(gateway.fetch("/small"), 200)
        host.stop()
        until(lambda: gateway.metric("^envoy_cluster_upstream_cx_active") == 0, "its end to be seen")
        self.use(Nghttpd(port=host.port))
        until(lambda: gateway.fetch("/small").status == 200, "an answer of the new one")

    def test_an_upstream_of_http_1_is_a_protocol_error(self):
        backend = self.use(Backend())
        gateway = self.use(Gateway(to_http2(), values={"backend": backend.port}))
        response = gateway.fetch("/")
        self.assertIn(response.status, (502, 503))
        self.assertEqual(gateway.metric("^envoy_cluster_upstream_rq_total"), 1)
