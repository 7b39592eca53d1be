"""Data loss prevention on answers, however they arrive: cut anywhere, encoded, slow, without an end."""

import gzip
import threading
import zlib

from harness import configs
from harness.backend import Backend
from harness.case import Case, rows
from harness.gateway import Gateway

TEXT = b"a 123-45-6789 b 4111-1111-1111-1111 c 5500 0000 0000 0004 d 123456789 e 12345 f"
MASKED = b"a XXX-XX-X789 b XXXX-XXXX-XXXX-1111 c XXXX XXXX XXXX 0004 d XXXXXXX89 e 12345 f"
ACTIONS = "dlp: {actions: [{actionType: SSN}, {actionType: ALL_CREDIT_CARDS}]}"


class Masking(Case):
    @classmethod
    def setUpClass(cls):
        cls.backend = cls.share(Backend())
        routes = f"""\
- matchers: [{{prefix: /custom}}]
  options:
    dlp:
      actions:
      - customAction:
          name: words
          regexActions: [{{regex: 'secret-(\\w{{4}})', subgroup: 1}}]
          maskChar: '*'
          percent: {{value: 100}}
  {configs.TO_BACKEND}
- matchers: [{{prefix: /shadow}}]
  options: {{dlp: {{actions: [{{actionType: SSN, shadow: true}}]}}}}
  {configs.TO_BACKEND}
- matchers: [{{prefix: /}}]
  {configs.TO_BACKEND}"""
        files = {"upstream.yaml": configs.BACKEND, "vs.yaml": configs.virtual_service(routes, ACTIONS)}
        cls.gateway = cls.share(Gateway(files, values={"backend": cls.backend.port}))

    def test_a_body_with_a_length_keeps_it(self):
        self.backend.on("/plain", lambda c, r: c.answer(200, TEXT))
        response = self.gateway.fetch("/plain")
        self.assertEqual((response.body, response.header("content-length")), (MASKED, str(len(MASKED))))

    def test_a_cut_at_any_byte_hides_nothing(self):
        self.backend.on("/cut", lambda c, r: c.answer_chunked([part for part in (TEXT[:int(r.header("x-cut"))], TEXT[int(r.header("x-cut")):])
                                                               if part]))
        with self.gateway.client() as client:
            for cut in range(len(TEXT) + 1):
                client.send(f"GET /cut HTTP/1.1\r\nHost: a\r\nx-cut: {cut}\r\n\r\n")
                self.assertEqual(client.read_response().body, MASKED, f"cut at {cut}")

    def test_a_cut_at_any_byte_with_a_pause_between_hides_nothing(self):
        """The first part was read and passed on as far as it may be before the second is sent."""
        go = threading.Event()

        def behaviour(connection, request):
            cut = int(request.header("x-cut"))
            connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(TEXT)}\r\n\r\n".encode() + TEXT[:cut])
            go.wait(5)
            connection.send(TEXT[cut:])
        self.backend.on("/slow", behaviour)
        with self.gateway.client() as client:
            for cut in range(1, len(TEXT)):
                go.clear()
                client.send(f"GET /slow HTTP/1.1\r\nHost: a\r\nx-cut: {cut}\r\n\r\n")
                head = client.read_head()
                self.assert_status(head, 200)
                client.silent(0.005)
                go.set()
                self.assertEqual(client.read_exactly(len(MASKED)), MASKED, f"cut at {cut}")

    def test_every_byte_alone_hides_nothing(self):
        self.backend.on("/bytes", lambda c, r: c.answer_chunked([bytes([b]) for b in TEXT]))
        self.assertEqual(self.gateway.fetch("/bytes").body, MASKED)

    def test_what_cannot_begin_a_number_leaves_at_once(self):
        go = threading.Event()
        self.addCleanup(go.set)

        def events(connection, request):
            connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            connection.send("d\r\ndata: hello\n\n\r\n")
            go.wait(10)
            connection.send("0\r\n\r\n")
        self.backend.on("/events", events)
        with self.gateway.client() as client:
            client.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
            client.read_head()
            data = b""
            while b"hello\n\n" not in data:
                line = client.read_line()
                data += client.read_exactly(int(line, 16))
                client.read_exactly(2)
            go.set()

    def test_a_body_that_ends_with_the_connection_is_masked(self):
        self.backend.answers("/close", b"HTTP/1.1 200 OK\r\n\r\n" + TEXT, close=True)
        self.assertEqual(self.gateway.fetch("/close").body, MASKED)

    @rows({"gzip": ("gzip", gzip.compress(TEXT)), "x-gzip": ("x-gzip", gzip.compress(TEXT)), "deflate": ("deflate", zlib.compress(TEXT)),
           "two members": ("gzip", gzip.compress(TEXT[:20]) + gzip.compress(TEXT[20:])), "upper case": ("GZIP", gzip.compress(TEXT))})
    def encoded(self, coding, body):
        self.backend.on("/encoded", lambda c, r: c.answer(200, body, [("Content-Encoding", coding), ("ETag", '"x"')]))
        response = self.gateway.fetch("/encoded")
        self.assertEqual((response.status, response.body, response.header("content-encoding")), (200, MASKED, None))
        self.assertIsNone(response.header("etag"))

    @rows({"unknown": "rot13", "two codings of which one is unknown": "gzip, rot13"})
    def another_coding_is_502(self, coding):
        self.backend.on("/unknown", lambda c, r: c.answer(200, TEXT, [("Content-Encoding", coding)]))
        self.assert_status(self.gateway.fetch("/unknown"), 502)

    def test_a_bomb_is_not_unpacked(self):
        bomb = gzip.compress(bytes(200 << 20), 9)
        self.backend.on("/bomb", lambda c, r: c.answer(200, bomb, [("Content-Encoding", "gzip")]))
        before = self.gateway.process.memory_kib()
        with self.gateway.client() as client:
            client.send("GET /bomb HTTP/1.1\r\nHost: a\r\n\r\n")
            try:
                head = client.read_head()
                if head.status == 200:
                    client.socket.settimeout(20)
                    count = 0
                    while True:
                        part = client.socket.recv(1 << 20)
                        if not part:
                            break
                        count += len(part)
                    self.assertLess(count, 200 << 20)
            except OSError:
                pass
        self.assertLess(self.gateway.process.memory_kib() - before, 32 << 10)

    @rows({"garbage": b"this is no gzip at all 123-45-6789", "cut short": gzip.compress(TEXT)[:-10], "empty": b""})
    def a_broken_encoding_never_shows_the_number(self, body):
        self.backend.on("/broken", lambda c, r: c.answer(200, body, [("Content-Encoding", "gzip")]))
        with self.gateway.client() as client:
            client.send("GET /broken HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            self.assertNotIn(b"123-45-6789", client.read_to_end())

    def test_a_part_of_a_file_is_masked_and_several_parts_are_502(self):
        self.backend.on("/range", lambda c, r: c.answer(206, TEXT, [("Content-Range", f"bytes 0-{len(TEXT) - 1}/1000")], "Partial Content"))
        response = self.gateway.fetch("/range")
        self.assertEqual((response.status, response.body), (206, MASKED))
        self.backend.on("/ranges", lambda c, r: c.answer(206, TEXT, [("Content-Type", "multipart/byteranges; boundary=x")], "Partial Content"))
        self.assert_status(self.gateway.fetch("/ranges"), 502)

    def test_head_and_empty_answers_pass(self):
        self.backend.on("/head", lambda c, r: c.send("HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n"))
        self.assertEqual(self.gateway.fetch("/head", method="HEAD").header("content-length"), "77")
        self.backend.on("/empty", lambda c, r: c.send("HTTP/1.1 204 No Content\r\n\r\n"))
        self.assert_status(self.gateway.fetch("/empty"), 204)

    def test_a_route_replaces_the_virtual_hosts_actions(self):
        self.backend.on("/custom", lambda c, r: c.answer(200, b"secret-abcd secret-efghi 123-45-6789"))
        self.assertEqual(self.gateway.fetch("/custom").body, b"secret-**** secret-****i 123-45-6789")

    def test_a_shadow_action_counts_and_changes_nothing(self):
        self.backend.on("/shadow", lambda c, r: c.answer(200, TEXT))
        self.assertEqual(self.gateway.fetch("/shadow").body, TEXT)

    def test_the_request_is_not_masked(self):
        self.backend.on("/request", lambda c, r: c.answer(200, b"ok"))
        self.gateway.fetch("/request", method="POST", body=TEXT)
        self.assertEqual(self.backend.seen("/request")[-1].body, TEXT)

    def test_a_large_body_streams(self):
        block = (b"x" * 1000 + b" 123-45-6789 ") * 64
        self.backend.on("/large", lambda c, r: c.answer_chunked([block] * 100))
        body = self.gateway.fetch("/large", timeout=30).body
        self.assertEqual(len(body), len(block) * 100)
        self.assertEqual((body.count(b"XXX-XX-X789"), body.count(b"123-45-6789")), (6400, 0))


class UnboundedRegexes(Case):
    def test_a_body_over_the_buffer_is_500_and_never_unmasked(self):
        backend = self.use(Backend())
        backend.on("/small", lambda c, r: c.answer(200, b"begin secret end"))
        backend.on("/large", lambda c, r: c.answer(200, b"begin secret " + b"x" * 5000 + b" end"))
        options = "dlp: {actions: [{customAction: {name: all, regex: ['begin.*end'], percent: {value: 100}}}]}"
        files = {"gateway.yaml": configs.gateway(options="perConnectionBufferLimitBytes: 2048"), "upstream.yaml": configs.BACKEND,
                 "vs.yaml": configs.virtual_service(f"- matchers: [{{prefix: /}}]\n  {configs.TO_BACKEND}", options)}
        gateway = self.use(Gateway(files, values={"backend": backend.port}))
        self.assertEqual(gateway.fetch("/small").body, b"XXXXX XXXXXX XXX")
        response = gateway.fetch("/large")
        self.assertEqual(response.status, 500)
        self.assertNotIn(b"secret", response.body)
