"""Nearly no client connections or no memory left: what is under way is finished, the rest is told so."""

from harness import configs
from harness.case import Case
from harness.gateway import Gateway
from harness.waiting import until

SERVICE = configs.virtual_service("""\
- matchers: [{prefix: /collected}]
  options: {stagedTransformations: {regular: {requestTransforms: [{requestTransformation: {transformationTemplate: {headers: {x-n: {text: '{{ n }}'}}}}}]}}}
  directResponseAction: {status: 200, body: here}
- matchers: [{prefix: /}]
  directResponseAction: {status: 200, body: here}""")
ENDING = r"^envoy_overload_envoy_overload_actions_disable_http_keepalive_active"
REFUSING = r"^envoy_overload_envoy_overload_actions_stop_accepting_requests_active"
PREFIX = r'\{envoy_http_conn_manager_prefix="http"\}'
HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n" + (b"x: " + b"x" * 12000 + b"\r\n") * 80     # and no end of it


class Overload(Case):
    def gateway(self, **keywords):
        files = {"gateway.yaml": configs.gateway("httpConnectionManagerSettings: {maxRequestHeadersKb: 1024}"),
                 "vs.yaml": SERVICE}
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

    def test_without_memory_requests_are_refused_until_there_is_some(self):
        probe = self.gateway()
        most = (probe.process.memory_kib() >> 10) + 48
        probe.stop()
        # Bodies may take half of the memory and no more, so it is heads without an end that fill it.
        gateway = self.use(self.gateway(arguments=["--max-memory", str(most)]))
        self.assertEqual(gateway.metric("^sluice_memory_max_bytes"), most << 20)
        self.assertEqual(gateway.admin("/readyz").text(), "ready\n")
        held = [self.connect(gateway)]
        held[0].send(b'POST /collected HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{"n": "')
        while len(held) < 100 and not gateway.metric(REFUSING):
            held.append(self.connect(gateway))
            held[-1].send(HEAD)
        until(lambda: gateway.metric(REFUSING), "the heads to be read, and memory to be short")
        self.assertGreater(len(held), 3, "refused although there was memory")
        until(lambda: gateway.fetch("/").status == 503, "a refusal")
        response = gateway.fetch("/refused")
        self.assertEqual((response.status, response.text(), response.header("connection")), (503, "envoy overloaded", "close"))
        line = gateway.log_line("/refused")
        self.assertIn(" 503 OM ", line)
        self.assertIn("overload", line)
        self.assertGreaterEqual(gateway.metric("^envoy_http_downstream_rq_overload_close" + PREFIX), 2)
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

    def test_with_few_connections_left_idle_ones_go_and_none_is_kept(self):
        gateway = self.use(self.gateway(descriptors=400))
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
        gateway = self.use(self.gateway(descriptors=400))
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
