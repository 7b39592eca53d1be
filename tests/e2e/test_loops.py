"""How workers wait: by epoll, or with io_uring beside it, by --loop and by what the kernel gives."""

import hashlib
import os
import pathlib
import re
import subprocess
import sys
import unittest.mock

from harness import configs
from harness.backend import Backend
from harness.case import Case
from harness.gateway import Gateway, sluice_program
from harness.waiting import until

FILES = {"upstream.yaml": configs.BACKEND,
         "vs.yaml": configs.virtual_service(f"- matchers: [{{prefix: /}}]\n  {configs.TO_BACKEND}")}
WITHOUT = [sys.executable, pathlib.Path(__file__).resolve().parents[1] / "harness/without_io_uring.py"]
LARGE = bytes(range(256)) * 4000


def kernel_has_io_uring():
    """Whether a process may make one here, as sluice itself tries it."""
    probe = subprocess.run([sys.executable, "-c", "import ctypes; print(ctypes.CDLL(None, use_errno=True).syscall(425, 8, "
                            "ctypes.create_string_buffer(120)))"], capture_output=True, text=True, check=True)
    return int(probe.stdout) >= 0


class ForbiddenGateway(Gateway):
    def start(self, wait=True):
        self.limited = WITHOUT
        super().start(wait)


class Loops(Case):
    def setUp(self):
        # These say themselves by what a gateway runs, or ask what it takes.
        environment = unittest.mock.patch.dict(os.environ)
        environment.start()
        self.addCleanup(environment.stop)
        os.environ.pop("SLUICE_LOOP", None)

    def gateway(self, *arguments, kind=Gateway, **keywords):
        self.backend = self.use(Backend())
        self.backend.on("/echo", lambda connection, request: connection.answer(200, request.body))
        return self.use(kind(FILES, values={"backend": self.backend.port}, workers=2, arguments=arguments, **keywords))

    def assert_serves(self, gateway):
        with gateway.client() as client:
            for n in range(50):
                body = f"small {n}".encode()
                client.send(f"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
                response = client.read_response("POST")
                self.assert_status(response, 200)
                self.assertEqual(response.body, body)
            client.send(f"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {len(LARGE)}\r\n\r\n".encode())
            client.send(LARGE)
            response = client.read_response("POST")
            self.assertEqual(hashlib.sha256(response.body).digest(), hashlib.sha256(LARGE).digest())

    def rings(self, gateway):
        return gateway.metric(r"^sluice_io_uring_workers")

    def test_epoll_serves(self):
        gateway = self.gateway("--loop", "epoll")
        self.assert_serves(gateway)
        self.assertFalse(self.rings(gateway))

    def test_io_uring_serves_and_large_bodies_go_by_calls(self):
        if not kernel_has_io_uring():
            self.skipTest("the kernel gives no io_uring here")
        for arguments in ((), ("--loop", "auto"), ("--loop", "io_uring")):
            with self.subTest(arguments):
                gateway = self.gateway(*arguments)
                until(lambda: self.rings(gateway) == 2, "both workers to have a ring")
                gateway.says("event loops.*io_uring")
                with gateway.client() as client:
                    for _ in range(20):
                        client.send("GET /small HTTP/1.1\r\nHost: a\r\n\r\n")
                        self.assert_status(client.read_response(), 200)
                self.assertEqual(gateway.metric(r"^sluice_io_uring_by_calls_total"), 0)
                self.assert_serves(gateway)
                self.assertGreater(gateway.metric(r"^sluice_io_uring_by_calls_total"), 0)

    def test_where_it_is_forbidden_epoll_serves_and_the_log_says_so(self):
        gateway = self.gateway(kind=ForbiddenGateway)
        self.assert_serves(gateway)
        self.assertFalse(self.rings(gateway))
        gateway.says("event loops.*epoll")

    def test_who_asks_for_it_where_it_is_forbidden_is_told_why_it_does_not_start(self):
        gateway = self.gateway("--loop", "epoll")
        gateway.process.stop()                         # for its ports and its folder
        arguments = [a if a != "epoll" else "io_uring" for a in gateway.arguments]
        ended = subprocess.run([str(a) for a in [*WITHOUT, sluice_program(), *arguments]], capture_output=True, text=True, timeout=30)
        self.assertEqual(ended.returncode, 3)
        self.assertRegex(ended.stderr, re.compile("io_uring.*not permitted", re.I))
