"""Bodies that nobody looks at, which pass from socket to socket: whole, in order, and not one byte more."""

import hashlib
import threading

from harness import configs, raw
from harness.backend import CLOSE, Backend
from harness.case import Case
from harness.gateway import Gateway
from harness.waiting import until

SIZE = 6 << 20
BODY = hashlib.shake_256(b"sluice").digest(SIZE)


def whole(connection, _request):
    connection.answer(200, BODY)


def cut(connection, _request):
    connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n")
    connection.send(BODY[: SIZE // 2])
    return CLOSE


def slow(connection, _request):
    connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n")
    for at in range(0, SIZE, SIZE // 64):
        connection.send(BODY[at : at + SIZE // 64])


class LargeBodies(Case):
    @classmethod
    def setUpClass(cls):
        cls.backend = cls.share(Backend())
        for path, behaviour in {"/whole": whole, "/cut": cut, "/slow": slow}.items():
            cls.backend.on(path, behaviour)
        routes = f"- matchers: [{{prefix: /}}]\n  {configs.TO_BACKEND}"
        cls.gateway = cls.share(Gateway({"upstream.yaml": configs.BACKEND, "vs.yaml": configs.virtual_service(routes)},
                                        values={"backend": cls.backend.port}))

    def get(self, client, path):
        client.send(raw.request_bytes(path=path))
        response = client.read_response()
        self.assertEqual(response.status, 200)
        self.assertEqual(len(response.body), SIZE)
        self.assertEqual(hashlib.sha256(response.body).digest(), hashlib.sha256(BODY).digest())

    def test_arrive_whole_one_after_the_other_on_one_connection(self):
        with self.gateway.client() as client:
            for path in ("/whole", "/slow", "/whole"):
                self.get(client, path)
        line = self.gateway.log_line("/slow")
        self.assertIn(f" {SIZE} ", line)

    def test_arrive_whole_however_many_there_are_and_however_slowly_they_are_read(self):
        errors = []

        def one(number):
            try:
                with self.gateway.client(receive_buffer=4096 if number % 2 else None) as client:
                    self.get(client, "/whole")
            except Exception as error:  # noqa: BLE001
                errors.append(error)

        threads = [threading.Thread(target=one, args=(number,)) for number in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])
        until(lambda: self.gateway.metric(r"^envoy_cluster_upstream_rq_active\{") == 0, "no request is under way")

    def test_do_not_look_whole_when_they_were_cut(self):
        received = r"^envoy_cluster_upstream_cx_rx_bytes_total\{"
        before = self.gateway.metric(received)
        with self.gateway.client() as client:
            client.send(raw.request_bytes(path="/cut"))
            head = client.read_head()
            self.assertEqual(head.status, 200)
            self.assertEqual(len(client.read_to_end()), SIZE // 2)
        self.assertIn("upstream_reset_after_response_started", self.gateway.log_line("/cut"))
        self.assertGreaterEqual(self.gateway.metric(received) - before, SIZE // 2)

    def test_whose_client_leaves_cost_nothing_in_the_end(self):
        for _ in range(10):
            with self.gateway.client(receive_buffer=4096) as client:
                client.send(raw.request_bytes(path="/whole?left"))
                client.read_exactly(100_000)
                client.reset()
        until(lambda: self.gateway.metric(r"^envoy_cluster_upstream_rq_active\{") == 0, "no request is under way")
        with self.gateway.client() as client:
            self.get(client, "/whole")
