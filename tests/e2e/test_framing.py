"""The framing rules F1 to F18 and F22 to F25, on the sides they name: raw requests in, raw responses back."""

import threading

from harness import configs, raw
from harness.backend import CLOSE, Backend, echo_of
from harness.case import Case, rows
from harness.gateway import Gateway
from harness.waiting import until

HEAD = "POST / HTTP/1.1\r\nHost: a\r\n"


def chunked(body):
    return f"{HEAD}Transfer-Encoding: chunked\r\n\r\n{body}"


def field(line):
    return f"GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n"


class Framing(Case):
    @classmethod
    def setUpClass(cls):
        cls.backend = cls.share(Backend())
        routes = f"""\
- matchers: [{{exact: /direct}}]
  directResponseAction: {{status: 200, body: direct}}
- matchers: [{{prefix: /}}]
  {configs.TO_BACKEND}"""
        cls.gateway = cls.share(Gateway({"upstream.yaml": configs.BACKEND, "vs.yaml": configs.virtual_service(routes)},
                                        values={"backend": cls.backend.port}))

    def setUp(self):
        self.backend.clear()
        self.backend.failures.clear()

    def tearDown(self):
        self.assertEqual(self.backend.failures, [], "what reached the destination is no HTTP")


class RequestsThatAreRefused(Framing):
    """Status, then the connection is closed, and what follows in the stream is never taken for a request."""

    def refuse(self, data, *statuses):
        smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        with self.gateway.client() as client:
            client.send(data)
            try:
                client.send(smuggled)
            except OSError:
                pass        # it hung up already
            response = client.read_response()
            self.assertIn(response.status, statuses, f"{response}")
            self.assertTrue(client.closed(), f"the connection stays open after {response}, then {client.data[:200]!r}")
        self.assertEqual(self.backend.seen("/smuggled"), [])
        return response

    @rows({
        "content-length and transfer-encoding":
            f"{HEAD}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "transfer-encoding and content-length":
            f"{HEAD}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        "both, zero length": f"{HEAD}Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
    })
    def f1(self, data):
        self.refuse(data, 400)

    @rows({
        "chunked twice": "chunked, chunked", "chunked twice without space": "chunked,chunked", "empty": "", "a comma": ",",
        "an empty element behind": "chunked,", "with a space": "chunked , ", "an empty element in front": ",chunked",
        "a tab between commas": "chunked,\t,",
    })
    def f2(self, value):
        self.refuse(f"{HEAD}Transfer-Encoding: {value}\r\n\r\n0\r\n\r\n", 400)

    @rows({
        "unknown": "rot13", "unknown before chunked": "rot13, chunked", "nearly chunked": "xchunked",
        "quoted": '"chunked"', "with a parameter": "chunked;a=b", "identity": "identity", "two words": "chunked bar",
        "gzip alone": "gzip", "chunked before gzip": "chunked, gzip",
    })
    def f2_unknown(self, value):
        self.refuse(f"{HEAD}Transfer-Encoding: {value}\r\n\r\n0\r\n\r\n", 400, 501)

    @rows({
        "two lines": "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "two lines of which one is unknown": "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "a vertical tab": "Transfer-Encoding: \x0bchunked", "a space before the colon": "Transfer-Encoding : chunked",
        "folded": "Transfer-Encoding:\r\n chunked", "a nul": "Transfer-Encoding: chunked\0",
    })
    def f2_spelling(self, line):
        self.refuse(f"{HEAD}{line}\r\n\r\n0\r\n\r\n", 400, 501)

    def test_f3_transfer_encoding_in_http_1_0(self):
        self.refuse("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400)

    @rows({"two different": "Content-Length: 5\r\nContent-Length: 6", "a list of two": "Content-Length: 5, 6",
           "one empty": "Content-Length: 5\r\nContent-Length:"})
    def f4(self, lines):
        self.refuse(f"{HEAD}{lines}\r\n\r\nhello", 400)

    @rows({"plus": "+5", "minus": "-5", "hex": "0x5", "empty": "", "inner space": "5 5", "trailing comma": "5,", "leading comma": ",5",
           "a letter": "5a", "a dot": "5.0", "exponent": "5e0", "over 2^63": "9223372036854775808", "over 2^64": "18446744073709551621",
           "far too long": "9" * 40, "quoted": '"5"', "underscore": "1_0"})
    def f5(self, value):
        self.refuse(f"{HEAD}Content-Length: {value}\r\n\r\nhello", 400)

    @rows({
        "no hex": "g\r\nhello\r\n0\r\n\r\n", "no digits": "\r\nhello\r\n0\r\n\r\n", "minus": "-5\r\nhello\r\n0\r\n\r\n",
        "plus": "+5\r\nhello\r\n0\r\n\r\n", "0x": "0x5\r\nhello\r\n0\r\n\r\n", "a leading space": " 5\r\nhello\r\n0\r\n\r\n",
        "17 digits": "00000000000000005\r\nhello\r\n0\r\n\r\n", "overflow": "10000000000000000\r\nhello\r\n0\r\n\r\n",
        "nearly 2^64": "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
        "no CRLF after the data": "5\r\nhelloX\r\n0\r\n\r\n", "a bare LF after the data": "5\r\nhello\n0\r\n\r\n",
        "a bare LF after the size": "5\nhello\r\n0\r\n\r\n", "a bare CR after the size": "5\rhello\r\n0\r\n\r\n",
        "two bytes instead of CRLF": "5\r\nhelloab0\r\n\r\n", "a long extension": "5;" + "a" * 5000 + "\r\nhello\r\n0\r\n\r\n",
        "many small extensions": ("1;" + "a" * 100 + "\r\nx\r\n") * 50 + "0\r\n\r\n",
        "a control byte in an extension": "5;a=\x01\r\nhello\r\n0\r\n\r\n", "a bare LF in an extension": "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "a bare LF at the end": "5\r\nhello\r\n0\r\n\n", "bad trailers": "0\r\nbad trailer\r\n\r\n",
        "a folded trailer": "0\r\nx: a\r\n b\r\n\r\n", "an underscore": "5_0\r\nhello\r\n0\r\n\r\n",
    })
    def f6(self, body):
        self.refuse(chunked(body), 400)

    @rows({
        "a CR in a value": field("x: a\rb"), "a nul in a value": field("x: a\0b"), "a control byte in a value": field("x: a\x01b"),
        "delete in a value": field("x: a\x7fb"), "a CR in the request line": "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n",
        "a nul in the request line": "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", "a tab in the request line": "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n",
        "a control byte in the target": "GET /\x02 HTTP/1.1\r\nHost: a\r\n\r\n", "a nul in a name": field("x\0y: a"),
        "a space in the target": "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "two spaces": "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    })
    def f8(self, data):
        self.refuse(data, 400)

    @rows({
        "everywhere": "GET / HTTP/1.1\nHost: a\n\n", "after the request line": "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "after a field": "GET / HTTP/1.1\r\nHost: a\nx: y\r\n\r\n", "at the end": "GET / HTTP/1.1\r\nHost: a\r\n\n",
    })
    def f9_bare_lf(self, data):
        self.refuse(data, 400)

    @rows({
        "a space": field("x : a"), "a tab": field("x\t: a"), "no name": field(": a"), "no colon": field("x"),
        "a bracket in a name": field("x(y): a"), "a quote in a name": field('x"y: a'), "a letter beyond ascii": field("x\xe9: a"),
        "host with a space": "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "content-length with a space": f"{HEAD}Content-Length : 5\r\n\r\nhello",
    })
    def f10(self, data):
        self.refuse(data, 400)

    @rows({"space": field("x: a\r\n b"), "tab": field("x: a\r\n\tb"), "an empty fold": field("x: a\r\n ")})
    def f11_obs_fold(self, data):
        self.refuse(data, 400)

    @rows({"a space": "GET / HTTP/1.1\r\n Host: a\r\nHost: b\r\n\r\n", "only white space": "GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n"})
    def f12(self, data):
        self.refuse(data, 400)

    @rows({
        "none": "GET / HTTP/1.1\r\nx: y\r\n\r\n", "two": "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "two of the same": "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "user info": "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "a path": "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "a space": "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "a comma": "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n",
        "a bad port": "GET / HTTP/1.1\r\nHost: a:http\r\n\r\n", "a port too large": "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n",
        "an open bracket": "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "absolute form and no host": "GET http://a/ HTTP/1.1\r\n\r\n",
    })
    def f13_host(self, data):
        self.refuse(data, 400)

    @rows({"no version": "GET /\r\n\r\n", "version 2": "GET / HTTP/2.0\r\nHost: a\r\n\r\n", "lower case": "GET / http/1.1\r\nHost: a\r\n\r\n",
           "version 1.10": "GET / HTTP/1.10\r\nHost: a\r\n\r\n", "not http": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
           "a leading space": " GET / HTTP/1.1\r\nHost: a\r\n\r\n", "an authority alone": "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
           "another scheme": "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"})
    def request_lines(self, data):
        self.refuse(data, 400, 505)

    @rows({"no token": "G@T", "a bracket": "G(T", "empty": ""})
    def f22_method(self, method):
        self.refuse(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n", 400)

    @rows({"line": ("GET /" + "a" * 8200 + " HTTP/1.1\r\nHost: a\r\n\r\n", 414),
           "a line without an end": ("GET /" + "a" * 20000, 414),
           "one field": (field("x: " + "a" * 16500), 431), "a name without an end": ("GET / HTTP/1.1\r\nHost: a\r\n" + "x" * 20000, 431),
           "count": ("GET / HTTP/1.1\r\nHost: a\r\n" + "x: y\r\n" * 101 + "\r\n", 431),
           "block": ("GET / HTTP/1.1\r\nHost: a\r\n" + ("x: " + "a" * 8000 + "\r\n") * 8 + "\r\n", 431)})
    def f23_limits(self, data, status):
        self.refuse(data, status)

    def test_f24_another_expectation_is_417(self):
        with self.gateway.client() as client:
            client.send(f"{HEAD}Expect: 200-ok\r\nContent-Length: 5\r\n\r\n")
            self.assertEqual(client.read_response().status, 417)

    @rows({"connect": "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "trace": "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"})
    def f22_only_by_rule(self, data):
        method = data.split()[0]
        self.assertEqual(self.refuse(data, 405).body.decode(), f"{method} is not supported on this listener")
        self.assertEqual(self.backend.requests, [])

    def test_https_targets_are_not_sent_in_clear(self):
        response = self.refuse("GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 501)
        self.assertIn(b"it is not sent in the clear (ProxySettings.destinations.scheme has it go by TLS)", response.body)
        self.assertEqual(self.backend.requests, [])


class RequestsThatPass(Framing):
    def sees(self, data, method="GET"):
        """What the destination got for raw bytes, after which the connection goes on."""
        with self.gateway.client() as client:
            client.send(data)
            response = client.read_response(method)
            self.assert_status(response, 200)
            client.send("GET /again HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assert_status(client.read_response(), 200)
        return self.backend.requests[0]

    @rows({"twice": "Content-Length: 5\r\nContent-Length: 5", "a list": "Content-Length: 5, 5", "three": "Content-Length: 5,5\r\nContent-Length: 5",
           "leading zeros": "Content-Length: 005"})
    def f4_equal_lengths_become_one(self, lines):
        seen = self.sees(f"{HEAD}{lines}\r\n\r\nhello")
        self.assertEqual((len(seen.all("content-length")), int(seen.header("content-length")), seen.body), (1, 5, b"hello"))

    @rows({"plain": "5\r\nhello\r\n0\r\n\r\n", "upper and lower hex": "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
           "an extension": "5;a=b;c=\"d\"\r\nhello\r\n0\r\n\r\n", "16 digits": "0000000000000005\r\nhello\r\n0\r\n\r\n",
           "many zeros at the end": "5\r\nhello\r\n000\r\n\r\n", "one byte each": "1\r\nh\r\n1\r\ni\r\n0\r\n\r\n"})
    def f6_chunks(self, body):
        seen = self.sees(chunked(body))
        self.assertTrue(seen.chunked)
        self.assertTrue(seen.body)
        self.assertEqual(seen.all("content-length"), [])

    def test_f2_case_does_not_matter(self):
        self.assertEqual(self.sees(f"{HEAD}Transfer-Encoding: CHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n").body, b"abc")

    def test_every_byte_may_come_alone(self):
        with self.gateway.client() as client:
            client.send_slowly(chunked("5\r\nhello\r\n0\r\n\r\n").encode())
            self.assertEqual(echo_of(client.read_response())["body"], "hello")

    def test_empty_lines_before_a_request_are_skipped(self):
        self.sees("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")

    def test_f7_trailers_go_on_when_they_were_offered(self):
        seen = self.sees("POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\nTransfer-Encoding: chunked\r\n\r\n"
                         "1\r\nx\r\n0\r\nx-sum: 7\r\nContent-Length: 9\r\nHost: evil\r\nAuthorization: y\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.assertEqual([(name.lower(), value) for name, value in seen.trailers], [("x-sum", "7")])

    def test_f7_trailers_are_dropped_when_they_were_not_offered(self):
        self.assertEqual(self.sees(chunked("1\r\nx\r\n0\r\nx-sum: 7\r\n\r\n")).trailers, [])

    @rows({"lower case": "get", "unknown": "FROBNICATE", "webdav": "PROPFIND", "odd but valid": "M-SEARCH"})
    def f22_any_token_is_a_method(self, method):
        self.assertEqual(self.sees(f"{method} / HTTP/1.1\r\nHost: a\r\n\r\n").method, method)

    @rows({"http": "http://other.test/p?q=1", "upper case": "HTTP://Other.Test/p?q=1"})
    def absolute_form_becomes_origin_form(self, target):
        seen = self.sees(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual((seen.target, seen.header("host").lower()), ("/p?q=1", "other.test"))

    @rows({"tls": "Upgrade: TLS/1.2\r\nConnection: Upgrade", "h2c": "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk",
           "unheard of": "Upgrade: x/1, y\r\nConnection: upgrade"})
    def f25_offers_that_nobody_takes(self, lines):
        seen = self.sees(field(lines))
        names = [name.lower() for name, _ in seen.headers]
        for gone in ("connection", "upgrade", "http2-settings"):
            self.assertNotIn(gone, names)

    def test_options_of_the_server_stays_an_asterisk(self):
        self.assertEqual(self.sees("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").target, "*")

    def test_hop_by_hop_fields_end_here(self):
        seen = self.sees(field("Connection: x-one, keep-alive\r\nx-one: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n"
                               "Proxy-Authorization: Basic eA==\r\nx-two: 2"))
        names = [name.lower() for name, _ in seen.headers]
        for gone in ("connection", "x-one", "keep-alive", "proxy-connection", "proxy-authorization"):
            self.assertNotIn(gone, names)
        self.assertIn("x-two", names)

    @rows({name: name for name in ("Host", "Content-Length", "Authorization", "Cookie", "X-Forwarded-For", "Content-Type")})
    def connection_cannot_strip(self, name):
        seen = self.sees(f"{HEAD}Connection: {name}\r\nAuthorization: a\r\nCookie: b=c\r\nX-Forwarded-For: 10.0.0.1\r\n"
                         "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi")
        self.assertIsNotNone(seen.header(name))
        self.assertEqual(seen.body, b"hi")

    def test_host_comes_first_and_names_are_lower_case(self):
        seen = self.sees("GET / HTTP/1.1\r\nX-One: 1\r\nHost: a\r\nX-TWO: Two\r\n\r\n")
        self.assertEqual(seen.headers[0][0], "host")
        self.assertEqual([name for name, _ in seen.headers if name != name.lower()], [])
        self.assertEqual(seen.header("x-two"), "Two")

    def test_values_go_on_byte_for_byte(self):
        value = "caf\xe9 \t \"quoted\" , ; = x"
        self.assertEqual(self.sees(field(f"x: {value}")).header("x"), value)

    def test_the_limits_themselves_are_allowed(self):
        self.sees("GET / HTTP/1.1\r\nHost: a\r\n" + "x: y\r\n" * 90 + "\r\n")
        self.backend.clear()
        self.sees("GET /" + "a" * 8000 + " HTTP/1.1\r\nHost: a\r\n\r\n")

    def test_f18_a_body_that_nobody_reads_is_no_request(self):
        body = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        with self.gateway.client() as client:
            client.send(f"POST /direct HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n{body}")
            self.assertEqual(client.read_response().body, b"direct")
            client.send("GET /direct HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(client.read_response().body, b"direct")
            client.send(f"POST /direct HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n{body}\r\n0\r\n\r\n")
            self.assertEqual(client.read_response().body, b"direct")
        self.assertEqual(self.backend.requests, [])

    def test_f18_a_large_body_that_nobody_reads_ends_the_connection(self):
        with self.gateway.client() as client:
            client.send("POST /direct HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n")
            self.assertEqual(client.read_response().body, b"direct")
            try:
                for _ in range(2000):
                    client.send(b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n" * 400)
            except OSError:
                pass
            else:
                self.fail("32 MB of a body that nobody reads were taken")
        self.assertEqual(self.backend.requests, [])


class Responses(Framing):
    """What a destination sends back."""

    def through(self, path, method="GET", headers=""):
        with self.gateway.client() as client:
            client.send(f"{method} {path} HTTP/1.1\r\nHost: a\r\n{headers}\r\n")
            response = client.read_response(method)
            client.send("GET /next HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assert_status(client.read_response(), 200)
        return response

    OK = "HTTP/1.1 200 OK\r\n"

    @rows({
        "both framings": f"{OK}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        "two lengths": f"{OK}Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!", "a list of lengths": f"{OK}Content-Length: 2, 3\r\n\r\nhi!",
        "a negative length": f"{OK}Content-Length: -2\r\n\r\nhi", "a length too large": f"{OK}Content-Length: 99999999999999999999\r\n\r\nhi",
        "a signed length": f"{OK}Content-Length: +2\r\n\r\nhi", "an unknown coding": f"{OK}Transfer-Encoding: rot13\r\n\r\nhi",
        "an empty coding": f"{OK}Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n",
        "chunked twice": f"{OK}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        "transfer-encoding in 1.0": "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "a bare LF": "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", "no version": "200 OK\r\nContent-Length: 2\r\n\r\nhi",
        "a bad version": "HTTP/3.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "a bad status": "HTTP/1.1 2x0 OK\r\nContent-Length: 2\r\n\r\nhi",
        "status 99": "HTTP/1.1 99 OK\r\nContent-Length: 2\r\n\r\nhi", "no colon": f"{OK}nonsense\r\nContent-Length: 2\r\n\r\nhi",
        "a nul in a value": f"{OK}x: a\0b\r\nContent-Length: 2\r\n\r\nhi", "a CR in a value": f"{OK}x: a\rb\r\nContent-Length: 2\r\n\r\nhi",
        "an empty name": f"{OK}: b\r\nContent-Length: 2\r\n\r\nhi", "101 that nobody asked for": "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        "17 interim responses": "HTTP/1.1 100 Continue\r\n\r\n" * 17 + f"{OK}Content-Length: 2\r\n\r\nhi",
        "not http": "SSH-2.0-OpenSSH_9.2\r\n\r\n", "a head without an end": f"{OK}x: " + "a" * 200000,
    })
    def f15_become_502(self, data):
        accepted = self.backend.accepted
        self.backend.answers("/bad", data)
        response = self.through("/bad")
        self.assert_status(response, 502)
        self.assertGreater(self.backend.accepted, accepted, "the connection with the bad response was used again")

    @rows({"a space before the colon": (f"{OK}x : a\r\nContent-Length: 2\r\n\r\nhi", "x", "a"),
           "a folded value": (f"{OK}x: a\r\n b\r\nContent-Length: 2\r\n\r\nhi", "x", "a b")})
    def f10_f11_are_mended_or_502(self, data, name, value):
        self.backend.answers("/odd", data)
        response = self.through("/odd")
        if response.status != 502:
            self.assertEqual((response.status, " ".join(response.header(name).split()), response.body), (200, value, b"hi"))

    @rows({
        "204 with a length": ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "GET", 204),
        "204 with chunks announced": ("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", "GET", 204),
        "304 with a length": ("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "GET", 304),
        "HEAD with a length": (f"{OK}Content-Length: 5\r\n\r\n", "HEAD", 200),
        "HEAD with chunks announced": (f"{OK}Transfer-Encoding: chunked\r\n\r\n", "HEAD", 200),
        "HEAD with nothing": (f"{OK}\r\n", "HEAD", 200),
    })
    def f14_have_no_body(self, data, method, status):
        self.backend.answers("/none", data)
        response = self.through("/none", method)
        self.assertEqual((response.status, response.body), (status, b""))

    def test_f14_a_few_interim_responses_are_fine(self):
        self.backend.answers("/early", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 3 + f"{self.OK}Content-Length: 2\r\n\r\nhi")
        self.assertEqual(self.through("/early").body, b"hi")

    @rows({"after a length": f"{OK}Content-Length: 2\r\n\r\nhi", "after chunks": f"{OK}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
           "after 204": "HTTP/1.1 204 No Content\r\n\r\n"})
    def f16_bytes_left_over_are_never_the_next_answer(self, data):
        self.backend.answers("/more", data + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        with self.gateway.client() as client:
            for _ in range(3):
                client.send("GET /more HTTP/1.1\r\nHost: a\r\n\r\n")
                response = client.read_response()
                self.assertIn((response.status, response.body), ((200, b"hi"), (204, b"")))
                client.send("GET /mine HTTP/1.1\r\nHost: a\r\n\r\n")
                self.assertEqual(echo_of(client.read_response())["target"], "/mine")

    @rows({"a length": f"{OK}Content-Length: 10\r\n\r\nhello", "chunks": f"{OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
           "in a chunk": f"{OK}Transfer-Encoding: chunked\r\n\r\nff\r\nhello", "before the last CRLF": f"{OK}Transfer-Encoding: chunked\r\n\r\n0\r\n"})
    def f17_an_early_end_is_never_a_clean_one(self, data):
        self.backend.answers("/short", data, close=True)
        with self.gateway.client() as client:
            client.send("GET /short HTTP/1.1\r\nHost: a\r\n\r\n")
            try:
                response = client.read_response()
            except raw.Incomplete:
                return
            # It may also have been noticed before the head was passed on.
            self.assertIn(response.status, (502, 503), f"{response}")

    @rows({"in a chunk size": "5\r\nhello\r\nzz\r\n", "in a chunk's end": "5\r\nhelloXX0\r\n\r\n"})
    def f15_bad_framing_in_the_middle_is_never_a_clean_end(self, body):
        self.backend.answers("/broken", f"{self.OK}Transfer-Encoding: chunked\r\n\r\n{body}")
        with self.gateway.client() as client:
            client.send("GET /broken HTTP/1.1\r\nHost: a\r\n\r\n")
            try:
                response = client.read_response()
            except raw.Incomplete:
                return
            self.assertIn(response.status, (502, 503), f"{response}")

    def test_f17_a_destination_that_hangs_up_is_503(self):
        self.backend.on("/bye", lambda connection, request: CLOSE)
        response = self.through("/bye")
        self.assert_status(response, 503)
        self.assertIn("upstream connect error or disconnect/reset before headers", response.text())
        self.assertIn(" 503 UC ", self.gateway.log_line("/bye"))

    def test_a_body_that_ends_with_the_connection_arrives_whole(self):
        self.backend.answers("/close", f"{self.OK}\r\n" + "x" * 100000, close=True)
        with self.gateway.client() as client:
            client.send("GET /close HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(client.read_response().body, b"x" * 100000)

    def test_trailers_of_a_response_go_on_when_they_were_offered(self):
        self.backend.on("/sum", lambda c, r: c.answer_chunked([b"ab", b"c"], trailers=[("x-sum", "7"), ("content-length", "9")]))
        response = self.through("/sum", headers="TE: trailers\r\nConnection: TE\r\n")
        self.assertEqual((response.body, response.trailers), (b"abc", [("x-sum", "7")]))
        response = self.through("/sum")
        self.assertEqual((response.body, response.trailers), (b"abc", []))

    def test_hop_by_hop_fields_of_a_response_end_here(self):
        self.backend.answers("/hop", f"{self.OK}Connection: x-one, close\r\nx-one: 1\r\nKeep-Alive: x\r\nProxy-Connection: x\r\n"
                             "Content-Length: 2\r\nx-two: 2\r\n\r\nhi")
        response = self.through("/hop")
        names = [name for name, _ in response.headers]
        for gone in ("x-one", "keep-alive", "proxy-connection"):
            self.assertNotIn(gone, names)
        self.assertIn("x-two", names)


class ExpectAndUpgrade(Framing):
    def test_f24_the_body_waits_for_the_destinations_word(self):
        def behaviour(connection, request):
            connection.send("HTTP/1.1 100 Continue\r\n\r\n")
            connection.read_body(request)
            connection.answer(200, request.body)
        self.backend.on_head("/expect", behaviour)
        with self.gateway.client() as client:
            client.send("POST /expect HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            self.assertEqual(client.read_head().status, 100)
            client.send("hello")
            self.assertEqual(client.read_response().body, b"hello")

    def test_f24_a_refusal_comes_before_the_body(self):
        self.backend.on_head("/refuse", lambda connection, request: (connection.answer(403, b"no", reason="Forbidden"), CLOSE)[1])
        with self.gateway.client() as client:
            client.send("POST /refuse HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
            response = client.read_response()
            self.assertEqual((response.status, response.body), (403, b"no"))

    def test_f24_a_client_that_does_not_wait_is_served(self):
        with self.gateway.client() as client:
            client.send("POST /impatient HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello")
            response = client.read_response()
            self.assertEqual(echo_of(response)["body"], "hello")

    def test_f24_an_expectation_for_http_1_0_is_ignored(self):
        with self.gateway.client() as client:
            client.send("POST /old HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello")
            response = client.read_response()
            self.assertIn(response.status, (200, 426))
            self.assertEqual(response.interim, [])

    def test_f25_websocket_goes_through_both_ways(self):
        def behaviour(connection, request):
            assert request.header("upgrade").lower() == "websocket" and "upgrade" in request.header("connection").lower()
            connection.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\nhello")
            while True:
                connection.more()
                data, connection.data = connection.data, b""
                connection.send(data.upper())
        self.backend.on("/ws", behaviour)
        with self.gateway.client() as client:
            client.send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\n"
                        "Sec-WebSocket-Version: 13\r\n\r\nfirst")
            response = client.read_response()
            self.assert_status(response, 101)
            self.assertEqual((response.header("upgrade").lower(), response.header("connection").lower()), ("websocket", "upgrade"))
            self.assertEqual(client.read_exactly(10), b"helloFIRST")
            client.send("more")
            self.assertEqual(client.read_exactly(4), b"MORE")
            client.end_sending()
            self.assertTrue(client.closed())

    def test_f25_a_half_close_of_the_destination_reaches_the_client(self):
        def behaviour(connection, request):
            connection.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nlast words")
            return CLOSE
        self.backend.on("/ws-end", behaviour)
        with self.gateway.client() as client:
            client.send("GET /ws-end HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            self.assert_status(client.read_response(), 101)
            self.assertEqual(client.read_to_end(), b"last words")

    def test_f25_a_destination_may_refuse_the_upgrade(self):
        self.backend.on("/ws-no", lambda connection, request: connection.answer(426, b"no", reason="Upgrade Required"))
        with self.gateway.client() as client:
            client.send("GET /ws-no HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            self.assertEqual(client.read_response().body, b"no")
            client.send("GET /after HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assert_status(client.read_response(), 200)

    @rows({"h2c": "h2c", "h2c with settings": "h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__", "a name of its own": "my-protocol", "a list": "h2c, websocket"})
    def f25_other_upgrades_never_reach_the_destination(self, value):
        with self.gateway.client() as client:
            client.send(f"GET /up HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: {value}\r\n\r\n")
            response = client.read_response()
            self.assertNotEqual(response.status, 101)
        for request in self.backend.seen("/up"):
            self.assertNotIn("h2c", request.header("upgrade", ""))
            self.assertIsNone(request.header("http2-settings"))


class Conversations(Framing):
    def test_pipelined_requests_are_answered_in_order(self):
        with self.gateway.client() as client:
            client.send("".join(f"GET /p{n} HTTP/1.1\r\nHost: a\r\n\r\n" for n in range(20)))
            for n in range(20):
                self.assertEqual(echo_of(client.read_response())["target"], f"/p{n}")

    def test_pipelined_posts_with_both_framings_keep_their_bodies(self):
        with self.gateway.client() as client:
            client.send("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none"
                        "POST /2 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n"
                        "GET /3 HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual([echo_of(client.read_response())["body"] for _ in range(3)], ["one", "two", ""])

    def test_a_connection_is_kept_on_both_sides(self):
        accepted = None
        with self.gateway.client() as client:
            for _ in range(10):
                client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                self.assert_status(client.read_response(), 200)
                accepted = accepted or self.backend.accepted
        self.assertEqual(self.backend.accepted, accepted)

    def test_connection_close_ends_it(self):
        with self.gateway.client() as client:
            client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            self.assertIn("close", client.read_response().header("connection", ""))
            self.assertTrue(client.closed())

    def test_a_client_of_http_1_0_gets_its_answer_and_the_end(self):
        with self.gateway.client() as client:
            client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n")
            response = client.read_response()
            self.assertIn(response.status, (200, 426))
            self.assertEqual(response.all("transfer-encoding"), [])
            self.assertTrue(client.closed())

    def test_a_client_that_has_finished_sending_still_gets_its_answer(self):
        with self.gateway.client() as client:
            client.send("GET /half HTTP/1.1\r\nHost: a\r\n\r\n")
            client.end_sending()
            self.assertEqual(echo_of(client.read_response())["target"], "/half")

    def test_an_answer_before_the_end_of_the_request_arrives(self):
        self.backend.on_head("/early", lambda connection, request: (connection.answer(413, b"too much", reason="No"), CLOSE)[1])
        with self.gateway.client() as client:
            client.send("POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + "x" * 1000)
            response = client.read_response()
            self.assertEqual((response.status, response.body), (413, b"too much"))

    def test_an_answer_before_the_end_of_the_request_says_close(self):
        """Or the client's next request would be read as the rest of this one."""
        self.backend.on_head("/refused", lambda connection, request: connection.answer(413, b"too much", reason="No"))
        with self.gateway.client() as client:
            client.send("POST /refused HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\n\r\n" + "x" * 10000)
            response = client.read_response()
            self.assertEqual((response.status, response.header("connection")), (413, "close"))
            self.assertTrue(client.closed())

    def test_late_bytes_of_a_destination_reach_no_other_request(self):
        for _ in range(20):
            sent = threading.Event()

            def behaviour(connection, request):
                connection.answer(200, b"first")
                until(lambda: got, "the first answer to arrive")
                connection.answer(200, b"stale")
                sent.set()
            got = []
            self.backend.on("/late", behaviour)
            got.append(self.gateway.fetch("/late").body)
            self.assertEqual(got, [b"first"])
            self.assertTrue(sent.wait(10))
            self.assertEqual(echo_of(self.gateway.fetch("/after"))["target"], "/after")

    def test_a_client_that_goes_away_ends_the_upstream_exchange(self):
        gone = []

        def behaviour(connection, request):
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
            try:
                while connection.socket.recv(100):
                    pass
            except OSError:
                pass
            gone.append(True)
            return CLOSE
        self.backend.on("/long", behaviour)
        client = self.gateway.client()
        client.send("GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
        client.read_head()
        client.reset()
        until(lambda: gone, "the destination to see the end")
        self.assertIn(" DC ", self.gateway.log_line("/long"))

    def test_a_pooled_connection_that_the_destination_closed_is_not_an_error(self):
        for _ in range(5):
            self.assert_status(self.gateway.fetch("/pooled"), 200)
            self.backend.close_connections()
            until(lambda: not self.backend.open, "the connections to be gone")
            self.assert_status(self.gateway.fetch("/pooled"), 200)
