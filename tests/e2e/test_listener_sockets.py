"""What a listener's sockets are told, how its connections are spread over workers, and what is counted of them."""

import socket
import struct
import time

from harness import configs, raw
from harness.backend import Backend
from harness.case import Case
from harness.gateway import Gateway
from harness.waiting import until

# TCP_MAXSEG: the client is told of it. As a number, and as the bytes of one.
OF_1000 = "{description: small segments, level: 6, name: 2, intValue: 1000}"
OF_800 = "{description: smaller segments, level: 6, name: 2, bufValue: IAMAAA==}"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def segment(client):
    """The largest that the client may send."""
    return client.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)


class Sockets(Case):
    @classmethod
    def setUpClass(cls):
        cls.backend = cls.share(Backend())

    def gateway(self, options, workers=1, http=""):
        return self.use(Gateway({"gateway.yaml": configs.gateway(http, options), **configs.to_backend()},
                                values={"backend": self.backend.port}, workers=workers))

    def get(self, client, path="/"):
        client.send(raw.request_bytes(path=path))
        return client.read_response().status

    def test_socket_options_hold_for_connections_and_a_change_loses_none(self):
        gateway = self.gateway(f"socketOptions: [{OF_1000}]", workers=2)
        with gateway.client() as kept:
            self.assertEqual(self.get(kept), 200)
            self.assertLessEqual(segment(kept), 1000)
            gateway.write("gateway.yaml", configs.gateway(options=f"socketOptions: [{OF_800}]"))

            def has_changed():
                with gateway.client() as client:
                    self.assertEqual(self.get(client), 200)
                    return segment(client) <= 800
            until(has_changed, "new connections with the new option")
            self.assertEqual(self.get(kept), 200, "the connection of before goes on")
            self.assertEqual(gateway.status("gateways", "gateway-proxy"), ("Accepted", ""))

            refused = OF_800 + ", {description: no such option, level: 6, name: 9999, bufValue: AQAAAA==, state: STATE_LISTENING}"
            gateway.write("gateway.yaml", configs.gateway(options=f"socketOptions: [{refused}]"))
            until(lambda: gateway.status("gateways", "gateway-proxy")[0] == "Rejected", "the option to be refused")
            self.assertRegex(gateway.status("gateways", "gateway-proxy")[1],
                             r'refuses the socket option "no such option" \(level 6, name 9999\): Protocol not available')
            self.assertTrue(has_changed(), "the sockets of before go on")

            gateway.write("gateway.yaml", configs.gateway())
            until(lambda: gateway.status("gateways", "gateway-proxy") == ("Accepted", ""), "the Gateway to be accepted again")

            def is_as_ever():
                with gateway.client() as client:
                    return self.get(client) == 200 and segment(client) > 1000
            until(is_as_ever, "new connections without an option")
            self.assertEqual(self.get(kept), 200)

    def test_connections_are_spread_evenly(self):
        gateway = self.gateway("connectionBalanceConfig: {exactBalance: {}}", workers=3)

        def spread():
            return sorted(value for name, value in gateway.metrics().items() if name.startswith("envoy_listener_worker_downstream_cx_active"))
        clients = [self.use_client(gateway) for _ in range(30)]
        for client in clients:
            self.assertEqual(self.get(client), 200)
        self.assertEqual(spread(), [10, 10, 10])
        for client in clients[:15]:
            client.close()
        until(lambda: sum(spread()) == 15, "connections to be gone")
        for _ in range(15):
            self.assertEqual(self.get(self.use_client(gateway)), 200)
        self.assertEqual(spread(), [10, 10, 10])
        gateway.write("gateway.yaml", configs.gateway())
        until(lambda: gateway.object("gateways", "gateway-proxy")["spec"].get("options") is None, "the change to be seen")
        for client in clients[15:]:
            self.assertEqual(self.get(client), 200, "connections stay where they are")
        self.assertEqual(gateway.fetch("/").status, 200)

    def use_client(self, gateway):
        client = gateway.client()
        self.addCleanup(client.close)
        return client

    def test_what_the_system_knows_of_connections_is_counted(self):
        gateway = self.gateway("tcpStats: true")
        address = f'{{envoy_listener_address="127.0.0.1_{gateway.port}"}}'

        def count(what):
            return gateway.metrics()[f"envoy_listener_tcp_stats_cx_{what}{address}"]
        sent = raw.request_bytes(path="/counted")
        with gateway.client() as client:
            client.send(sent)
            received = client.read_response()
            self.assertEqual(received.status, 200)
            self.assertEqual(count("rx_bytes_received"), 0, "it is told at the end")
        # Linux counts the client's end as a byte.
        until(lambda: count("rx_bytes_received") == len(sent) + 1, "what came to be counted")
        self.assertGreater(count("tx_bytes_sent"), len(received.body))
        self.assertGreaterEqual(count("rx_data_segments"), 1)
        self.assertGreaterEqual(count("tx_segments"), count("tx_data_segments"))
        self.assertEqual(count("rtt_us_count"), 1)
        gateway.write("gateway.yaml", configs.gateway())

        def is_not_counted():
            before, ended = count("rtt_us_count"), gateway.metric("^envoy_listener_downstream_cx_destroy")
            self.assertEqual(gateway.fetch("/").status, 200)
            until(lambda: gateway.metric("^envoy_listener_downstream_cx_destroy") > ended, "its end")
            return count("rtt_us_count") == before
        until(is_not_counted, "connections not to be counted any more")

    def test_a_client_of_http2_has_drainTimeout_to_hear_that_it_is_to_go(self):
        gateway = self.gateway("", http="httpConnectionManagerSettings: {drainTimeout: 1200ms}")
        with gateway.client() as client:
            client.send(PREFACE + b"\0\0\0\4\0\0\0\0\0")

            def frame():
                head = client.read_exactly(9)
                return head[3], head[4], client.read_exactly(int.from_bytes(head[:3], "big"))
            while frame()[0] != 4:  # SETTINGS
                pass
            asked = time.monotonic()
            gateway.process.popen.terminate()
            lasts = []
            while len(lasts) < 2:  # a PING comes between, and is not answered
                kind, _, payload = frame()
                if kind == 7:
                    lasts.append(struct.unpack(">I", payload[:4])[0] & 0x7FFFFFFF)
            took = time.monotonic() - asked
            self.assertEqual(lasts, [0x7FFFFFFF, 0])
            self.assertGreaterEqual(took, 1.2)
            self.assertLess(took, 4, "five seconds are what it is without drainTimeout")
