"""The PROXY protocol: clients that a proxy in front names, and what is no such header."""

import pathlib
import struct
import tempfile

from harness import configs, raw
from harness.backend import Backend
from harness.case import Case, rows
from harness.certificates import authority
from harness.gateway import Gateway
from harness.process import Process
from harness.tls import server_context
from harness.waiting import free_port, until

LOG = 'stringFormat: "%REQ(:PATH)% %DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT% ' \
      '%DOWNSTREAM_LOCAL_ADDRESS% %DYNAMIC_METADATA(edge:endpoint)%\\n"'
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def version2(source, destination, ports, tlvs=b"", command=0x21):
    addresses = bytes(map(int, source.split("."))) + bytes(map(int, destination.split("."))) + struct.pack(">HH", *ports)
    return SIGNATURE + struct.pack(">BBH", command, 0x11, len(addresses) + len(tlvs)) + addresses + tlvs


def with_proxy_protocol(proxy_protocol, http=""):
    log = f"accessLoggingService: {{accessLog: [{{fileSink: {{path: /dev/stdout, {LOG}}}}}]}}"
    return configs.gateway("httpConnectionManagerSettings: {useRemoteAddress: true}", f"{log}\n{proxy_protocol}")


def request(path):
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


def port_of_a_client_that_is_served(case, port, path="/"):
    with raw.Client(port) as client:
        client.send(request(path))
        case.assert_status(client.read_response("GET"), 200)
        return client.socket.getsockname()[1]


class Haproxy:
    """Passes what comes to `port` on to the port `to`. `bind` and `server` end the lines that begin so; `frontend` are more of them."""

    def __init__(self, to, mode="tcp", bind="", server="", frontend=()):
        self.scratch = tempfile.TemporaryDirectory(prefix="sluice-haproxy-")
        self.port = free_port()
        config = pathlib.Path(self.scratch.name, "haproxy.cfg")
        config.write_text(f"defaults\n  mode {mode}\n  timeout connect 5s\n  timeout client 20s\n  timeout server 20s\n"
                          f"frontend f\n  bind 127.0.0.1:{self.port} {bind}\n" + "".join(f"  {line}\n" for line in frontend) +
                          f"  default_backend b\nbackend b\n  server s 127.0.0.1:{to} {server}\n")
        self.process = Process(["haproxy", "-f", config, "-db"], self.scratch.name, "haproxy")

    def stop(self):
        self.process.stop()
        self.scratch.cleanup()


class Expected(Case):
    @classmethod
    def setUpClass(cls):
        cls.backend = cls.share(Backend())
        options = "proxyProtocol: {rules: [{tlvType: 234, onTlvPresent: {metadataNamespace: edge, key: endpoint}}]}"
        cls.gateway = cls.share(Gateway({"gateway.yaml": with_proxy_protocol(options), **configs.to_backend()},
                                        values={"backend": cls.backend.port}))

    def ask(self, header, path):
        with self.gateway.client() as client:
            client.send(header + request(path))
            return client.read_response("GET")

    @rows({"version 1": (b"PROXY TCP4 192.0.2.7 192.0.2.8 4711 80\r\n", "/one"),
           "version 2": (version2("192.0.2.7", "192.0.2.8", (4711, 80)), "/two")})
    def the_client_is_whom_the_proxy_names(self, header, path):
        response = self.ask(header, path)
        self.assert_status(response, 200)
        self.assertIn('["x-forwarded-for", "192.0.2.7"]', response.text().lower())
        self.assertEqual(self.gateway.log_line(path), f"{path} 192.0.2.7:4711 127.0.0.1 192.0.2.8:80 -")

    def test_a_tlv_becomes_metadata_that_the_log_shows(self):
        tlv = b"\xea" + struct.pack(">H", 8) + b"vpce-123"
        for path in ("/tlv", "/tlv-again"):
            self.assert_status(self.ask(version2("192.0.2.7", "192.0.2.8", (4711, 80), tlv), path), 200)
            self.assertTrue(self.gateway.log_line(f"{path} ").endswith(" vpce-123"))

    def test_a_connection_of_the_proxy_itself_is_served_as_its_own(self):
        self.assert_status(self.ask(version2("192.0.2.7", "192.0.2.8", (4711, 80), command=0x20), "/local"), 200)
        self.assertIn("/local 127.0.0.1:", self.gateway.log_line("/local"))

    def test_every_request_of_the_connection_is_the_clients(self):
        with self.gateway.client() as client:
            client.send_slowly(b"PROXY TCP4 192.0.2.9 192.0.2.8 4711 80\r\n")
            for path in ("/first", "/second"):
                client.send(request(path))
                self.assert_status(client.read_response("GET"), 200)
                self.assertIn(" 192.0.2.9:4711 ", self.gateway.log_line(path))

    @rows({"none": (request("/"), r"envoy_proxy_proto_not_found_disallowed"),
           "a broken one": (b"PROXY TCP4 a b 1 2\r\n" + request("/"), r'envoy_proxy_proto_error.*"1"'),
           "a wrong checksum": (version2("192.0.2.7", "192.0.2.8", (1, 2), b"\x03\0\x04abcd"), r'envoy_proxy_proto_error.*"2"')})
    def a_connection_is_closed_without_an_answer_for_a_header_that_is(self, sent, metric):
        before = self.gateway.metric(metric)
        with self.gateway.client() as client:
            client.send(sent)
            self.assertTrue(client.closed())
        self.assertEqual(self.gateway.metric(metric), before + 1)

    @rows({"version 1": "send-proxy", "version 2": "send-proxy-v2 proxy-v2-options crc32c,unique-id"})
    def a_real_haproxy_in_front_names_its_clients(self, send):
        haproxy = self.use(Haproxy(self.gateway.port, server=send, frontend=["unique-id-format %pid"]))
        until(lambda: raw.fetch(haproxy.port, path="/haproxy").status == 200, "an answer through haproxy")
        mine = port_of_a_client_that_is_served(self, haproxy.port, "/through")
        self.assertIn(f" 127.0.0.1:{haproxy.port} ", self.gateway.log_line(f"/through 127.0.0.1:{mine} "))


class Introduced(Backend):
    """A destination whose connections begin with a header of version 1; `clients` has whom each one names."""

    def __init__(self):
        self.clients = []
        super().__init__()

    def established(self, sock):
        line = b""
        while not line.endswith(b"\r\n"):
            byte = sock.recv(1)
            if not byte:
                raise OSError("no header")
            line += byte
        self.clients.append(line.decode().strip())
        return sock


class Upstreams(Case):
    """proxyProtocolVersion: hosts are told of the client at the begin of each connection, which is that client's alone."""

    def gateway(self, port, version="V1", gateway=None, upstream=""):
        text = configs.BACKEND.rstrip() + f"\n  proxyProtocolVersion: {version}\n{upstream}"
        files = {**configs.to_backend(), "upstream.yaml": text}
        if gateway:
            files["gateway.yaml"] = gateway
        return self.use(Gateway(files, values={"backend": port}))

    def test_each_client_has_connections_of_its_own(self):
        backend = self.use(Introduced())
        gateway = self.gateway(backend.port)
        with gateway.client() as one, gateway.client() as other:
            for client in (one, other, one, other, one):
                client.send(request("/"))
                self.assert_status(client.read_response("GET"), 200)
            ports = [client.socket.getsockname()[1] for client in (one, other)]
        self.assertEqual(backend.clients, [f"PROXY TCP4 127.0.0.1 127.0.0.1 {port} {gateway.port}" for port in ports])
        self.assertEqual([r.connection for r in backend.requests], [1, 2, 1, 2, 1])

    def test_a_client_of_all_addresses_is_told_of_by_the_one_it_connected_to(self):
        backend = self.use(Introduced())
        gateway = self.gateway(backend.port, gateway=Gateway.PLAIN.replace("127.0.0.1", "'::'"))
        mine = port_of_a_client_that_is_served(self, gateway.port)
        self.assertEqual(backend.clients, [f"PROXY TCP4 127.0.0.1 127.0.0.1 {mine} {gateway.port}"])

    def test_whom_a_proxy_in_front_names_is_named_on(self):
        backend = self.use(Introduced())
        gateway = self.gateway(backend.port, gateway=configs.gateway(options="proxyProtocol: {}"))
        with gateway.client() as client:
            client.send(b"PROXY TCP4 192.0.2.7 192.0.2.8 4711 80\r\n" + request("/"))
            self.assert_status(client.read_response("GET"), 200)
        self.assertEqual(backend.clients, ["PROXY TCP4 192.0.2.7 192.0.2.8 4711 80"])

    @rows({"version 1": "V1", "version 2": "V2"})
    def a_real_haproxy_behind_reads_it(self, version):
        backend = self.use(Backend())
        haproxy = self.use(Haproxy(backend.port, "http", bind="accept-proxy", frontend=[
            "http-request set-header x-source %[src]:%[src_port]", "http-request set-header x-destination %[dst]:%[dst_port]"]))
        gateway = self.gateway(haproxy.port, version)
        until(lambda: gateway.fetch("/").status == 200, "an answer through haproxy")
        mine = port_of_a_client_that_is_served(self, gateway.port, "/mine")
        seen = backend.seen("/mine")[0]
        self.assertEqual((seen.header("x-source"), seen.header("x-destination")), (f"127.0.0.1:{mine}", f"127.0.0.1:{gateway.port}"))

    def test_it_stands_before_tls(self):
        context = server_context(authority().make("backend.test"))

        class Both(Introduced):
            def established(self, sock):
                return context.wrap_socket(super().established(sock), server_side=True)

        backend = self.use(Both())
        gateway = self.gateway(backend.port, upstream="  sslConfig: {sni: backend.test}\n")
        mine = port_of_a_client_that_is_served(self, gateway.port)
        self.assertEqual(backend.clients, [f"PROXY TCP4 127.0.0.1 127.0.0.1 {mine} {gateway.port}"])

    def test_a_tcp_gateway_names_its_clients_too(self):
        backend = self.use(Introduced())
        tcp = Gateway.PLAIN.replace("httpGateway: {}", "tcpGateway: {tcpHosts: [{name: all, destination: {single: {upstream: "
                                                       "{name: backend, namespace: gloo-system}}}}]}")
        gateway = self.gateway(backend.port, gateway=tcp)
        mine = port_of_a_client_that_is_served(self, gateway.port)
        self.assertEqual(backend.clients, [f"PROXY TCP4 127.0.0.1 127.0.0.1 {mine} {gateway.port}"])


class Allowed(Case):
    @classmethod
    def setUpClass(cls):
        cls.backend = cls.share(Backend())
        cls.options = "proxyProtocol: {allowRequestsWithoutProxyProtocol: true}"
        cls.gateway = cls.share(Gateway({"gateway.yaml": with_proxy_protocol(cls.options), **configs.to_backend()},
                                        values={"backend": cls.backend.port}))

    def test_a_connection_without_a_header_is_served_whole(self):
        self.assert_status(self.gateway.fetch("/plain"), 200)
        self.assertIn("/plain 127.0.0.1:", self.gateway.log_line("/plain"))
        self.assertEqual(self.gateway.metric("^envoy_proxy_proto_not_found_allowed"), 1)
        with self.gateway.client() as client:
            client.send(b"PROXY TCP4 192.0.2.9 192.0.2.8 4711 80\r\n" + request("/named"))
            self.assert_status(client.read_response("GET"), 200)
        self.assertIn(" 192.0.2.9:4711 ", self.gateway.log_line("/named"))

    def test_the_older_spelling_asks_for_a_header_and_taking_it_away_asks_for_none(self):
        gateway = self.use(Gateway({"gateway.yaml": configs.gateway() + "  useProxyProto: true\n", **configs.to_backend()},
                                   values={"backend": self.backend.port}))
        with gateway.client() as client:
            client.send(request("/"))
            self.assertTrue(client.closed())
        gateway.write("gateway.yaml", configs.gateway())
        def serves():
            with gateway.client() as client:
                client.send(request("/"))
                return client.read_response("GET").status == 200
        until(serves, "the new configuration to serve")
