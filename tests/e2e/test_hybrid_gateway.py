"""Hybrid gateways: HTTP by TLS, HTTP in the clear and bytes that are passed on, all on one port."""

import socket
import ssl

from harness import raw
from harness.backend import Backend
from harness.case import Case
from harness.certificates import authority
from harness.gateway import ROOT, Gateway, run_sluice
from harness.peer import Peer, echo, read_all
from harness.tls import context, server_context
from harness.waiting import until


def gateway(hybrid, meta=""):
    return (f"apiVersion: gateway.solo.io/v1\nkind: Gateway\nmetadata: {{name: edge, namespace: gloo-system{meta}}}\n"
            f"spec:\n  bindAddress: 127.0.0.1\n  bindPort: @{{port}}\n  hybridGateway:\n{hybrid}")


def service(name, ssl_config="", domain="'*'"):
    """Answers with its name."""
    ssl_config = f"  sslConfig: {ssl_config}\n" if ssl_config else ""
    return (f"apiVersion: gateway.solo.io/v1\nkind: VirtualService\nmetadata: {{name: {name}, namespace: gloo-system, labels: {{chain: {name}}}}}\n"
            f"spec:\n{ssl_config}  virtualHost: {{domains: [{domain}], routes: [{{matchers: [{{prefix: /}}], directResponseAction: "
            f"{{status: 200, body: {name}}}}}]}}\n")


def upstream(name, port):
    return (f"apiVersion: gloo.solo.io/v1\nkind: Upstream\nmetadata: {{name: {name}, namespace: gloo-system}}\n"
            f"spec: {{static: {{useTls: false, hosts: [{{addr: 127.0.0.1, port: {port}}}]}}}}\n")


MATCHED = """\
    matchedGateways:
    - matcher: {sslConfig: {secretRef: {name: pair, namespace: gloo-system}, alpnProtocols: [http/1.1]}}
      httpGateway: {virtualServiceSelector: {chain: secure}}
    - matcher: {sslConfig: {sniDomains: [db.example]}}
      tcpGateway: {tcpHosts: [{name: db, destination: {single: {upstream: {name: db}}}}]}
    - matcher: {passthroughCipherSuites: [ECDHE-ECDSA-AES256-SHA]}
      tcpGateway: {tcpHosts: [{name: old, destination: {single: {upstream: {name: old}}}}]}
    - matcher: {sourcePrefixRanges: [{addressPrefix: 127.0.0.2, prefixLen: 32}]}
      httpGateway: {virtualServiceSelector: {chain: near}, options: {connectionLimit: {maxActiveConnections: 1}}}
    - httpGateway: {virtualServiceSelector: {chain: plain}}
"""


OLD = "ECDHE-ECDSA-AES256-SHA:@SECLEVEL=0"


class OnePort(Case):
    @classmethod
    def setUpClass(cls):
        cls.ca = authority()
        cls.db = cls.share(Peer(echo, server_context(cls.ca.make("db.example"))))
        cls.old = cls.share(Peer(echo, server_context(cls.ca.make("api.example"), ciphers=OLD)))
        cls.gateway = cls.share(Gateway({
            "gateway.yaml": gateway(MATCHED), "secret.yaml": cls.ca.make("api.example").secret("pair"),
            "secure.yaml": service("secure", "{sniDomains: [api.example]}"), "near.yaml": service("near"), "plain.yaml": service("plain"),
            "db.yaml": upstream("db", cls.db.port), "old.yaml": upstream("old", cls.old.port)}))

    def dial(self, source="127.0.0.1"):
        connection = socket.create_connection(("127.0.0.1", self.gateway.port), timeout=10, source_address=(source, 0))
        self.addCleanup(connection.close)
        return connection

    def secure(self, name, made=None):
        return (made or context()).wrap_socket(self.dial(), server_hostname=name)

    def ask(self, connection):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        return read_all(connection).partition(b"\r\n\r\n")[2]

    def test_the_status_is_accepted_and_the_port_is_told(self):
        self.assertEqual(self.gateway.status("gateways", "edge"), ("Accepted", ""))
        self.assertIn('"protocol": "hybrid"', self.gateway.admin("/listeners").text())
        routes = self.gateway.admin("/routes").text()
        for name in ("gloo-system_secure", "gloo-system_near", "gloo-system_plain"):
            self.assertIn(name, routes)
        self.assertIn("Secret gloo-system/pair", self.gateway.admin("/certs").text())

    def test_explain_tells_of_each_chain(self):
        code, out, err = run_sluice("explain", "--config", self.gateway.folder, "http://a/")
        self.assertEqual(code, 0, err)
        self.assertEqual(out.count("answer       200, details direct_response"), 2, out)
        self.assertIn("answer       none: this chain speaks TLS only (https://)", out)
        self.assertIn("no certificate is for a\n", run_sluice("explain", "--config", self.gateway.folder, "https://a/")[1])
        self.assertRegex(out, r"tcpHost +matcher .*db.example.* db\n *cluster +db_gloo-system")

    def test_a_name_leads_to_tls_that_ends_here(self):
        self.assertEqual(self.ask(self.secure("api.example")), b"secure")

    def test_another_is_passed_on(self):
        client = self.secure("db.example")
        client.sendall(b"SELECT")
        self.assertEqual(client.recv(100), b"SELECT")
        self.assertEqual(client.getpeercert()["subject"], ((("commonName", "db.example"),),))

    def test_what_is_no_tls_is_http_in_the_clear(self):
        self.assertEqual(self.ask(self.dial()), b"plain")

    def test_a_name_that_nobody_has_goes_to_the_chain_without_names_which_speaks_no_tls(self):
        with self.assertRaises(OSError):
            self.secure("other.example")

    def test_clients_that_offer_old_ciphers_alone_are_passed_on(self):
        before = self.old.accepted
        made = context(maximum_version=ssl.TLSVersion.TLSv1_2, check_hostname=False)
        made.set_ciphers(OLD)
        client = made.wrap_socket(self.dial(), server_hostname="unnamed.example")
        client.sendall(b"old")
        self.assertEqual(client.recv(100), b"old")
        self.assertEqual(self.old.accepted, before + 1)

    def test_where_a_client_comes_from_decides_and_its_chain_has_a_limit_of_its_own(self):
        over = self.gateway.metric("^envoy_listener_downstream_cx_overflow")
        first = self.dial("127.0.0.2")
        first.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertIn(b"near", first.recv(4096))
        second = self.dial("127.0.0.2")
        second.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        try:
            self.assertEqual(second.recv(100), b"")
        except ConnectionResetError:
            pass  # it was closed with the request unread
        self.assertEqual(self.gateway.metric("^envoy_listener_downstream_cx_overflow"), over + 1)
        self.assertEqual(self.ask(self.dial()), b"plain")
        first.close()

        def again():
            with self.dial("127.0.0.2") as third:
                try:
                    return self.ask(third) == b"near"
                except OSError:
                    return False
        until(again, "its place to be free")


class Changes(Case):
    def setUp(self):
        self.ca = authority()

    def test_a_chain_that_goes_drains_and_others_stay(self):
        gone = MATCHED.replace("    - httpGateway: {virtualServiceSelector: {chain: plain}}\n", "")
        gone = gone.replace("    matchedGateways:\n", "    matchedGateways:\n    - matcher: {sourcePrefixRanges: [{addressPrefix: "
                            "127.0.0.1, prefixLen: 32}]}\n      httpGateway: {virtualServiceSelector: {chain: near}}\n")
        old, db = self.use(Peer(echo)), self.use(Peer(echo, server_context(self.ca.make("db.example"))))
        running = self.use(Gateway({
            "gateway.yaml": gateway(MATCHED), "secret.yaml": self.ca.make("api.example").secret("pair"),
            "secure.yaml": service("secure", "{sniDomains: [api.example]}"), "near.yaml": service("near"), "plain.yaml": service("plain"),
            "db.yaml": upstream("db", db.port), "old.yaml": upstream("old", old.port)}))
        passed = context().wrap_socket(socket.create_connection(("127.0.0.1", running.port), timeout=10), server_hostname="db.example")
        self.addCleanup(passed.close)
        passed.sendall(b"one")
        self.assertEqual(passed.recv(100), b"one")
        kept = raw.Client(running.port)
        self.addCleanup(kept.close)
        kept.send(raw.request_bytes())
        self.assertEqual(kept.read_response().body, b"plain")
        running.write("gateway.yaml", gateway(gone))
        until(lambda: running.fetch("/").body == b"near", "the new chain")
        self.assertTrue(kept.closed(), "its chain has gone, and it is no other's")
        passed.sendall(b"two")
        self.assertEqual(passed.recv(100), b"two")

    def test_other_objects_bring_chains(self):
        hybrid = ("    delegatedHttpGateways: {selector: {labels: {team: x}}, httpConnectionManagerSettings: {via: parent}}\n"
                  "    delegatedTcpGateways: {selector: {}}\n")
        brought = ("apiVersion: gateway.solo.io/v1\nkind: MatchableHttpGateway\nmetadata: {name: h, namespace: gloo-system, labels: {team: x}}\n"
                   "spec:\n  matcher: {sourcePrefixRanges: [{addressPrefix: 127.0.0.0, prefixLen: 8}]}\n  httpGateway: {}\n")
        running = self.use(Gateway({"gateway.yaml": gateway(hybrid), "h.yaml": brought, "s.yaml": service("one")}))
        answer = running.fetch("/")
        self.assertEqual(answer.body, b"one")
        self.assertEqual(running.status("httpgateways", "h"), ("Accepted", ""))
        self.assertEqual(running.api("/apis/gateway.solo.io/v1/namespaces/gloo-system/tcpgateways").status, 200)
        running.write("h.yaml", brought.replace("team: x", "team: other"))
        until(lambda: running.status("httpgateways", "h")[0] == "Warning", "it to be told that nobody takes it in")
        self.assertIn("no hybridGateway takes it in", running.status("httpgateways", "h")[1])
        self.assertEqual(running.status("gateways", "edge")[0], "Warning")


class Example(Case):
    """examples/hybrid-gateway: every line of its "what must be seen"."""

    @classmethod
    def setUpClass(cls):
        cls.ca = authority()
        cls.pair = cls.ca.make("api.example.test")
        cls.api = cls.share(Backend())
        cls.db = cls.share(Peer(echo, server_context(cls.ca.make("db.example.test"))))

    def start(self, secret=True):
        folder = ROOT / "examples/hybrid-gateway"
        services = (folder / "services.yaml").read_text().replace("port: 5001", f"port: {self.api.port}").replace("port: 5002", f"port: {self.db.port}")
        files = {"gateway.yaml": (folder / "gateway.yaml").read_text().replace("bindPort: 8443", "bindPort: @{port}"), "services.yaml": services}
        if secret:
            files["secret.yaml"] = self.pair.secret("api-cert")
        return self.use(Gateway(files))

    def dial(self, gateway, source="127.0.0.1"):
        connection = socket.create_connection(("127.0.0.1", gateway.port), timeout=10, source_address=(source, 0))
        self.addCleanup(connection.close)
        return connection

    def test_each_connection_goes_where_the_page_says(self):
        gateway = self.start()
        self.assertEqual(gateway.status("gateways", "edge"), ("Accepted", ""))
        api = context().wrap_socket(self.dial(gateway), server_hostname="api.example.test")
        api.sendall(b"GET /orders HTTP/1.1\r\nHost: api.example.test\r\nConnection: close\r\n\r\n")
        self.assertIn(b" 200 ", read_all(api).partition(b"\r\n")[0])
        self.assertEqual(self.api.requests[-1].path(), "/orders")
        db = context().wrap_socket(self.dial(gateway), server_hostname="db.example.test")
        self.assertEqual(db.getpeercert()["subject"], ((("commonName", "db.example.test"),),))
        db.sendall(b"SELECT 1")
        self.assertEqual(db.recv(100), b"SELECT 1")
        near = self.dial(gateway, "127.0.0.2")
        near.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        self.assertTrue(read_all(near).endswith(b"ok\n"))
        far = self.dial(gateway)
        far.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        try:
            self.assertEqual(read_all(far), b"")
        except ConnectionResetError:
            pass  # it was closed with the request unread
        with self.assertRaises(OSError):
            context().wrap_socket(self.dial(gateway), server_hostname="other.example.test")

    def test_without_the_secret_the_gateway_is_rejected(self):
        state, reason = self.start(secret=False).status("gateways", "edge")
        self.assertEqual(state, "Rejected")
        self.assertIn("matchedGateways[0]", reason)
