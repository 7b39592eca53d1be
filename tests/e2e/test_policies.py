"""Policies that are not in force: what they would decide is refused, not left open (decision 0015)."""

import json
import pathlib
import socket
import time

from harness import configs
from harness.backend import Backend
from harness.case import Case, rows
from harness.dns_server import DnsServer
from harness.gateway import Gateway, run_sluice
from harness.waiting import until

DENY = """\
apiVersion: sluice.dev/v1alpha1
kind: EgressPolicy
metadata: {name: deny, namespace: gloo-system}
spec:
  targetRefs: [{group: gateway.solo.io, kind: Gateway, name: gateway-proxy}]
  rules:
  - {name: none, action: deny, match: {addresses: [127.0.0.1/32]}}
"""
OTHER_SERVICE = configs.virtual_service("- matchers: [{prefix: /}]\n  routeAction: {dynamicForwardProxy: {}}", domains="[other.test]",
                                        name="other")
API = "/apis/sluice.dev/v1alpha1/namespaces/gloo-system/egresspolicies"


class NotInForce(Case):
    def setUp(self):
        self.backend = self.use(Backend())

    def get(self, gateway, **keywords):
        return gateway.fetch(host=f"127.0.0.1:{self.backend.port}", **keywords)

    def assert_refused(self, gateway, *parts):
        response = self.get(gateway, path="/refused")
        self.assert_status(response, 403)
        for part in parts:
            self.assertIn(part, response.text())
        self.assertEqual(self.backend.accepted, 0)
        return response

    @rows({
        "a misspelt field": (DENY.replace("match:", "mach:"), ["EgressPolicy gloo-system/deny", "line 7"]),
        "a target that is not there": (DENY.replace("name: gateway-proxy", "name: gateway-prxy"), ["EgressPolicy gloo-system/deny", "line 5"]),
        "a service that is not there": (DENY.replace("kind: Gateway, name: gateway-proxy", "kind: VirtualService, name: al"),
                                        ["EgressPolicy gloo-system/deny", "line 5"]),
        "targets that cannot be read": (DENY.replace("targetRefs:", "targets:"), ["EgressPolicy gloo-system/deny", "line 5"]),
        "a target without a name": (DENY.replace(", name: gateway-proxy}]", "}]"), ["EgressPolicy gloo-system/deny", "line 5"]),
        "a misspelt kind": (DENY.replace("EgressPolicy", "EgresPolicy"), ["line 2"]),
        "a misspelt group": (DENY.replace("sluice.dev", "sluice.dv"), ["line 1"]),
        "a version that is not there": (DENY.replace("v1alpha1", "v1"), ["line 1"]),
        "no kind": (DENY.replace("kind: EgressPolicy\n", ""), ["line 1"]),
        "no name": (DENY.replace("name: deny, ", ""), ["line 3"]),
        "a bad name": (DENY.replace("name: deny", "name: De_ny"), ["line 3"]),
        "the name of another": (DENY.replace("name: deny", "name: lab"), ["EgressPolicy gloo-system/lab", "line 3"]),
        "a file that cannot be parsed": (DENY.replace("rules:", "rules: ["), ["zz.yaml", "line"]),
        "a file that is not UTF-8": (DENY.replace("name: none", "name: n@{bad}"), ["zz.yaml"]),
        "a list at the top": ("- " + DENY.replace("\n", "\n  ").rstrip() + "\n", ["line 1"]),
    })
    def at_start_its_gateway_refuses(self, text, parts):
        gateway = self.use(Gateway(configs.dynamic() | {"zz.yaml": text}, values={"bad": "\udcff"}))
        self.assert_refused(gateway, *parts)
        ready = gateway.admin("/readyz")
        self.assert_status(ready, 200)
        self.assertIn("refuse", ready.text())
        self.assertIn("zz.yaml", ready.text())
        self.assertIn("egress_policy_not_in_force", gateway.log_line("/refused"))
        self.assertEqual(gateway.metric("^sluice_dynamic_destination_closed_total"), 1)
        self.assertEqual(gateway.metric("^sluice_egress_policies_not_in_force"), 1)
        code, out, _ = run_sluice("check", gateway.folder)
        self.assertEqual(code, 1, out)
        # Mended, it decides; gone, the others do.
        gateway.write("zz.yaml", DENY.replace("127.0.0.1/32", "127.0.0.9/32"))
        until(lambda: self.get(gateway).status == 200, "destinations to be open")
        self.assertEqual(gateway.admin("/readyz").text(), "ready\n")

    @rows({"of another kind": OTHER_SERVICE.replace("routes:", "rutes:"), "of other software": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n",
           "a broken file": OTHER_SERVICE + "  a: [\n"})
    def what_is_no_policy_closes_nothing(self, text):
        gateway = self.use(Gateway(configs.dynamic() | {"zz.yaml": text}))
        self.assert_status(self.get(gateway), 200)
        self.assertNotIn("dynamic destinations", gateway.admin("/readyz").text())

    def test_only_what_it_is_for_refuses(self):
        policy = DENY.replace("kind: Gateway, name: gateway-proxy", "kind: VirtualService, name: other").replace("action: deny", "actn: deny")
        gateway = self.use(Gateway(configs.dynamic() | {"other.yaml": OTHER_SERVICE, "zz.yaml": policy}))
        self.assert_status(self.get(gateway), 200)
        response = gateway.fetch(host="other.test")
        self.assert_status(response, 403)
        self.assertIn("EgressPolicy gloo-system/deny", response.text())

    @rows({"field": ("match:", "mach:"), "kind": ("EgressPolicy", "EgresPolicy"), "version": ("v1alpha1", "v1alpha2"), "name": ("name: deny", "name: De_ny")})
    def while_running_the_last_good_version_stays_in_force_with_a_misspelt(self, right, wrong):
        gateway = self.use(Gateway(configs.dynamic() | {"zz.yaml": DENY}))
        self.assertIn("deny/none", self.assert_refused(gateway).text())
        gateway.write("zz.yaml", DENY.replace(right, wrong))
        gateway.says("zz.yaml:[0-9]+: ")
        self.assertIn("deny/none", self.assert_refused(gateway).text())
        self.assertEqual(gateway.metric("^sluice_egress_policies_not_in_force"), 0)
        state, reason = gateway.status("egresspolicies", "deny", "sluice.dev/v1alpha1")
        self.assertEqual(state, "Rejected")
        self.assertRegex(reason, r"(?s)^\d errors? occurred:\n\t\* .*zz.yaml:\d+: .*; the version before that stays in force\n+\Z")
        self.assertEqual(gateway.metric("^sluice_config_objects_rejected"), 1)
        gateway.write("zz.yaml", DENY)
        gateway.says('accepted again object="EgressPolicy gloo-system/deny"')
        self.assertEqual(gateway.metric("^sluice_config_objects_rejected"), 0)

    @rows({"another name": ("name: deny, namespace: gloo-system}", "name: denied, namespace: [x]}")})
    def while_running_its_gateways_refuse_where_it_may_be_another(self, right, wrong):
        gateway = self.use(Gateway(configs.dynamic() | {"zz.yaml": DENY.replace("127.0.0.1/32", "127.0.0.9/32")}))
        self.assert_status(self.get(gateway), 200)
        gateway.write("zz.yaml", DENY.replace(right, wrong))
        until(lambda: self.get(gateway).status == 403, "its Gateways to refuse")

    def test_a_policy_moved_over_the_file_of_another_with_a_slip_in_its_kind_stays_closed(self):
        gateway = self.use(Gateway(configs.dynamic() | {"zz.yaml": DENY}))
        self.assert_refused(gateway)
        gateway.write("zz.yaml", DENY.replace("EgressPolicy", "EgresPolicy"))
        gateway.says("zz.yaml:[0-9]+: ")
        self.assert_refused(gateway)
        pathlib.Path(gateway.folder, "zz.yaml").rename(pathlib.Path(gateway.folder, "policy.yaml"))
        gateway.says("policy.yaml:[0-9]+: ")
        until(lambda: "zz.yaml any more, and may be in what cannot be read" in gateway.status("egresspolicies", "deny", "sluice.dev/v1alpha1")[1], "its reason")
        self.assertIn("deny/none", self.assert_refused(gateway).text())

    def test_two_policies_of_one_name_are_told_on_the_status(self):
        gateway = self.use(Gateway(configs.dynamic()))
        self.assertEqual(gateway.status("egresspolicies", "lab", "sluice.dev/v1alpha1")[0], "Accepted")
        gateway.write("zz.yaml", configs.policy("lab", "gateway-proxy", ["{name: other, action: deny, match: {addresses: [loopback]}}"], kind="Gateway"))
        until(lambda: gateway.status("egresspolicies", "lab", "sluice.dev/v1alpha1")[0] == "Rejected", "the status")
        self.assertIn("this object is also in", gateway.status("egresspolicies", "lab", "sluice.dev/v1alpha1")[1])

    def test_through_the_api_it_is_stored_rejected_until_its_target_exists(self):
        gateway = self.use(Gateway(configs.dynamic() | {"other.yaml": OTHER_SERVICE}))
        self.assert_status(self.get(gateway), 200)
        body = {"apiVersion": "sluice.dev/v1alpha1", "kind": "EgressPolicy", "metadata": {"name": "early", "namespace": "gloo-system"},
                "spec": {"targetRefs": [{"group": "gateway.solo.io", "kind": "VirtualService", "name": "late"}],
                         "rules": [{"name": "none", "action": "deny", "match": {"addresses": ["127.0.0.1/32"]}}]}}
        made = gateway.api(API, "POST", [("Content-Type", "application/json")], json.dumps(body).encode())
        self.assert_status(made, 201)
        self.assertIn("there is no VirtualService gloo-system/late", made.header("warning") or "")
        state, reason = gateway.status("egresspolicies", "early", "sluice.dev/v1alpha1")
        self.assertEqual(state, "Rejected")
        self.assertIn("there is no VirtualService gloo-system/late", reason)
        before = self.backend.accepted
        response = self.get(gateway)
        self.assert_status(response, 403)
        self.assertIn("EgressPolicy gloo-system/early", response.text())
        self.assertEqual(self.backend.accepted, before)
        code, out, _ = run_sluice("check", gateway.folder)
        self.assertEqual(code, 1, out)
        gateway.write("late.yaml", OTHER_SERVICE.replace("name: other", "name: late").replace("other.test", "late.test"))
        until(lambda: self.get(gateway).status == 200, "the target to be there")
        self.assertEqual(gateway.status("egresspolicies", "early", "sluice.dev/v1alpha1")[0], "Accepted")

    def test_pages_and_explain_say_so(self):
        gateway = self.use(Gateway(configs.dynamic() | {"zz.yaml": DENY.replace("match:", "mach:")}))
        sentence = "EgressPolicy gloo-system/deny"
        routes = json.loads(gateway.admin("/routes").body)
        self.assertIn(sentence, routes[0]["virtualHosts"][0]["routes"][0]["refused"])
        clusters = json.loads(gateway.admin("/clusters").body)
        [cluster] = [value for name, value in clusters.items() if name.startswith("solo_io_generated_dfp")]
        self.assertIn(sentence, json.dumps(cluster["refused"]))
        code, out, _ = run_sluice("explain", f"http://127.0.0.1:{self.backend.port}/", "--config", gateway.folder)
        self.assertEqual(code, 0, out)
        self.assertRegex(out, "verdict .*refused.*" + sentence)


STRICT = configs.virtual_service("- matchers: [{prefix: /}]\n  directResponseAction: {status: 200}", domains="[strict.test, '*.strict.test']", name="strict")


class ServiceNotInForce(Case):
    """A VirtualService that is not in force: its hosts do not fall to one with weaker policies."""

    def setUp(self):
        self.backend = self.use(Backend())

    @rows({
        "a misspelt field": configs.virtual_service("- matchers: [{prefix: /}]\n  directResponsAction: {status: 200}", domains="[strict.test, '*.strict.test']", name="strict"),
        "a secret that is not there": configs.virtual_service(
            "- matchers: [{prefix: /}]\n  directResponseAction: {status: 200}",
            "headerManipulation: {requestHeadersToAdd: [{headerSecretRef: {name: s, namespace: gloo-system}}]}",
            domains="[strict.test, '*.strict.test']", name="strict"),
        "a misspelt kind": STRICT.replace("VirtualService", "VirtualServce"),
        "a misspelt version": STRICT.replace("gateway.solo.io/v1", "gateway.solo.io/v2"),
        "no kind": STRICT.replace("kind: VirtualService\n", ""),
        "a domain that another serves": configs.virtual_service(
            "- matchers: [{prefix: /}]\n  directResponseAction: {status: 200}", domains="['*', strict.test, '*.strict.test']", name="strict"),
    })
    def at_start_its_hosts_refuse(self, text):
        gateway = self.use(Gateway(configs.to_backend() | {"zz.yaml": text}, values={"backend": self.backend.port}))
        self.assert_status(gateway.fetch(host="any.test"), 200)
        before = self.backend.accepted
        for host in ("strict.test", "STRICT.test", "a.strict.test"):
            response = gateway.fetch(path="/strict", host=host)
            self.assert_status(response, 503)
            self.assertIn("VirtualService gloo-system/strict (line ", response.text())
        self.assertEqual(self.backend.accepted, before)
        self.assertIn("virtual_service_not_in_force", gateway.log_line("/strict"))
        self.assertIn("VirtualService gloo-system/strict", gateway.admin("/readyz").text())
        hosts = json.loads(gateway.admin("/routes").body)[0]["virtualHosts"]
        self.assertTrue(any("VirtualService gloo-system/strict" in route.get("refused", "") for host in hosts for route in host["routes"]))
        gateway.remove("zz.yaml")
        until(lambda: gateway.fetch(host="strict.test").status == 200, "its hosts to be free")


class FileNotRead(Case):
    """A file that cannot be parsed is seen by whoever looks, and the hosts in it do not fall to others."""

    def test_at_start_its_hosts_refuse_and_the_alarms_tell(self):
        backend = self.use(Backend())
        broken = STRICT.replace("domains:", " domains:", 1)
        gateway = self.use(Gateway(configs.to_backend() | {"zz.yaml": broken}, values={"backend": backend.port}))
        self.assert_status(gateway.fetch(host="any.test"), 200)
        for host in ("strict.test", "a.strict.test"):
            response = gateway.fetch(path="/strict", host=host)
            self.assert_status(response, 503)
            self.assertIn("is not in force", response.text())
        self.assertEqual(gateway.metric("^sluice_config_files_unread"), 1)
        self.assertRegex(gateway.admin("/readyz").text(), r"not read: .*zz\.yaml:\d+: ")
        gateway.write("zz.yaml", STRICT)
        until(lambda: gateway.fetch(host="strict.test").status == 200, "its own answer")
        self.assertEqual(gateway.metric("^sluice_config_files_unread"), 0)
        self.assertEqual(gateway.admin("/readyz").text(), "ready\n")
        gateway.write("new.yaml", "a: [\n")
        until(lambda: gateway.metric("^sluice_config_files_unread") == 1, "the new file to be counted")


OPEN = "{name: lab, action: allow, match: {addresses: [loopback]}}"


class TwoPolicies(Case):
    """VirtualServices with policies of their own that send to one destination."""

    ROUTE = "- matchers: [{prefix: /}]\n  routeAction: {dynamicForwardProxy: {autoHostRewriteHeader: x-to}}"

    def start(self, services):
        self.backend = self.use(Backend())
        files = configs.dynamic(policy=False)
        del files["vs.yaml"]
        for number in range(services):
            files[f"vs{number}.yaml"] = configs.virtual_service(self.ROUTE, domains=f"[s{number}.test]", name=f"s{number}")
            files[f"policy{number}.yaml"] = configs.policy(f"p{number}", f"s{number}", [OPEN])
        return self.use(Gateway(files))

    def get(self, gateway, number):
        return gateway.fetch(host=f"s{number}.test", headers=[("x-to", f"127.0.0.1:{self.backend.port}")])

    def test_in_turn_are_judged_once_each_and_share_the_connection(self):
        gateway = self.start(2)
        for turn in range(12):
            self.assert_status(self.get(gateway, turn % 2), 200)
        self.assertEqual(self.backend.accepted, 1)
        self.assertEqual(gateway.metric("^sluice_dynamic_destination_judged_total"), 2)
        gateway.write("policy1.yaml", configs.policy("p1", "s1", [OPEN, "{name: none, action: deny, match: {addresses: [127.0.0.1/32]}}"]))
        until(lambda: self.get(gateway, 1).status == 403, "the second to be refused")
        self.assert_status(self.get(gateway, 0), 200)
        before = self.backend.accepted  # one more when a request of the second was under way just then
        for _ in range(4):
            self.assert_status(self.get(gateway, 0), 200)
            self.assert_status(self.get(gateway, 1), 403)
        self.assertEqual(self.backend.accepted, before)

    def test_more_than_are_remembered_are_judged_again(self):
        gateway = self.start(9)
        for number in [*range(9), *range(9)]:
            self.assert_status(self.get(gateway, number), 200)
        self.assertEqual(gateway.metric("^sluice_dynamic_destination_judged_total"), 18)
        self.assertEqual(self.backend.accepted, 1)


class ChangedPolicy(Case):
    """What is under way when the policy that allowed it denies."""

    DENIED = configs.LOOPBACK_POLICY + "  - {name: none, action: deny, match: {addresses: [127.0.0.1/32]}}\n"

    def setUp(self):
        self.backend = self.use(Backend())
        self.gateway = self.use(Gateway(configs.dynamic()))
        self.host = f"127.0.0.1:{self.backend.port}"

        def websocket(connection, request):
            connection.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            while True:
                connection.more()
                connection.send(connection.data)
                connection.data = b""

        def flood(connection, request):
            connection.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            while True:
                connection.send(b"x" * 65536)

        def events(connection, request):
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
            connection.more()

        def silent(connection, request):
            connection.more()

        for path, behaviour in {"/ws": websocket, "/flood": flood, "/events": events, "/silent": silent}.items():
            self.backend.on(path, behaviour)

    def begin(self, path, fields=""):
        client = self.use_client(self.gateway.client())
        client.send(f"GET {path} HTTP/1.1\r\nHost: {self.host}\r\n{fields}\r\n")
        return client

    def use_client(self, client):
        self.addCleanup(client.close)
        return client

    UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\n"

    def deny(self, text=None):
        self.gateway.write("policy.yaml", text or self.DENIED)

    @rows({"talking": "/ws", "with a client that does not read": "/flood"})
    def a_websocket_ends_within_a_second_and_the_record_says_why(self, path):
        client = self.begin(path, self.UPGRADE)
        self.assertEqual(client.read_head().status, 101)
        if path == "/ws":
            client.send("ping")
            self.assertEqual(client.read_exactly(4), b"ping")
        self.deny()
        changed = time.monotonic()
        line = self.gateway.log_line(f"GET {path} ")
        self.assertLess(time.monotonic() - changed, 1.5)  # the change is read, and the log written, within half a second
        self.assertIn("destination_ip_prohibited{loopback,lab/none}", line)
        self.assertIn(" 101 ", line)
        if path == "/ws":
            self.assertTrue(client.closed(5))
        self.assertEqual(self.gateway.metric("^sluice_dynamic_destination_ended_total"), 1)
        self.assertEqual(self.gateway.metric("^envoy_http_downstream_cx_upgrades_active"), 0)

    def test_a_stream_of_events_ends_unfinished_and_the_record_says_why(self):
        client = self.begin("/events")
        self.assertEqual(client.read_head().status, 200)
        self.assertEqual(client.read_exactly(10), b"5\r\nfirst\r\n")
        self.deny()
        self.assertIn("destination_ip_prohibited{loopback,lab/none}", self.gateway.log_line("GET /events "))
        self.assertTrue(client.closed(5))

    @rows({"whose length is known": "/bytes", "in chunks": "/chunks"})
    def a_response_to_a_client_that_does_not_read_ends(self, path):
        def flood(connection, request):
            if path == "/bytes":
                connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {1 << 40}\r\n\r\n")
                piece = b"x" * 65536
            else:
                connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                piece = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
            while True:
                connection.send(piece)
        self.backend.on(path, flood)
        client = self.begin(path)
        self.assertEqual(client.read_head().status, 200)
        self.deny()
        self.assertIn("destination_ip_prohibited{loopback,lab/none}", self.gateway.log_line(f"GET {path} "))
        active = r"^envoy_cluster_upstream_{}_active\{{"
        self.assertEqual(self.gateway.metric(active.format("rq")), 0)
        self.assertEqual(self.gateway.metric(active.format("cx")), 0)

    def test_a_request_that_waits_for_its_answer_is_refused(self):
        client = self.begin("/silent")
        until(lambda: self.backend.requests, "the request to arrive")
        self.deny()
        response = client.read_response()
        self.assert_status(response, 403)
        self.assertIn("lab/none", response.text())
        self.assertIn("destination_ip_prohibited{loopback,lab/none}", self.gateway.log_line("GET /silent "))

    def test_a_request_that_waits_for_a_name_is_judged_by_the_rules_of_now(self):
        dns = self.use(DnsServer())
        dns.set("slow.test", "127.0.0.1", delay=2.0)
        gateway = self.use(Gateway(configs.dynamic(), resolver=dns.where))
        client = self.use_client(gateway.client())
        client.send(f"GET /late HTTP/1.1\r\nHost: slow.test:{self.backend.port}\r\n\r\n")
        until(lambda: dns.queries("slow.test"), "the name to be asked for")
        gateway.write("policy.yaml", self.DENIED)
        until(lambda: gateway.fetch(host=self.host).status == 403, "the change to be seen")
        response = client.read_response()
        self.assert_status(response, 403)
        self.assertIn("lab/none", response.text())
        self.assertNotIn("/late", [request.path() for request in self.backend.requests])

    def test_idle_connections_to_what_is_denied_are_closed(self):
        self.assert_status(self.gateway.fetch(host=self.host), 200)
        self.assertEqual(len(self.backend.open), 1)
        self.deny()
        until(lambda: not self.backend.open, "the idle connection to be closed")

    @rows({"another rule": configs.LOOPBACK_POLICY + "  - {name: none, action: deny, match: {addresses: [127.0.0.2/32]}}\n",
           "a typo": DENIED.replace("match:", "mach:")})
    def what_is_allowed_still_stays(self, text):
        client = self.begin("/ws", self.UPGRADE)
        self.assertEqual(client.read_head().status, 101)
        self.assert_status(self.gateway.fetch(host=self.host), 200)
        self.deny(text)
        until(lambda: self.gateway.fetch(host=f"127.0.0.2:{self.backend.port}").status == 403 or "mach" in self.gateway.process.stderr(),
              "the change to be seen")
        self.assert_status(self.gateway.fetch(host=self.host), 200)
        self.assertEqual(self.backend.accepted, 2)
        client.send("ping")
        self.assertEqual(client.read_exactly(4), b"ping")

    @rows({"the policy goes": "policy.yaml", "the route goes": "vs.yaml"})
    def what_nothing_allows_any_more_ends(self, name):
        client = self.begin("/ws", self.UPGRADE)
        self.assertEqual(client.read_head().status, 101)
        if name == "vs.yaml":  # its route goes elsewhere, and what is left is a policy for that service
            self.gateway.write("policy.yaml", configs.policy("lab", "all", [OPEN]))
            self.gateway.write("vs.yaml", configs.virtual_service("- matchers: [{prefix: /}]\n  directResponseAction: {status: 204}"))
        else:
            self.gateway.remove(name)
        self.assertIn("destination_ip_prohibited{loopback,default/loopback}", self.gateway.log_line("GET /ws "))
        self.assertTrue(client.closed(5))

    def test_a_policy_that_is_not_in_force_ends_them_too(self):
        client = self.begin("/ws", self.UPGRADE)
        self.assertEqual(client.read_head().status, 101)
        self.gateway.write("zz.yaml", DENY.replace("match:", "mach:"))
        self.assertIn("egress_policy_not_in_force{gloo-system/deny}", self.gateway.log_line("GET /ws "))
        self.assertTrue(client.closed(5))


class OwnPorts(Case):
    def test_a_port_that_stays_open_since_the_new_one_is_taken_is_own(self):
        taken = self.use(Backend())
        gateway = self.use(Gateway(configs.dynamic(), values={"taken": taken.port}))
        gateway.write("gateway.yaml", configs.gateway("dynamicForwardProxy: {}", port="@{taken}"))
        gateway.says(rf"error listener .*{taken.port}")
        response = gateway.fetch(host=f"127.0.0.1:{gateway.port}")
        self.assert_status(response, 403)
        self.assertIn("own-port", response.text())
        self.assertEqual(gateway.metric('^envoy_http_downstream_rq_total.*="http"'), 1)
        self.assert_status(gateway.fetch(host=f"127.0.0.1:{taken.port}"), 403)
        # Free again: it moves, and the old one is nobody's.
        taken.stop()
        until(lambda: raw_open(taken.port), "the new port to be open", 15)
        until(lambda: not raw_open(gateway.port), "the old port to be closed")
        again = self.use(Backend("127.0.0.1", gateway.port))
        until(lambda: gateway.fetch(port=taken.port, host=f"127.0.0.1:{again.port}").status == 200, "the old port to be free")
        self.assert_status(gateway.fetch(port=taken.port, host=f"127.0.0.1:{taken.port}"), 403)


def raw_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
