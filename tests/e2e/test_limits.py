"""Every limit has a status, a body and a line in the access log."""

import socket
import threading
import time

from harness import configs, raw
from harness.backend import CLOSE, Backend
from harness.case import Case, rows
from harness.gateway import Gateway
from harness.waiting import free_port, until


class Timeouts(Case):
    @classmethod
    def setUpClass(cls):
        cls.backend = cls.share(Backend())
        cls.backend.on("/never", lambda connection, request: connection.socket.recv(1) and None or CLOSE)
        cls.backend.on("/timeout", lambda connection, request: connection.socket.recv(1) and None or CLOSE)
        cls.backend.on("/stall", cls.stall)
        routes = f"""\
- matchers: [{{prefix: /timeout}}]
  options: {{timeout: 0.4s}}
  {configs.TO_BACKEND}
- matchers: [{{prefix: /}}]
  {configs.TO_BACKEND}"""
        settings = """\
httpConnectionManagerSettings:
  requestHeadersTimeout: 0.5s
  requestTimeout: 0.8s
  idleTimeout: 0.6s
  streamIdleTimeout: 1s"""
        cls.gateway = cls.share(Gateway(
            {"gateway.yaml": configs.gateway(settings), "upstream.yaml": configs.BACKEND, "vs.yaml": configs.virtual_service(routes)},
            values={"backend": cls.backend.port}))

    @staticmethod
    def stall(connection, request):
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        connection.socket.recv(1)
        return CLOSE

    @rows({"nothing after the first line": "GET /head HTTP/1.1\r\n", "half a field": "GET /head HTTP/1.1\r\nHos",
           "all but the last line": "GET /head HTTP/1.1\r\nHost: a\r\n"})
    def a_head_that_does_not_arrive_is_408(self, data):
        with self.gateway.client() as client:
            client.send(data)
            response = client.read_response()
            self.assertEqual((response.status, response.text()), (408, "request header timeout"))
            self.assertTrue(client.closed())

    def test_a_connection_that_says_nothing_is_closed_without_an_answer(self):
        with self.gateway.client() as client:
            self.assertTrue(client.closed())

    def test_a_kept_connection_that_idles_is_closed_without_an_answer(self):
        with self.gateway.client() as client:
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assert_status(client.read_response(), 200)
            self.assertTrue(client.closed())

    def test_a_request_body_that_does_not_arrive_is_408(self):
        with self.gateway.client() as client:
            client.send("POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
            response = client.read_response()
            self.assertEqual((response.status, response.text()), (408, "request timeout"))
            self.assertTrue(client.closed())
        self.assertIn(" 408 ", self.gateway.log_line("/body"))

    def test_a_route_timeout_is_504(self):
        response = self.gateway.fetch("/timeout")
        self.assertEqual((response.status, response.text()), (504, "upstream request timeout"))
        line = self.gateway.log_line("/timeout")
        self.assertIn(" 504 UT ", line)
        self.assertIn("response_timeout", line)

    @rows({"the route's timeout": ("timeout: 0.6s", " 200 UT "), "its idleTimeout": ("timeout: 0s, idleTimeout: 0.6s", " 200 SI ")})
    def a_client_that_does_not_read_keeps_its_destinations_connection_no_longer_than(self, options, logged):
        def flood(connection, request):
            connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {1 << 40}\r\n\r\n")
            while True:
                connection.send(b"x" * 65536)
        backend = self.use(Backend())
        backend.on("/flood", flood)
        gateway = self.use(Gateway({"upstream.yaml": configs.BACKEND, "vs.yaml": configs.virtual_service(
            f"- matchers: [{{prefix: /}}]\n  options: {{{options}}}\n  {configs.TO_BACKEND}")}, values={"backend": backend.port}))
        with gateway.client(receive_buffer=8192) as client:
            client.send("GET /flood HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assert_status(client.read_head(), 200)
            self.assertIn(logged, gateway.log_line("/flood"))
            self.assertEqual(gateway.metric(r"^envoy_cluster_upstream_cx_active\{"), 0)

    def test_a_silent_destination_is_504_after_the_stream_idle_timeout(self):
        response = self.gateway.fetch("/never")
        self.assertEqual((response.status, response.text()), (504, "stream timeout"))
        self.assertIn(" 504 SI ", self.gateway.log_line("/never"))

    def test_a_body_that_stalls_is_cut_and_not_ended(self):
        with self.gateway.client() as client:
            client.send("GET /stall HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assert_status(client.read_head(), 200)
            self.assertEqual(client.read_to_end(), b"hello")
        self.assertIn(" SI ", self.gateway.log_line("/stall"))


    def test_a_websocket_that_idles_is_cut_and_the_log_says_so(self):
        def behaviour(connection, request):
            connection.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            connection.socket.recv(1)
            return CLOSE
        self.backend.on("/ws", behaviour)
        with self.gateway.client() as client:
            client.send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            self.assert_status(client.read_head(), 101)
            self.assertEqual(client.read_to_end(), b"")
        line = self.gateway.log_line("/ws")
        self.assertIn(" 101 SI ", line)
        self.assertIn("stream_idle_timeout", line)

    def test_a_route_timeout_counts_connecting(self):
        """A listener with a full queue answers no further connection; connectTimeout is 5 s."""
        full = socket.socket()
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        try:
            gateway = self.use(Gateway(
                {"upstream.yaml": configs.BACKEND,
                 "vs.yaml": configs.virtual_service(f"- matchers: [{{prefix: /}}]\n  options: {{timeout: 0.4s}}\n  {configs.TO_BACKEND}")},
                values={"backend": full.getsockname()[1]}))
            response = gateway.fetch("/full")
            self.assertEqual((response.status, response.text()), (504, "upstream request timeout"))
            self.assertIn(" 504 UT ", gateway.log_line("/full"))
        finally:
            for one in [full, *waiting]:
                one.close()


class Sizes(Case):
    @classmethod
    def setUpClass(cls):
        cls.backend = cls.share(Backend())
        cls.backend.on("/big", lambda connection, request: connection.answer(200, b"x" * 5000))
        routes = f"""\
- matchers: [{{prefix: /buffer}}]
  options:
    stagedTransformations:
      regular:
        requestTransforms:
        - requestTransformation: {{transformationTemplate: {{headers: {{x-name: {{text: '{{{{ name }}}}'}}}}}}}}
  {configs.TO_BACKEND}
- matchers: [{{prefix: /}}]
  {configs.TO_BACKEND}"""
        files = {"gateway.yaml": configs.gateway("httpConnectionManagerSettings: {maxRequestHeadersKb: 4, maxHeadersCount: 10}",
                                                 "perConnectionBufferLimitBytes: 1024"),
                 "upstream.yaml": configs.BACKEND, "vs.yaml": configs.virtual_service(routes)}
        cls.gateway = cls.share(Gateway(files, values={"backend": cls.backend.port}))

    def test_the_heads_size_is_configurable(self):
        self.assert_status(self.gateway.fetch("/", headers=[("x", "a" * 3000)]), 200)
        response = self.gateway.fetch("/large", headers=[("x", "a" * 5000)])
        self.assertEqual((response.status, response.text()), (431, "Request Header Fields Too Large"))
        self.assertIn(" 431 DPE ", self.gateway.log_line(" 431 "))

    def test_the_number_of_fields_is_configurable(self):
        self.assert_status(self.gateway.fetch("/", headers=[(f"x{n}", "1") for n in range(8)]), 200)
        self.assert_status(self.gateway.fetch("/", headers=[(f"x{n}", "1") for n in range(11)]), 431)

    def test_a_body_that_must_be_held_may_not_exceed_the_buffer(self):
        self.assert_status(self.gateway.fetch("/buffer", method="POST", body=b'{"name": "a"}'), 200)
        response = self.gateway.fetch("/buffer413", method="POST", body=b'{"name": "' + b"a" * 2000 + b'"}')
        self.assert_status(response, 413)
        self.assertIn(" 413 ", self.gateway.log_line("/buffer413"))

    def test_a_body_that_is_passed_on_may_be_of_any_size(self):
        self.assert_status(self.gateway.fetch("/", method="POST", body=b"x" * 3_000_000), 200)
        self.assertEqual(len(self.gateway.fetch("/big").body), 5000)


class Upstreams(Case):
    def test_nobody_listens(self):
        gateway = self.use(Gateway(configs.to_backend(), values={"backend": free_port()}))
        response = gateway.fetch("/refused")
        self.assert_status(response, 503)
        self.assertRegex(response.text(), "^upstream connect error or disconnect/reset before headers. (retried and the latest )?"
                         "reset reason: remote connection failure, transport failure reason: delayed connect error: .+")
        self.assertIn(" 503 UF", gateway.log_line("/refused"))

    def test_a_dead_host_beside_a_living_one_is_passed_over_and_taken_back_when_it_is_there_again(self):
        backend, port = self.use(Backend()), free_port()
        files = configs.to_backend()
        files["upstream.yaml"] = files["upstream.yaml"].replace("hosts: [", f"hosts: [{{addr: 127.0.0.1, port: {port}}}, ")
        gateway = self.use(Gateway(files, values={"backend": backend.port}))
        for n in range(20):
            method = ("GET", "POST")[n % 2]
            self.assert_status(gateway.fetch("/", method=method, body=b"x" if method == "POST" else None), 200)
        self.assertLessEqual(gateway.metric("^envoy_cluster_upstream_cx_connect_fail"), 2, "it was not left out")
        back = self.use(Backend(port=port))
        until(lambda: gateway.fetch("/").status == 200 and back.requests, "the host that is back to get requests")

    def test_more_requests_than_the_circuit_breaker_lets_in_are_503_at_once(self):
        backend = self.use(Backend())
        release = threading.Event()

        def wait(connection, request):
            release.wait(10)
            connection.answer(200, b"late")
        backend.on("/slow", wait)
        files = configs.to_backend()
        files["upstream.yaml"] += "  circuitBreakers: {maxConnections: 2, maxPendingRequests: 1, maxRequests: 2}\n"
        gateway = self.use(Gateway(files, values={"backend": backend.port}))
        self.addCleanup(release.set)
        results = []
        threads = [threading.Thread(target=lambda: results.append(gateway.fetch("/slow"))) for _ in range(8)]
        for thread in threads:
            thread.start()
        until(lambda: len(results) >= 5, "the requests over the limit to be answered")
        release.set()
        for thread in threads:
            thread.join()
        refused = [r for r in results if r.status == 503]
        self.assertIn(len([r for r in results if r.status == 200]), (2, 3))
        for response in refused:
            self.assertEqual(response.header("x-envoy-overloaded"), "true")
            self.assertIn("reset reason: overflow", response.text())
        self.assertLessEqual(backend.accepted, 2)
        self.assertIn(" 503 UO ", gateway.log_line(" UO "))

    def test_a_missing_upstream_is_503_and_a_warning(self):
        files = configs.to_backend()
        del files["upstream.yaml"]
        gateway = self.use(Gateway(files))
        response = gateway.fetch("/gone")
        self.assertEqual((response.status, response.body), (503, b""))
        self.assertIn(" 503 NC ", gateway.log_line("/gone"))
        state, reason = gateway.status("virtualservices", "all")
        self.assertEqual(state, "Warning")
        self.assertIn("*v1.Upstream { gloo-system.backend } not found", reason)

    def test_no_route_is_404(self):
        gateway = self.use(Gateway({"vs.yaml": configs.virtual_service(
            "- matchers: [{prefix: /a}]\n  directResponseAction: {status: 200}", domains="[a.test]")}))
        for host, path in (("b.test", "/a"), ("a.test", "/b")):
            response = gateway.fetch(path, host=host)
            self.assertEqual((response.status, response.body), (404, b""))
        self.assertIn(" 404 NR ", gateway.log_line('"b.test"'))


class Streaming(Case):
    SIZE = 256 << 20

    def test_a_large_body_against_a_stopped_reader_costs_little_memory_both_ways(self):
        backend = self.use(Backend())
        sent, stopped = [0], threading.Event()

        def flood(connection, request):
            connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {self.SIZE}\r\n\r\n")
            block = b"x" * 65536
            for _ in range(self.SIZE // len(block)):
                connection.send(block)
                sent[0] += len(block)
            return CLOSE

        def ignore(connection, request):
            stopped.wait(60)
            connection.read_body(request)
            connection.answer(200, str(len(request.body)))
        backend.on("/flood", flood)
        backend.on_head("/ignore", ignore)
        self.addCleanup(stopped.set)
        gateway = self.use(Gateway(configs.to_backend(), values={"backend": backend.port}))
        self.assert_status(gateway.fetch("/"), 200)
        before = gateway.process.memory_kib()

        with gateway.client(receive_buffer=65536) as client:
            client.send("GET /flood HTTP/1.1\r\nHost: a\r\n\r\n")
            client.read_head()
            seen = -1
            while seen != sent[0]:                       # until nothing moves any more
                seen = sent[0]
                self.assertTrue(client.socket.gettimeout())
                threading.Event().wait(0.3)
            self.assertLess(sent[0], 64 << 20, "the destination could send on although nobody reads")
            self.assertLess(gateway.process.memory_kib() - before, 64 << 10)
            left = self.SIZE
            left -= len(client.data)
            buffer = bytearray(1 << 20)
            while left:
                got = client.socket.recv_into(buffer)
                self.assertTrue(got, f"{left} bytes are missing")
                left -= got
            self.assertLess(gateway.process.memory_kib() - before, 64 << 10)

        with gateway.client() as client:
            client.send(f"POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: {64 << 20}\r\n\r\n")
            client.socket.settimeout(1)
            total = 0
            try:
                while total < 64 << 20:
                    total += client.socket.send(b"x" * min(65536, (64 << 20) - total))
            except OSError:
                pass
            self.assertLess(total, 32 << 20, "the gateway took it all although nobody reads")
            self.assertLess(gateway.process.memory_kib() - before, 64 << 10)
            client.socket.settimeout(30)
            stopped.set()
            while total < 64 << 20:
                total += client.socket.send(b"x" * min(65536, (64 << 20) - total))
            self.assertEqual(client.read_response().body, str(64 << 20).encode())


class OfConnections(Case):
    @staticmethod
    def served(client):
        try:
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            return client.read_response().status == 200
        except (OSError, raw.Incomplete):
            return False

    def test_of_the_process(self):
        gateway = self.use(Gateway({"vs.yaml": configs.virtual_service("- matchers: [{prefix: /}]\n  directResponseAction: {status: 200, body: here}")},
                                   arguments=["--max-connections", "3"]))
        clients = [gateway.client() for _ in range(3)]
        for client in clients:
            self.addCleanup(client.close)
            client.send("GET / HTTP/1.1\r\nHost: a\r\n")       # and no end of it
        until(lambda: gateway.metric(r'^envoy_http_downstream_cx_active\{envoy_http_conn_manager_prefix="http"\}') == 3, "all three")
        with gateway.client() as fourth:
            self.assertTrue(fourth.closed())
        self.assertEqual(gateway.metric(r'^sluice_downstream_cx_refused_total\{listeners="gateways"\}'), 1)
        for client in clients:
            client.send("\r\n")
            self.assert_status(client.read_response(), 200)

        def another():
            with gateway.client() as client:
                return self.served(client)
        until(another, "room for one more")

    def test_of_a_listener(self):
        """Over all workers, while the limit changes, with idle clients that do not make room here."""
        def gateway_file(limit):
            return configs.gateway(f"connectionLimit: {{{limit}}}")
        gateway = self.use(Gateway({"gateway.yaml": gateway_file("maxActiveConnections: 3"),
                                    "vs.yaml": configs.virtual_service("- matchers: [{prefix: /}]\n  directResponseAction: {status: 200}")},
                                   workers=3))

        def connect():
            client = gateway.client()
            self.addCleanup(client.close)
            return client

        first = [connect() for _ in range(3)]
        self.assertEqual([self.served(client) for client in first], [True] * 3)
        self.assertEqual([self.served(connect()) for _ in range(10)], [False] * 10)
        self.assertEqual(gateway.metric(r"^envoy_listener_downstream_cx_overflow\{"), 10)
        prefix = r'\{envoy_connection_limit_prefix="connection_limit"\}'
        self.assertEqual(gateway.metric("^envoy_connection_limit_limited_connections" + prefix), 10)
        self.assertEqual(gateway.metric("^envoy_connection_limit_active_connections" + prefix), 3)
        gateway.says("warn listener more client connections than connectionLimit allows address=.* max=3")
        gateway.write("gateway.yaml", gateway_file("maxActiveConnections: 4, delayBeforeClose: 1s"))
        until(lambda: self.served(connect()), "the fourth")
        started = time.monotonic()
        with gateway.client() as late:
            self.assertTrue(late.closed())
        self.assertGreater(time.monotonic() - started, 0.9)
        self.assertEqual([self.served(client) for client in first], [True] * 3)

    def test_of_a_listener_takes_no_place_from_the_clients_of_another(self):
        """Those that it keeps for delayBeforeClose go for whoever needs their place, on whichever worker he is."""
        places, workers = 30, 3
        gateway = self.use(Gateway({
            "gateway.yaml": configs.gateway("connectionLimit: {maxActiveConnections: 1, delayBeforeClose: 600s}"),
            "other.yaml": configs.gateway(name="other", port="@{port2}"),
            "vs.yaml": configs.virtual_service("- matchers: [{prefix: /}]\n  directResponseAction: {status: 200}")},
            workers=workers, arguments=["--max-connections", str(places)]))

        def begins_a_request(port):
            client = gateway.client(port)
            self.addCleanup(client.close)
            client.send("GET / HTTP/1.1\r\nHost: a\r\n")       # and no end of it
            return client

        served = [begins_a_request(gateway.port)]
        until(lambda: gateway.metric(r'^envoy_http_downstream_cx_active\{envoy_http_conn_manager_prefix="http"\}') == 1, "the one")
        turned_away = [begins_a_request(gateway.port) for _ in range(2 * places)]
        until(lambda: gateway.metric(r"^envoy_listener_downstream_cx_overflow\{") == len(turned_away), "the others are turned away")
        served += [begins_a_request(gateway.port2) for _ in range(places - 1)]
        for client in served:
            client.send("\r\n")
            self.assert_status(client.read_response(), 200)
        self.assertEqual([client.closed() for client in turned_away], [True] * len(turned_away))
        self.assertEqual(gateway.metric(r'^sluice_downstream_cx_refused_total\{listeners="gateways"\}'), 0)

    def test_more_clients_than_there_are_descriptors_for_are_not_promised(self):
        gateway = self.use(Gateway({}, arguments=["--max-connections", "100000"], descriptors=400))
        share = gateway.metric(r'^sluice_descriptors_max\{use="downstream"\}')
        self.assertEqual(gateway.metric(r'^sluice_downstream_cx_max\{listeners="gateways"\}'), share)
        gateway.says(rf"warn listener --max-connections is more than the file descriptors allow wished=100000 in_force={int(share)} ")
