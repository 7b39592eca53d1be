"""Nearly no client connections or no memory left: what is under way is finished, the rest is told so."""

import socket

from harness import configs
from harness.case import Case
from harness.gateway import Gateway
from harness.raw import Incomplete
from harness.waiting import until

SERVICE = configs.virtual_service(f"""\
- matchers: [{{prefix: /silent}}]
  {configs.TO_BACKEND}
  options: {{timeout: 300s}}
""" + """\
- matchers: [{prefix: /collected}]
  options: {stagedTransformations: {regular: {requestTransforms: [{requestTransformation: {transformationTemplate: {headers: {x-n: {text: '{{ n }}'}}}}}]}}}
  directResponseAction: {status: 200, body: here}
- matchers: [{prefix: /}]
  directResponseAction: {status: 200, body: here}""")
ENDING = r"^envoy_overload_envoy_overload_actions_disable_http_keepalive_active"
REFUSING = r"^envoy_overload_envoy_overload_actions_stop_accepting_requests_active"
PREFIX = r'\{envoy_http_conn_manager_prefix="http"\}'
FIELD = b"x: " + b"x" * 12000 + b"\r\n"
HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n" + FIELD * 80     # and no end of it


class Overload(Case):
    def gateway(self, **keywords):
        files = {"gateway.yaml": configs.gateway("httpConnectionManagerSettings: {maxRequestHeadersKb: 1024}"),
                 "vs.yaml": SERVICE, "upstream.yaml": configs.BACKEND}
        # Where the build checks addresses it keeps what was freed; it must not look as if it were in use.
        return Gateway(files, environment={"ASAN_OPTIONS": "quarantine_size_mb=0:thread_local_quarantine_size_kb=0"}, **keywords)

    def connect(self, gateway):
        client = gateway.client()
        self.addCleanup(client.close)
        return client

    def ask(self, client):
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        response = client.read_response()
        self.assert_status(response, 200)
        return response

    def limit(self, more):
        """So many MiB more than the program has when it has nothing to do, and at least what it asks for."""
        probe = self.gateway(values={"backend": 1})
        used = probe.process.memory_kib() >> 10
        probe.stop()
        return max(32, used + more)

    def test_without_memory_requests_are_refused_until_there_is_some(self):
        silent = socket.create_server(("127.0.0.1", 0), backlog=4000)          # the system connects, nobody answers
        self.addCleanup(silent.close)
        most = self.limit(48)
        gateway = self.use(self.gateway(arguments=["--max-memory", str(most)], values={"backend": silent.getsockname()[1]}))
        self.assertEqual(gateway.metric("^sluice_memory_max_bytes"), most << 20)
        self.assertEqual(gateway.admin("/readyz").text(), "ready\n")
        held = [self.connect(gateway)]
        held[0].send(b'POST /collected HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{"n": "')
        # Requests under way have their heads in memory, whole ones, and keep them.
        while len(held) < 200 and not gateway.metric(REFUSING):
            held.append(self.connect(gateway))
            held[-1].send(b"GET /silent HTTP/1.1\r\nHost: a\r\n" + FIELD * 24 + b"\r\n")
            until(lambda: gateway.metric("^envoy_http_downstream_rq_active" + PREFIX) >= len(held) or gateway.metric(REFUSING),
                  "the head to be read")
        until(lambda: gateway.metric(REFUSING), "memory to be short")
        self.assertGreater(len(held), 10, "refused although there was memory")
        response = gateway.fetch("/refused")
        self.assertEqual((response.status, response.text(), response.header("connection")), (503, "envoy overloaded", "close"))
        line = gateway.log_line("/refused")
        self.assertIn(" 503 OM ", line)
        self.assertIn("overload", line)
        # Nor is there any for heads that are not whole: none of them waits for the rest.
        for _ in range(2):
            client = self.connect(gateway)
            client.send("GET /unfinished HTTP/1.1\r\n")
            response = client.read_response()
            self.assertEqual((response.status, response.text(), response.header("connection")), (503, "envoy overloaded", "close"))
        self.assertGreaterEqual(gateway.metric("^envoy_http_downstream_rq_overload_close" + PREFIX), 3)
        ready = gateway.admin("/readyz")
        self.assertEqual(ready.status, 200, "others would get its load and be the next")
        self.assertRegex(ready.text(), r"overloaded: new requests are answered 503, connections are not kept: .* memory \d+% of its limit")
        gateway.says(r"warn overload too little memory: new requests are answered 503 because=.*memory \d+% of its limit")
        held[0].send(b'x"}')
        self.assertEqual(held[0].read_response().status, 200, "what is under way is finished")
        for client in held:
            client.close()
        until(lambda: gateway.fetch("/").status == 200, "memory to be free again")
        gateway.says("info overload new requests are served again")
        until(lambda: gateway.admin("/readyz").text() == "ready\n", "nothing to be told")
        gateway.says("info overload connections are kept again")

    def test_heads_without_an_end_do_not_take_the_memory_of_others(self):
        most = self.limit(64)
        gateway = self.use(self.gateway(arguments=["--max-memory", str(most)], values={"backend": 1}))
        used = []
        for _ in range(256):                                    # four times as much as there is
            try:
                self.connect(gateway).send(HEAD)
            except ConnectionError:
                pass                                            # ended or refused on the way
            self.status(gateway)                                # comes behind it, so that it has been read by now
            used.append(gateway.process.memory_kib("Rss") >> 10)
        self.assertGreater(max(used), most * 0.8, "memory was never short")
        self.assertLess(max(used), most * 1.3)
        until(lambda: gateway.metric(r'^sluice_downstream_heads_given_up_total\{listeners="gateways"\}') > 0, "heads to be ended")
        # Their clients are still there, and others are served.
        until(lambda: self.status(gateway) == 200, "a request to be served")
        self.assertEqual(gateway.metric(r"^envoy_http_downstream_rq_timeout" + PREFIX), 0)

    def status(self, gateway):
        """None where the connection was closed, as there was more memory in use than there may be."""
        try:
            return gateway.fetch("/").status
        except (ConnectionError, Incomplete):
            return None

    def test_with_few_connections_left_idle_ones_go_and_none_is_kept(self):
        gateway = self.use(self.gateway(descriptors=400, values={"backend": 1}))
        most = int(gateway.metric(r'^sluice_downstream_cx_max\{listeners="gateways"\}'))
        idle = [self.connect(gateway) for _ in range(20)]
        for client in idle:
            self.assertIsNone(self.ask(client).header("connection"))
        for _ in range(int(most * 0.96) + 1 - len(idle)):
            self.connect(gateway).send("GET / HTTP/1.1\r\n")         # and no end of it
        gateway.says("warn overload too much to do: connections are ended after each answer, idle ones at once because=.client connections 9")
        until(lambda: gateway.metric(ENDING) == 0, "enough of them to be gone")
        ended = gateway.metric(r'^sluice_downstream_cx_given_up_total\{listeners="gateways"\}')
        self.assertTrue(most * 0.06 <= ended <= 20, f"{ended} of {most} were ended")
        self.assertTrue(idle[0].closed(), "it has waited longest")
        until(lambda: gateway.metric(r"^envoy_overload_envoy_resource_monitors_global_downstream_max_connections_pressure") < 91, "room")
        gateway.says("info overload connections are kept again")

    def test_with_few_connections_left_answers_end_theirs(self):
        gateway = self.use(self.gateway(descriptors=400, values={"backend": 1}))
        most = int(gateway.metric(r'^sluice_downstream_cx_max\{listeners="gateways"\}'))
        busy = [self.connect(gateway) for _ in range(most - 2)]
        for client in busy:
            client.send("GET / HTTP/1.1\r\n")
        until(lambda: gateway.metric(ENDING) == 1, "too many connections")
        self.assertIn("overloaded: connections are not kept: client connections 9", gateway.admin("/readyz").text())
        self.assertEqual(self.ask(self.connect(gateway)).header("connection"), "close")
        self.assertGreaterEqual(gateway.metric("^envoy_http_downstream_cx_overload_disable_keepalive" + PREFIX), 1)
        for client in busy:
            client.send("Host: a\r\n\r\n")
            self.assert_status(client.read_response(), 200)
        until(lambda: gateway.metric(ENDING) == 0, "their end")
        self.assertIsNone(self.ask(self.connect(gateway)).header("connection"))
