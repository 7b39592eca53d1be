"""What takes too long for every day: `make soak`. SLUICE_SOAK_MINUTES is how long the load lasts."""

import os
import random
import threading
import time

from harness import configs
from harness.backend import CLOSE, Backend
from harness.case import Case
from harness.gateway import Gateway
from harness.waiting import until

MINUTES = float(os.environ.get("SLUICE_SOAK_MINUTES", "30"))
SETTLED_AFTER = 2500    # changes: the API remembers 2,000 for those who watch, and grows until then


class LargeBodies(Case):
    SIZE = 10 << 30

    def test_ten_gibibytes_pass_in_little_memory_both_ways(self):
        backend = self.use(Backend())
        block = b"x" * (1 << 20)

        def flood(connection, request):
            connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {self.SIZE}\r\n\r\n")
            for _ in range(self.SIZE // len(block)):
                connection.send(block)
            return CLOSE

        def swallow(connection, request):
            left = self.SIZE - len(connection.data)
            connection.data = b""
            buffer = bytearray(1 << 20)
            while left:
                got = connection.socket.recv_into(buffer)
                if not got:
                    return CLOSE
                left -= got
            connection.answer(200, "all of it")
            return None
        backend.on("/flood", flood)
        backend.on_head("/swallow", swallow)
        gateway = self.use(Gateway(configs.to_backend(), values={"backend": backend.port}, access_log="off"))
        self.assert_status(gateway.fetch("/"), 200)
        before = peak = gateway.process.memory_kib()
        with gateway.client(timeout=60) as client:
            client.send("GET /flood HTTP/1.1\r\nHost: a\r\n\r\n")
            client.read_head()
            left, buffer, turn = self.SIZE - len(client.data), bytearray(1 << 20), 0
            while left:
                got = client.socket.recv_into(buffer)
                self.assertTrue(got)
                left -= got
                turn += 1
                if turn % 1000 == 0:
                    peak = max(peak, gateway.process.memory_kib())
        with gateway.client(timeout=60) as client:
            client.send(f"POST /swallow HTTP/1.1\r\nHost: a\r\nContent-Length: {self.SIZE}\r\n\r\n")
            for turn in range(self.SIZE // len(block)):
                client.send(block)
                if turn % 1000 == 0:
                    peak = max(peak, gateway.process.memory_kib())
            self.assertEqual(client.read_response().body, b"all of it")
        self.assertLess(peak - before, 64 << 10)


class LongLoad(Case):
    def test_load_and_changes_for_a_long_time_leave_nothing_behind(self):
        """Requests of all sorts, clients that leave, snapshots that change: memory and descriptors stay where they were."""
        backend = self.use(Backend(default=lambda connection, request: connection.answer(200, "x" * random.randrange(20000))))

        def version(number):
            return configs.virtual_service(
                f"- matchers: [{{prefix: /}}]\n  options: {{headerManipulation: {{responseHeadersToAdd: [{{header: {{key: v, value: '{number}'}}}}]}}}}\n"
                f"  {configs.TO_BACKEND}", "dlp: {actions: [{actionType: SSN}]}")
        gateway = self.use(Gateway({"upstream.yaml": configs.BACKEND, "vs.yaml": version(0)}, workers=2,
                                   values={"backend": backend.port}, access_log="off"))
        stop, bad = threading.Event(), []

        def load(seed):
            chance = random.Random(seed)
            while not stop.is_set():
                try:
                    with gateway.client() as client:
                        for _ in range(chance.randrange(1, 30)):
                            body = "y" * chance.choice((0, 0, 10, 5000))
                            client.send(f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n{body}")
                            if chance.random() < 0.02:
                                client.reset()
                                break
                            response = client.read_response()
                            if response.status != 200:
                                bad.append(f"{response}")
                except (AssertionError, OSError) as error:
                    if "Bad file descriptor" not in str(error):
                        bad.append(f"{error}")
        threads = [threading.Thread(target=load, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        deadline, number, settled = time.monotonic() + MINUTES * 60, 0, None
        try:
            while time.monotonic() < deadline:
                number += 1
                gateway.write("vs.yaml", version(number))
                until(lambda: gateway.fetch("/").header("v") == f"{number}", f"version {number}", 30)
                if settled is None and number > SETTLED_AFTER:
                    settled = (gateway.process.memory_kib(), gateway.process.descriptors())
        finally:
            stop.set()
            for thread in threads:
                thread.join()
            backend.requests.clear()
        self.assertEqual(bad[:5], [])
        self.assertIsNotNone(settled, f"only {number} changes in {MINUTES} minutes")
        until(lambda: gateway.process.descriptors() <= settled[1] + 16, "descriptors to be closed", 30)
        self.assertLess(gateway.process.memory_kib(), settled[0] * 1.3 + 4096, f"after {number} changes")
