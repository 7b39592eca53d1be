"""What httpConnectionManagerSettings say of clients' requests, seen from both sides of the gateway."""

import gzip
import socket
import threading
import zlib

from harness import configs
from harness.backend import Backend
from harness.case import Case
from harness.gateway import Gateway
from harness.waiting import until

SECRET = """\
apiVersion: v1
kind: Secret
metadata: {name: early, namespace: gloo-system}
type: Opaque
stringData: {x-secret: hush}
"""
ROUTES = f"""\
- matchers: [{{prefix: /, headers: [{{name: x-early, value: "yes"}}]}}]
  options: {{prefixRewrite: /early}}
  {configs.TO_BACKEND}
- matchers: [{{prefix: /}}]
  {configs.TO_BACKEND}"""


class ListenerSettings(Case):
    @classmethod
    def setUpClass(cls):
        cls.backend = cls.share(Backend())

    def gateway(self, settings, files=(), more=""):
        return self.use(Gateway(
            {"gateway.yaml": configs.gateway("httpConnectionManagerSettings: {" + settings + "}\n" + more), "upstream.yaml": configs.BACKEND,
             "vs.yaml": configs.virtual_service(ROUTES), **dict(files)},
            values={"backend": self.backend.port}))

    def ask(self, gateway, *lines, body=""):
        """The response, and the head as the backend got it ("": it got none)."""
        self.backend.requests.clear()
        with gateway.client() as client:
            client.send("\r\n".join(lines) + "\r\n\r\n" + body)
            response = client.read_response()
        return response, self.backend.requests[-1].raw_head.decode("latin-1") if self.backend.requests else ""

    @staticmethod
    def refuses(port):
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except ConnectionRefusedError:
            return True
        return False

    def test_names_of_request_headers_go_on_as_they_were_written(self):
        _, head = self.ask(self.gateway("preserveCaseHeaderKeyFormat: true"),
                           "GET / HTTP/1.1", "Host: a", "X-MiXeD: 1", "SOAPAction: x", "plain: 2")
        self.assertIn("\r\nX-MiXeD: 1\r\n", head)
        self.assertIn("\r\nSOAPAction: x\r\n", head)
        self.assertIn("\r\nplain: 2\r\n", head)

    def test_names_of_response_headers_are_written_in_proper_case(self):
        response, _ = self.ask(self.gateway("properCaseHeaderKeyFormat: true"), "GET / HTTP/1.1", "Host: a")
        self.assertIn("\r\nContent-Length: ", response.raw_head.decode("latin-1"))
        self.assertIn("\r\nServer: envoy\r\n", response.raw_head.decode("latin-1"))

    def test_http_1_0_is_served_and_its_hosts_are_found(self):
        gateway = self.gateway("acceptHttp10: true, defaultHostForHttp10: old.test")
        response, head = self.ask(gateway, "GET / HTTP/1.0")
        self.assert_status(response, 200)
        self.assertIn("\r\nhost: old.test\r\n", head)
        self.backend.on("/parts", lambda connection, request: connection.answer_chunked([b"one", b"two"]))
        with gateway.client() as client:
            client.send("GET /parts HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            self.assertTrue(client.read_to_end().endswith(b"\r\n\r\nonetwo"))

    def test_a_request_with_both_lengths_is_read_by_chunks_and_is_the_last(self):
        gateway = self.gateway("allowChunkedLength: true")
        with gateway.client() as client:
            self.backend.requests.clear()
            client.send("POST /both HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "3\r\nabc\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assert_status(client.read_response(), 200)
            self.assertTrue(client.closed())
        self.assertEqual([request.target for request in self.backend.requests], ["/both"])
        self.assertEqual(self.backend.requests[0].body, b"abc")
        self.assertIsNone(self.backend.requests[0].header("content-length"))

    def test_trailers_are_passed_on_always_or_never(self):
        chunks = "3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n"
        for setting, te, passed in (("enableTrailers: true", (), True), ("enableTrailers: false", ("TE: trailers",), False)):
            gateway = self.gateway(setting)
            self.ask(gateway, "POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", *te, body=chunks)
            self.assertEqual(self.backend.requests[-1].trailers, [("x-sum", "7")] if passed else [])

    def test_headers_are_changed_before_a_route_is_chosen(self):
        early = """earlyHeaderManipulation: {headersToAdd: [{header: {key: x-early, value: "yes"}, append: false}, {header: {key: x-both, value: a}},
            {headerSecretRef: {name: early, namespace: gloo-system}}], headersToRemove: [x-both, cookie]}"""
        gateway = self.gateway(early, {"secret.yaml": SECRET})
        _, head = self.ask(gateway, "GET /any HTTP/1.1", "Host: a", "Cookie: a=b")
        self.assertTrue(head.startswith("GET /early"), head)
        self.assertIn("\r\nx-secret: hush", head)
        self.assertNotIn("x-both", head)
        self.assertNotIn("cookie", head)
        # Without its Secret it goes on with what it had, and says so.
        gateway.remove("secret.yaml")
        gateway.says("list did not find secret gloo-system.early")
        _, head = self.ask(gateway, "GET /any HTTP/1.1", "Host: a")
        self.assertIn("\r\nx-secret: hush", head)

    def test_who_waits_for_100_is_told_by_the_gateway_where_the_upstream_is_not_asked(self):
        gateway = self.gateway("proxy100Continue: false")
        self.backend.requests.clear()
        with gateway.client() as client:
            client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
            self.assertEqual(client.read_head().status, 100)
            client.send("abc")
            self.assert_status(client.read_response(), 200)
        self.assertIsNone(self.backend.requests[-1].header("expect"))

    def test_escaped_slashes_are_taken_for_slashes(self):
        gateway = self.gateway("pathWithEscapedSlashesAction: UNESCAPE_AND_FORWARD")
        _, head = self.ask(gateway, "GET /a%2Fb%5Cc?x=%2F HTTP/1.1", "Host: a")
        self.assertTrue(head.startswith("GET /a/b/c?x=%2F "), head)

    def test_the_port_and_what_internal_clients_say_go_on(self):
        gateway = self.gateway("useRemoteAddress: true, skipXffAppend: true, appendXForwardedPort: true, "
                               "internalAddressConfig: {cidrRanges: [{addressPrefix: 127.0.0.0, prefixLen: 8}]}")
        _, head = self.ask(gateway, "GET / HTTP/1.1", "Host: a", "x-envoy-foo: 1")
        for expected in (f"x-forwarded-port: {gateway.port}", "x-envoy-internal: true", "x-envoy-foo: 1"):
            self.assertIn(f"\r\n{expected}\r\n", head + "\r\n")
        self.assertNotIn("x-forwarded-for", head)

    def test_no_header_of_envoys_is_added_where_that_is_unwanted(self):
        for more, added in (("", True), ("router: {suppressEnvoyHeaders: true}", False)):
            response, head = self.ask(self.gateway("", more=more), "GET / HTTP/1.1", "Host: a", "x-early: yes")
            self.assertEqual("x-envoy-original-path" in head, added)
            self.assertEqual("x-envoy-expected-rq-timeout-ms" in head, added)
            self.assertEqual(response.header("x-envoy-upstream-service-time") is not None, added)

    def test_a_health_check_is_answered_for_any_host_and_says_when_the_gateway_stops(self):
        gateway = self.gateway("", more="healthCheck: {path: /up}", files={
            "vs.yaml": configs.virtual_service(f"- matchers: [{{prefix: /app}}]\n  {configs.TO_BACKEND}", domains="[a.test]")})
        for host in ("a.test", "nobody.test"):
            response, head = self.ask(gateway, "GET /up HTTP/1.1", f"Host: {host}")
            self.assertEqual((response.status, response.body, head), (200, b"", ""))
        self.assertEqual(self.ask(gateway, "GET /up/ HTTP/1.1", "Host: nobody.test")[0].status, 404)
        with gateway.client() as client:
            # The head of the second has begun when the first is answered, so that it may come to its end.
            client.send("GET /up HTTP/1.1\r\nHost: a.test\r\n\r\nGET /up HTTP/1.1\r\nHost: a.te")
            self.assertEqual(client.read_response().status, 200)
            gateway.admin("/drain", "POST")
            # Its answer may come before the worker has heard of it, which closes the port then.
            until(lambda: self.refuses(gateway.port), "the worker to drain")
            client.send("st\r\n\r\n")
            self.assertEqual(client.read_response().status, 503)

    def test_a_body_is_waited_for_before_it_goes_on(self):
        gateway = self.gateway("", more="buffer: {maxRequestBytes: 6}")
        chunks = "2\r\nab\r\n4\r\ncdef\r\n{}0\r\n\r\n"
        for more, status in (("", 200), ("1\r\ng\r\n", 413)):
            response, _ = self.ask(gateway, "POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", body=chunks.format(more))
            self.assertEqual(response.status, status)
            self.assertEqual([(request.body, request.header("content-length")) for request in self.backend.requests],
                             [(b"abcdef", "6")] if status == 200 else [])

    def test_responses_are_compressed_for_who_accepts_it_and_events_come_one_by_one(self):
        gateway = self.gateway("", {"settings.yaml": configs.proxy_settings("brotli: {}")}, more="gzip: {contentType: [text/plain, text/event-stream]}")
        page = b"a page " * 1000
        self.backend.on("/page", lambda connection, request: connection.answer(200, page, [("content-type", "text/plain")]))
        for accepted, coding in (("gzip", "gzip"), ("gzip, br", "br"), ("identity", None)):
            response, _ = self.ask(gateway, "GET /page HTTP/1.1", "Host: a", f"Accept-Encoding: {accepted}")
            self.assertEqual((response.header("content-encoding"), response.header("vary")), (coding, "accept-encoding"))
            self.assertEqual(len(response.body) < 500, coding is not None)
            if coding != "br":
                self.assertEqual(gzip.decompress(response.body) if coding else response.body, page)

        # The second event is sent when the client has read the first.
        read = threading.Event()

        def events(connection, request):
            connection.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            connection.send("9\r\ndata: 1\n\n\r\n")
            self.assertTrue(read.wait(10))
            connection.send("9\r\ndata: 2\n\n\r\n0\r\n\r\n")
        self.backend.on("/events", events)
        with gateway.client() as client:
            client.send("GET /events HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
            client.read_head()
            inflate = zlib.decompressobj(31)
            text = b""
            while not text.endswith(b"1\n\n"):
                size = int(client.read_line(), 16)
                text += inflate.decompress(client.read_exactly(size))
                client.read_exactly(2)
            read.set()
            while not text.endswith(b"2\n\n"):
                size = int(client.read_line(), 16)
                text += inflate.decompress(client.read_exactly(size))
                client.read_exactly(2)
        self.assertEqual(text, b"data: 1\n\ndata: 2\n\n")

    def test_durations_and_counts_end_what_takes_too_long(self):
        gateway = self.gateway("maxStreamDuration: 0.3s, maxRequestsPerConnection: 2, maxConnectionDuration: 60s, delayedCloseTimeout: 0.2s")
        with gateway.client() as client:
            for last in (False, True):
                client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                response = client.read_response()
                self.assertEqual(response.header("connection"), "close" if last else None)
            self.assertTrue(client.closed())
        self.backend.on("/never", lambda connection, request: connection.socket.recv(1) and None)
        response, _ = self.ask(gateway, "GET /never HTTP/1.1", "Host: a")
        self.assertEqual((response.status, response.text()), (408, "downstream duration timeout"))
