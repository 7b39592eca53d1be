"""TCP gateways: bytes passed on as they are, by the name that clients of TLS ask for, with limits and a line in the log."""

import json
import pathlib
import signal
import socket
import tempfile
import threading

from harness import configs
from harness.case import Case
from harness.certificates import authority
from harness.gateway import ROOT, Gateway, run_sluice
from harness.peer import Peer, echo, read_all
from harness.process import Process
from harness.talker import PYTHON, need_python
from harness.tls import context, server_context
from harness.waiting import free_port, until

LOG = '%RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_HOST% %UPSTREAM_CLUSTER% %DOWNSTREAM_REMOTE_ADDRESS% %PROTOCOL%'


def name(text):
    return lambda connection: connection.sendall(text.encode())


def upstream(name, *ports, options=""):
    hosts = ", ".join(f"{{addr: 127.0.0.1, port: {port}}}" for port in ports)
    return (f"apiVersion: gloo.solo.io/v1\nkind: Upstream\nmetadata: {{name: {name}, namespace: gloo-system}}\n"
            f"spec:\n  static: {{useTls: false, hosts: [{hosts}]}}\n{options}")


def tcp_gateway(hosts, options="", listener="", port="@{port}", log=LOG):
    log = f"accessLoggingService: {{accessLog: [{{fileSink: {{path: /dev/stdout, stringFormat: \"{log}\\n\"}}}}]}}"
    return (f"apiVersion: gateway.solo.io/v1\nkind: Gateway\nmetadata: {{name: tcp, namespace: gloo-system}}\n"
            f"spec:\n  bindAddress: 127.0.0.1\n  bindPort: {port}\n  options:\n    {log}\n    {listener}\n"
            f"  tcpGateway:\n    tcpHosts: [{hosts}]\n    options: {{{options}}}\n")


def host(name, to, sni="", secret="", more=""):
    parts = [f"secretRef: {{name: {secret}, namespace: gloo-system}}"] if secret else []
    parts += [f"sniDomains: [{sni}]"] if sni else []
    parts += [more] if more else []
    ssl_config = f"sslConfig: {{{', '.join(parts)}}}, " if parts else ""
    return f"{{name: {name}, {ssl_config}destination: {{{to}}}}}"


def single(upstream):
    return f"single: {{upstream: {{name: {upstream}}}}}"


class Plain(Case):
    def gateway(self, files, **values):
        return self.use(Gateway({"gateway.yaml": files.pop("gateway"), **files}, values=values))

    def connect(self, gateway):
        connection = socket.create_connection(("127.0.0.1", gateway.port), timeout=10)
        self.addCleanup(connection.close)
        return connection

    def test_bytes_go_both_ways_and_half_a_close_is_passed_on(self):
        peer = self.use(Peer(echo))
        gateway = self.gateway({"gateway": tcp_gateway(host("all", single("u"))), "u.yaml": upstream("u", peer.port)})
        with self.connect(gateway) as client:
            client.sendall(b"hello")
            self.assertEqual(client.recv(100), b"hello")
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(client), b"bye")
            mine = client.getsockname()[1]
        self.assertEqual(gateway.log_line(f":{mine} "), f"- 5 8 127.0.0.1:{peer.port} u_gloo-system 127.0.0.1:{mine} -")
        self.assertEqual(gateway.metric("^envoy_tcp_downstream_cx_total"), 1)
        self.assertEqual(gateway.metric("^envoy_tcp_downstream_cx_rx_bytes_total"), 5)
        self.assertEqual(gateway.metric("^envoy_tcp_downstream_cx_tx_bytes_total"), 8)
        self.assertEqual(gateway.metric('^envoy_cluster_upstream_cx_tx_bytes_total{envoy_cluster_name="u_gloo-system"'), 5)
        until(lambda: gateway.metric('^envoy_cluster_upstream_cx_active{envoy_cluster_name="u_gloo-system"') == 0, "no connection")
        self.assertIn('"protocol": "tcp"', gateway.admin("/listeners").text())

    def test_much_goes_through_as_it_is(self):
        peer = self.use(Peer(echo))
        gateway = self.gateway({"gateway": tcp_gateway(host("all", single("u"))), "u.yaml": upstream("u", peer.port)})
        data = bytes(range(256)) * 80_000
        with self.connect(gateway) as client:
            def send():
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
            sender = threading.Thread(target=send)
            sender.start()
            self.assertEqual(read_all(client), data + b"bye")
            sender.join()

    def test_a_server_may_speak_first(self):
        peer = self.use(Peer(name("220 ready")))
        gateway = self.gateway({"gateway": tcp_gateway(host("all", single("u"))), "u.yaml": upstream("u", peer.port)})
        with self.connect(gateway) as client:
            self.assertEqual(read_all(client), b"220 ready")

    def test_destinations_have_their_shares(self):
        peers = [self.use(Peer(name(text))) for text in "ab"]
        weighted = "multi: {destinations: [{weight: 1, destination: {upstream: {name: a}}}, {weight: 3, destination: {upstream: {name: b}}}]}"
        gateway = self.gateway({"gateway": tcp_gateway(host("all", weighted)), "a.yaml": upstream("a", peers[0].port),
                                "b.yaml": upstream("b", peers[1].port)})
        for _ in range(80):
            with self.connect(gateway) as client:
                self.assertIn(read_all(client), (b"a", b"b"))
        self.assertGreater(peers[0].accepted, 5)
        self.assertGreater(peers[1].accepted, peers[0].accepted)

    def test_a_client_is_closed_where_nobody_can_be_connected_to(self):
        dead = free_port()
        gateway = self.gateway({"gateway": tcp_gateway(host("all", single("u"))), "u.yaml": upstream("u", dead)})
        with self.connect(gateway) as client:
            self.assertEqual(read_all(client), b"")
        self.assertIn(f"UF,URX 0 0 127.0.0.1:{dead} ", gateway.log_line("UF"))
        self.assertEqual(gateway.metric("^envoy_cluster_upstream_cx_connect_attempts_exceeded"), 1)

    def test_another_endpoint_is_tried_as_often_as_maxConnectAttempts_says(self):
        dead, peer = free_port(), self.use(Peer(name("alive")))
        gateway = self.gateway({"gateway": tcp_gateway(host("all", single("u")), "tcpProxySettings: {maxConnectAttempts: 2}"),
                                "u.yaml": upstream("u", dead, peer.port)})
        for _ in range(4):
            with self.connect(gateway) as client:
                self.assertEqual(read_all(client), b"alive")

    def test_a_connection_on_which_nothing_moves_is_closed_after_idleTimeout(self):
        peer = self.use(Peer(echo))
        gateway = self.gateway({"gateway": tcp_gateway(host("all", single("u")), "tcpProxySettings: {idleTimeout: 0.3s}"),
                                "u.yaml": upstream("u", peer.port)})
        with self.connect(gateway) as client:
            client.sendall(b"x")
            self.assertEqual(client.recv(10), b"x")
            self.assertEqual(read_all(client), b"")
        until(lambda: gateway.metric("^envoy_tcp_idle_timeout") == 1, "the timeout to be counted")

    def test_connectionLimit_and_circuit_breakers_hold(self):
        peer = self.use(Peer(echo))
        gateway = self.gateway({"gateway": tcp_gateway(host("all", single("u")), "connectionLimit: {maxActiveConnections: 1}"),
                                "u.yaml": upstream("u", peer.port)})
        first = self.connect(gateway)
        first.sendall(b"x")
        self.assertEqual(first.recv(10), b"x")
        with self.connect(gateway) as second:
            self.assertEqual(read_all(second), b"")
        self.assertEqual(gateway.metric("^envoy_listener_downstream_cx_overflow"), 1)
        narrow = self.gateway({"gateway": tcp_gateway(host("all", single("u"))),
                               "u.yaml": upstream("u", peer.port, options="  circuitBreakers: {maxConnections: 1}\n")})
        first = self.connect(narrow)
        first.sendall(b"x")
        self.assertEqual(first.recv(10), b"x")
        with self.connect(narrow) as second:
            self.assertEqual(read_all(second), b"")
        self.assertIn("UO 0 0 ", narrow.log_line("UO"))

    def test_open_connections_outlive_a_change_and_a_removed_gateway_ends_them_in_time(self):
        peer = self.use(Peer(echo))
        gateway = self.gateway({"gateway": tcp_gateway(host("all", single("u"))), "u.yaml": upstream("u", peer.port),
                                "p.yaml": configs.proxy_settings("drainTimeout: 0.3s", "tcp")})
        client = self.connect(gateway)
        client.sendall(b"one")
        self.assertEqual(client.recv(10), b"one")
        other = self.use(Peer(name("other")))
        gateway.write("gateway.yaml", tcp_gateway(host("all", single("v"))))
        gateway.write("v.yaml", upstream("v", other.port))
        def new_destination():
            with self.connect(gateway) as newcomer:
                return read_all(newcomer) == b"other"
        until(new_destination, "the new destination")
        client.sendall(b"two")
        self.assertEqual(client.recv(10), b"two")
        gateway.write("gateway.yaml", tcp_gateway(host("all", single("v")), port="@{port2}"))
        self.assertEqual(read_all(client), b"")
        self.assertEqual(gateway.metric("^sluice_tcp_downstream_cx_ended_by_force_total"), 1)

    def test_a_client_that_leaves_while_it_is_connected_for_is_DC(self):
        # A full backlog: nobody answers.
        silent = socket.socket()
        self.addCleanup(silent.close)
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        port = silent.getsockname()[1]
        fillers = [socket.socket() for _ in range(3)]
        for filler in fillers:
            self.addCleanup(filler.close)
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        gateway = self.gateway({"gateway": tcp_gateway(host("all", single("u"))), "u.yaml": upstream("u", port)})
        client = self.connect(gateway)
        until(lambda: gateway.metric("^sluice_tcp_downstream_cx_active") == 1, "the client to be there")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        client.close()
        self.assertIn("DC 0 0 ", gateway.log_line("DC"))

    def test_the_proxy_protocol_names_the_client(self):
        peer = self.use(Peer(echo))
        gateway = self.gateway({"gateway": tcp_gateway(host("all", single("u")), listener="proxyProtocol: {}"),
                                "u.yaml": upstream("u", peer.port)})
        with self.connect(gateway) as client:
            client.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.8 4711 80\r\nhello")
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(client), b"hellobye")
        self.assertIn(" 192.0.2.7:4711 ", gateway.log_line("192.0.2.7"))

    def test_a_missing_upstream_is_a_warning_and_its_host_is_not_served(self):
        peer = self.use(Peer(echo))
        gateway = self.gateway({"gateway": tcp_gateway(host("bad", single("x"), "a.example") + ", " + host("all", single("u"))),
                                "u.yaml": upstream("u", peer.port)})
        with self.connect(gateway) as client:
            client.sendall(b"hello")
            self.assertEqual(client.recv(100), b"hello")
        state, reason = gateway.status("gateways", "tcp")
        self.assertEqual(state, "Warning")
        self.assertIn("TcpHost Warning: InvalidDestinationWarning. Reason: *v1.Upstream { gloo-system.x } not found", reason)

    def test_two_hosts_for_the_same_connections_are_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            text = tcp_gateway(host("one", single("u")) + ", " + host("two", single("u")), port="8001")
            pathlib.Path(folder, "a.yaml").write_text(text + "---\n" + upstream("u", 9))
            code, out, err = run_sluice("check", folder)
        self.assertNotEqual(code, 0)
        self.assertIn("take the same connections", out + err)

    def test_explain_says_where_connections_go(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "a.yaml").write_text(tcp_gateway(host("all", single("u")), port="8001") + "---\n" + upstream("u", 9))
            code, out, err = run_sluice("explain", "--config", folder, "http://a/")
        self.assertEqual(code, 0, err)
        self.assertRegex(out, r"tcpHost +all\n *cluster +u_gloo-system")


class Proxy(Peer):
    """Answers CONNECT, and goes on to the port it is asked for."""

    def __init__(self, status=200):
        self.status, self.heads = status, []
        super().__init__(self.connect)

    def connect(self, connection):
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(1)
        self.heads.append(head.decode())
        connection.sendall(f"HTTP/1.1 {self.status} as told\r\n\r\n".encode())
        if self.status != 200:
            return
        with socket.create_connection(("127.0.0.1", int(self.heads[-1].split()[1].rpartition(":")[2]))) as far:
            back = threading.Thread(target=self.pump, args=(far, connection))
            back.start()
            self.pump(connection, far)
            back.join()

    @staticmethod
    def pump(source, to):
        try:
            while data := source.recv(65536):
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class ThroughAProxy(Case):
    """tunnelingConfig, and lines of the log while a connection is open."""

    gateway = Plain.gateway
    connect = Plain.connect

    def tunnel(self, port, more=""):
        return (f"tcpProxySettings: {{tunnelingConfig: {{hostname: 'db.example:{port}', headersToAdd: [{{header: {{key: x-client, "
                f"value: '%DOWNSTREAM_REMOTE_ADDRESS%'}}}}]}}{more}}}")

    def start(self, proxy, port, more="", **files):
        return self.gateway({"gateway": tcp_gateway(host("all", single("u")), self.tunnel(port, more),
                                                    log=LOG + " %UPSTREAM_TRANSPORT_FAILURE_REASON%"),
                             "u.yaml": upstream("u", proxy.port), **files})

    def test_the_proxy_is_asked_for_the_host_and_bytes_go_both_ways(self):
        far, proxy = self.use(Peer(echo)), self.use(Proxy())
        gateway = self.start(proxy, far.port)
        with self.connect(gateway) as client:
            client.sendall(b"hello")
            self.assertEqual(client.recv(100), b"hello")
            mine = client.getsockname()[1]
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(client), b"bye")
        self.assertEqual(proxy.heads, [f"CONNECT db.example:{far.port} HTTP/1.1\r\nHost: db.example:{far.port}\r\n"
                                       f"x-client: 127.0.0.1:{mine}\r\n\r\n"])

    def test_a_proxy_that_refuses_ends_the_client_and_the_log_says_why(self):
        proxy = self.use(Proxy(403))
        gateway = self.start(proxy, 9)
        with self.connect(gateway) as client:
            self.assertEqual(read_all(client), b"")
        self.assertIn("the proxy answered CONNECT with 403", gateway.log_line("UF,URX 0 0 "))

    def test_another_proxy_is_tried(self):
        far, bad, good = self.use(Peer(name("far"))), self.use(Proxy(503)), self.use(Proxy())
        gateway = self.gateway({"gateway": tcp_gateway(host("all", single("u")), self.tunnel(far.port, ", maxConnectAttempts: 2")),
                                "u.yaml": upstream("u", bad.port, good.port)})
        for _ in range(4):
            with self.connect(gateway) as client:
                self.assertEqual(read_all(client), b"far")

    def test_a_line_is_logged_while_a_connection_is_open(self):
        peer = self.use(Peer(echo))
        gateway = self.gateway({"gateway": tcp_gateway(host("all", single("u")), "tcpProxySettings: {accessLogFlushInterval: 50ms}"),
                                "u.yaml": upstream("u", peer.port)})
        with self.connect(gateway) as client:
            client.sendall(b"hello")
            self.assertEqual(client.recv(100), b"hello")
            self.assertIn("- 5 5 ", gateway.log_line("- 5 5 "))
            client.sendall(b"again")
            self.assertEqual(client.recv(100), b"again")
            self.assertIn("- 10 10 ", gateway.log_line("- 10 10 "))


class Http2Proxy:
    """Answers CONNECT with `status`; by TLS where it has a pair."""

    def __init__(self, status=200, pair=None):
        self.scratch = tempfile.TemporaryDirectory(prefix="sluice-proxy-")
        files = [pair.certificate, pair.key] if pair else []
        self.process = Process([PYTHON, ROOT / "tests/interop/http2_proxy.py", status, *files], self.scratch.name, "proxy")
        self.port = until(self.said, "the proxy to listen")[0]

    def said(self):
        assert self.process.alive(), self.process.tail()
        return [json.loads(line) for line in self.process.stdout().splitlines()]

    def asked(self):
        """The fields of each CONNECT."""
        return [one for one in self.said()[1:] if one]

    def accepted(self):
        return self.said().count(None)

    def close_connections(self):
        self.process.popen.send_signal(signal.SIGUSR1)

    def stop(self):
        self.process.stop()
        self.scratch.cleanup()


class ThroughAProxyOfHttp2(Case):
    """The same, whose connections tunnels share."""

    gateway = Plain.gateway
    connect = Plain.connect
    tunnel = ThroughAProxy.tunnel

    @classmethod
    def setUpClass(cls):
        need_python("h2")

    def start(self, proxy, port, more="", ssl="", **files):
        return self.gateway({"gateway": tcp_gateway(host("all", single("u")), self.tunnel(port, more),
                                                    log=LOG + " %UPSTREAM_TRANSPORT_FAILURE_REASON%"),
                             "u.yaml": upstream("u", proxy.port, options="  useHttp2: true\n" + ssl), **files})

    def test_the_proxy_is_asked_for_the_host_and_bytes_go_both_ways(self):
        far, proxy = self.use(Peer(echo)), self.use(Http2Proxy())
        gateway = self.start(proxy, far.port)
        for _ in range(3):
            with self.connect(gateway) as client:
                client.sendall(b"hello")
                self.assertEqual(client.recv(100), b"hello")
                mine = client.getsockname()[1]
                client.shutdown(socket.SHUT_WR)
                self.assertEqual(read_all(client), b"bye")
            self.assertEqual(proxy.asked()[-1], {":method": "CONNECT", ":authority": f"db.example:{far.port}", "x-client": f"127.0.0.1:{mine}"})
            gateway.log_line(f":{mine} ")
        self.assertEqual(proxy.accepted(), 1)
        self.assertEqual(gateway.metric("^envoy_cluster_upstream_cx_http2_total"), 1)
        self.assertEqual(gateway.metric("^envoy_cluster_upstream_rq_active"), 0)

    def test_many_share_a_connection_and_much_goes_both_ways(self):
        far, proxy = self.use(Peer(echo)), self.use(Http2Proxy())
        gateway = self.start(proxy, far.port)
        with self.connect(gateway) as first:
            first.sendall(b"x")
            self.assertEqual(first.recv(10), b"x")  # there is a connection
            data = bytes(range(256)) * 4000
            clients = [self.connect(gateway) for _ in range(8)]
            def send(client):
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
            senders = [threading.Thread(target=send, args=(client,)) for client in clients]
            for sender in senders:
                sender.start()
            for client, sender in zip(clients, senders):
                self.assertEqual(read_all(client), data + b"bye")
                sender.join()
            first.sendall(b"y")
            self.assertEqual(first.recv(10), b"y")
        self.assertEqual(proxy.accepted(), 1)

    def test_what_is_said_last_arrives_though_the_destination_has_ended(self):
        heard = []
        def ends_first(connection):
            connection.shutdown(socket.SHUT_WR)
            heard.append(read_all(connection))
        far, proxy = self.use(Peer(ends_first)), self.use(Http2Proxy())
        gateway = self.start(proxy, far.port)
        for words in (b"last words", b"w" * 1_000_000):
            heard.clear()
            with self.connect(gateway) as client:
                self.assertEqual(read_all(client), b"")
                client.sendall(words)
                client.shutdown(socket.SHUT_WR)
                until(lambda: heard, "the words to arrive")
            self.assertEqual(heard, [words])

    def test_a_connection_that_the_proxy_has_closed_is_replaced(self):
        far, proxy = self.use(Peer(name("far"))), self.use(Http2Proxy())
        gateway = self.start(proxy, far.port)
        for connections in (1, 2, 3):
            with self.connect(gateway) as client:
                self.assertEqual(read_all(client), b"far")
            self.assertEqual(proxy.accepted(), connections)
            proxy.close_connections()
        with self.connect(gateway) as client:
            self.assertEqual(read_all(client), b"far")

    def test_the_proxy_is_spoken_to_by_TLS(self):
        far, proxy = self.use(Peer(name("far"))), self.use(Http2Proxy(pair=authority().make("proxy.test")))
        gateway = self.start(proxy, far.port, ssl=f"  sslConfig: {{sni: proxy.test, verifySubjectAltName: [proxy.test], "
                             f"sslFiles: {{rootCa: {authority().certificate}}}}}\n")
        with self.connect(gateway) as client:
            self.assertEqual(read_all(client), b"far")

    def test_a_proxy_that_refuses_ends_the_client_and_the_log_says_why(self):
        proxy = self.use(Http2Proxy(403))
        gateway = self.start(proxy, 9)
        with self.connect(gateway) as client:
            self.assertEqual(read_all(client), b"")
        self.assertIn("the proxy answered CONNECT with 403", gateway.log_line("UF,URX 0 0 "))

    def test_another_proxy_is_tried(self):
        far, bad, good = self.use(Peer(name("far"))), self.use(Http2Proxy(503)), self.use(Http2Proxy())
        gateway = self.gateway({"gateway": tcp_gateway(host("all", single("u")), self.tunnel(far.port, ", maxConnectAttempts: 2")),
                                "u.yaml": upstream("u", bad.port, good.port, options="  useHttp2: true\n")})
        for _ in range(4):
            with self.connect(gateway) as client:
                self.assertEqual(read_all(client), b"far")

    def test_a_proxy_that_speaks_another_protocol_is_none(self):
        proxy = self.use(Proxy())
        gateway = self.start(proxy, 9)
        with self.connect(gateway) as client:
            self.assertEqual(read_all(client), b"")
        self.assertIn("UF,URX 0 0 ", gateway.log_line("UF"))

    def test_circuit_breakers_hold_for_tunnels(self):
        far, proxy = self.use(Peer(echo)), self.use(Http2Proxy())
        gateway = self.gateway({"gateway": tcp_gateway(host("all", single("u")), self.tunnel(far.port)),
                                "u.yaml": upstream("u", proxy.port, options="  useHttp2: true\n  circuitBreakers: {maxRequests: 1}\n")})
        with self.connect(gateway) as client:
            client.sendall(b"x")
            self.assertEqual(client.recv(10), b"x")
            with self.connect(gateway) as other:
                self.assertEqual(read_all(other), b"")
            self.assertIn("UO ", gateway.log_line("UO "))
        self.assertEqual(gateway.metric("^envoy_cluster_upstream_rq_pending_overflow"), 1)


class ByServerName(Case):
    """TLS is not ended here: the destinations have the certificates."""

    @classmethod
    def setUpClass(cls):
        secure = server_context(authority().make("test"))
        cls.peers = {text: cls.share(Peer(name(text), secure)) for text in ("exact", "wild", "deep")}
        cls.plain = cls.share(Peer(echo))
        hosts = ", ".join([host("exact", single("exact"), "a.example, b.example"), host("wild", single("wild"), "'*.example'"),
                           host("deep", "forwardSniClusterName: {}", "'*.deep.example', deep_gloo-system"), host("plain", single("plain"))])
        hosts = hosts.replace(", deep_gloo-system", "")
        files = {f"{text}.yaml": upstream(text, peer.port) for text, peer in cls.peers.items()}
        cls.gateway = cls.share(Gateway({"gateway.yaml": tcp_gateway(hosts), **files, "plain.yaml": upstream("plain", cls.plain.port)}))

    def ask(self, server_name, port=None):
        with socket.create_connection(("127.0.0.1", port or self.gateway.port), timeout=10) as connection:
            with context(check_hostname=False).wrap_socket(connection, server_hostname=server_name) as client:
                return read_all(client).decode()

    def test_the_exact_name_then_the_longest_wildcard_decides(self):
        self.assertEqual(self.ask("a.example"), "exact")
        self.assertEqual(self.ask("B.example"), "exact")
        self.assertEqual(self.ask("c.example"), "wild")

    def test_a_name_without_a_cluster_is_NC(self):
        before = self.gateway.metric("^envoy_tcp_downstream_cx_no_route")
        with self.assertRaises(OSError):
            self.ask("x.deep.example")
        self.assertIn("NC 0 0 - x.deep.example ", self.gateway.log_line("x.deep.example"))
        self.assertEqual(self.gateway.metric("^envoy_tcp_downstream_cx_no_route"), before + 1)

    def test_what_is_no_tls_goes_to_the_host_without_names_with_all_its_bytes(self):
        with socket.create_connection(("127.0.0.1", self.gateway.port), timeout=10) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            client.shutdown(socket.SHUT_WR)
            self.assertEqual(read_all(client), b"GET / HTTP/1.1\r\n\r\nbye")

    def test_a_name_that_nobody_has_ends_where_there_is_no_host_for_all(self):
        gateway = self.use(Gateway({"gateway.yaml": tcp_gateway(host("exact", single("exact"), "a.example")),
                                    "exact.yaml": upstream("exact", self.peers["exact"].port)}))
        self.assertEqual(self.ask("a.example", gateway.port), "exact")
        with self.assertRaises(OSError):
            self.ask("b.example", gateway.port)
        self.assertEqual(gateway.metric("^envoy_listener_no_filter_chain_match"), 1)

    def test_the_cluster_that_the_client_names_is_taken(self):
        gateway = self.use(Gateway({"gateway.yaml": tcp_gateway(host("all", "forwardSniClusterName: {}")),
                                    "deep.yaml": upstream("deep", self.peers["deep"].port)}))
        self.assertEqual(self.ask("deep_gloo-system", gateway.port), "deep")


TLS_LOG = "%RESPONSE_FLAGS% %UPSTREAM_CLUSTER% %REQUESTED_SERVER_NAME% %DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_PEER_SUBJECT% %UPSTREAM_TRANSPORT_FAILURE_REASON%"


class TlsEnds(Case):
    """TLS ends here: clients see the gateway's certificates, destinations what was in it."""

    @classmethod
    def setUpClass(cls):
        cls.ca = authority()
        cls.echo = cls.share(Peer(echo))
        cls.pair = cls.ca.make("a.example")

    def gateway(self, hosts, **files):
        upstreams = {"u.yaml": upstream("u", self.echo.port), "secret.yaml": self.pair.secret("pair")}
        return self.use(Gateway({"gateway.yaml": tcp_gateway(hosts, log=TLS_LOG), **upstreams,
                                 **{f"{name}.yaml": text for name, text in files.items()}}))

    def dial(self, gateway, name="a.example", pair=None, made=None):
        connection = (made or context(pair=pair)).wrap_socket(socket.create_connection(("127.0.0.1", gateway.port), timeout=10), server_hostname=name)
        self.addCleanup(connection.close)
        return connection

    def echoes(self, connection, text=b"hello"):
        connection.sendall(text)
        self.assertEqual(connection.recv(100), text)

    def test_the_destination_gets_what_was_in_it_and_the_log_says_what_it_was(self):
        gateway = self.gateway(host("all", single("u"), secret="pair"))
        client = self.dial(gateway)
        self.echoes(client)
        client.close()
        self.assertEqual(gateway.log_line("a.example"), "- u_gloo-system a.example TLSv1.3 - -")
        self.assertEqual(gateway.metric("^envoy_listener_ssl_handshake"), 1)
        self.assertEqual(gateway.metric("^envoy_tcp_downstream_cx_rx_bytes_total"), 5)
        certificates = gateway.admin("/certs").text()
        self.assertIn('"tcpHost": "all"', certificates)
        self.assertIn('"from": "Secret gloo-system/pair"', certificates)

    def test_much_goes_through_both_ways(self):
        gateway = self.gateway(host("all", single("u"), secret="pair"))
        client, data, got = self.dial(gateway), bytes(range(256)) * 20_000, b""
        sender = threading.Thread(target=client.sendall, args=(data,))
        sender.start()
        while len(got) < len(data):
            got += client.recv(65536)
        sender.join()
        self.assertEqual(got, data)

    def test_each_name_gets_its_certificate_and_others_are_passed_on_or_plain(self):
        inner = self.use(Peer(name("inner"), server_context(self.ca.make("c.example"))))
        hosts = ", ".join([host("a", single("u"), "a.example", "pair"), host("b", single("u"), "'*.b.example'", "other"),
                           host("passed", single("inner"), "c.example"), host("plain", single("u"))])
        gateway = self.gateway(hosts, inner=upstream("inner", inner.port), other=self.ca.make("*.b.example").secret("other"))
        self.echoes(self.dial(gateway))
        self.echoes(self.dial(gateway, "x.b.example"))
        self.assertEqual(read_all(self.dial(gateway, "c.example")), b"inner")
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as client:
            self.echoes(client)

    def test_a_client_certificate_is_required_where_the_secret_has_a_ca(self):
        gateway = self.gateway(host("all", single("u"), secret="mutual"), mutual=self.pair.secret("mutual", ca=self.ca.certificate))
        before = self.echo.accepted
        with self.assertRaises(OSError):
            self.dial(gateway).recv(1)
        self.assertEqual(self.echo.accepted, before)
        client = self.dial(gateway, pair=self.ca.make("joe", client=True))
        self.echoes(client)
        client.close()
        self.assertEqual(gateway.log_line("joe"), "- u_gloo-system a.example TLSv1.3 CN=joe -")
        self.assertEqual(gateway.metric("^envoy_listener_ssl_fail_verify_no_cert"), 1)

    def test_the_cluster_that_the_client_names_is_taken(self):
        gateway = self.gateway(host("all", "forwardSniClusterName: {}", secret="pair"), pair=self.ca.make("u_gloo-system").secret("pair"),
                               secret="{}")
        self.echoes(self.dial(gateway, "u_gloo-system", made=context(check_hostname=False)))

    def test_garbage_and_a_client_that_leaves_in_its_handshake_reach_no_destination(self):
        gateway = self.gateway(host("all", single("u"), secret="pair"))
        before = self.echo.accepted
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            self.assertNotIn(b"HTTP", read_all(client))
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as client:
            client.sendall(b"\x16\x03\x01")
        until(lambda: gateway.metric("^envoy_listener_ssl_connection_error") == 2, "both to be counted")
        self.assertEqual(self.echo.accepted, before)

    def test_a_changed_certificate_is_shown_to_newcomers_and_ends_nobody(self):
        gateway = self.gateway(host("all", single("u"), secret="pair"))
        old = self.dial(gateway)
        self.echoes(old)
        renewed = self.ca.make("a.example")
        gateway.write("secret.yaml", renewed.secret("pair"))
        until(lambda: self.dial(gateway).getpeercert()["serialNumber"] == renewed.serial(), "the new certificate")
        self.echoes(old)

    def test_a_missing_secret_ends_the_connections_of_its_host_and_warns(self):
        gateway = self.gateway(host("a", single("u"), "a.example", "gone") + ", " + host("plain", single("u")))
        with self.assertRaises(OSError):
            self.dial(gateway)
        state, reason = gateway.status("gateways", "tcp")
        self.assertEqual(state, "Warning")
        self.assertIn("Listener Warning: SSLConfigWarning. Reason: tcpHost a: SSL secret not found", reason)
        self.assertEqual(gateway.metric("^envoy_listener_no_filter_chain_match"), 1)

    def upstream_by_tls(self, port, san):
        return upstream("inner", port, options="  sslConfig: {sni: inner.example, verifySubjectAltName: [%s], secretRef: {name: ca, "
                        "namespace: gloo-system}}\n" % san)

    def test_it_goes_on_by_tls_to_a_destination_that_is_verified(self):
        inner = self.use(Peer(echo, server_context(self.ca.make("inner.example"))))
        gateway = self.gateway(host("all", single("inner"), secret="pair"), ca=self.ca.secret("ca"),
                               inner=self.upstream_by_tls(inner.port, "inner.example"))
        self.echoes(self.dial(gateway))
        self.assertEqual(gateway.metric('^envoy_cluster_ssl_handshake{envoy_cluster_name="inner_gloo-system"'), 1)

    def test_a_destination_with_a_wrong_certificate_gets_nothing(self):
        heard = []
        inner = self.use(Peer(lambda connection: heard.append(connection.recv(100)), server_context(self.ca.make("inner.example"))))
        gateway = self.gateway(host("all", single("inner"), secret="pair"), ca=self.ca.secret("ca"),
                               inner=self.upstream_by_tls(inner.port, "other.example"))
        client = self.dial(gateway)
        client.sendall(b"secret")
        self.assertEqual(read_all(client), b"")
        line = gateway.log_line("UF,URX")
        self.assertIn("other.example", line)
        self.assertNotIn(b"secret", heard)


class Example(Case):
    """examples/tcp-gateway: every line of its "what must be seen"."""

    @classmethod
    def setUpClass(cls):
        cls.ca = authority()
        cls.pairs = {name: cls.ca.make(f"{name}.example.test", f"*.{name}.example.test") for name in ("orders", "shop")}
        cls.peers = {"orders": cls.share(Peer(echo)), "shop": cls.share(Peer(name("shop itself"), server_context(cls.pairs["shop"]))),
                     "stable": cls.share(Peer(echo)), "canary": cls.share(Peer(echo))}

    def start(self, secret):
        folder = ROOT / "examples/tcp-gateway"
        upstreams = (folder / "upstreams.yaml").read_text()
        for port, peer in enumerate(self.peers.values(), 5001):
            upstreams = upstreams.replace(f"port: {port}", f"port: {peer.port}")
        files = {"gateway.yaml": (folder / "gateway.yaml").read_text().replace("bindPort: 9000", "bindPort: @{port}"),
                 "upstreams.yaml": upstreams}
        if secret:
            files["secret.yaml"] = self.pairs["orders"].secret("orders-cert")
        return self.use(Gateway(files))

    def dial(self, gateway, server_name):
        connection = context(alpn=["postgresql"]).wrap_socket(socket.create_connection(("127.0.0.1", gateway.port), timeout=10), server_hostname=server_name)
        self.addCleanup(connection.close)
        return connection

    def test_each_connection_goes_where_the_page_says(self):
        gateway = self.start(secret=True)
        self.assertEqual(gateway.status("gateways", "tcp-gateway"), ("Accepted", ""))
        orders = self.dial(gateway, "orders.example.test")
        orders.sendall(b"hello")
        self.assertEqual(orders.recv(100), b"hello")
        self.assertEqual(self.peers["orders"].accepted, 1)
        orders.close()
        self.assertRegex(gateway.log_line("orders.example.test"), r"orders.example.test TLSv1.3 orders_gloo-system 5 \d+ \d+ -$")
        self.assertEqual(read_all(self.dial(gateway, "www.shop.example.test")), b"shop itself")
        for _ in range(60):
            with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as client:
                client.sendall(b"plain")
                self.assertEqual(client.recv(100), b"plain")
        self.assertGreater(self.peers["stable"].accepted, self.peers["canary"].accepted)
        self.assertIn('"tcpHost": "orders"', gateway.admin("/certs").text())

    def test_without_the_secret_its_connections_end(self):
        gateway = self.start(secret=False)
        self.assertEqual(gateway.status("gateways", "tcp-gateway")[0], "Warning")
        with self.assertRaises(OSError):
            self.dial(gateway, "orders.example.test")
        self.assertEqual(read_all(self.dial(gateway, "shop.example.test")), b"shop itself")
