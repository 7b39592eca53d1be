"""TLS on both sides of the program, met by curl, openssl and Python: certificates, names, clients', and what is refused."""

import itertools
import pathlib
import socket
import ssl
import tempfile
import threading

from harness import configs, raw
from harness.backend import Backend, TlsBackend
from harness.case import Case, rows
from harness.certificates import authority
from harness.dns_server import DnsServer
from harness.gateway import Gateway, run_sluice
from harness.tls import TlsClient, context, curl
from harness.waiting import until

SSL_GATEWAY = configs.gateway().replace("  httpGateway", "  ssl: true\n  httpGateway")
ROUTES = "- matchers: [{prefix: /}]\n  directResponseAction: {status: 200, body: '@'}"


def service(name, secret, names, more="", routes=None):
    """A VirtualService that answers with its name, behind the certificate of a Secret."""
    text = configs.virtual_service(routes or ROUTES.replace("@", name), name=name,
                                   domains=f"['{name}.test']" if routes is None else "['*']")
    config = f"  sslConfig:\n    secretRef: {{name: {secret}, namespace: gloo-system}}\n    sniDomains: {names}\n" + "".join(
        f"    {line}\n" for line in more.splitlines())
    return text.replace("spec:\n", "spec:\n" + config, 1)


class Downstream(Case):
    @classmethod
    def setUpClass(cls):
        ca = authority()
        cls.gateway = cls.share(Gateway({
            "gateway.yaml": SSL_GATEWAY,
            "a-secret.yaml": ca.make("a.test").secret("a"),
            "b-secret.yaml": ca.make("*.b.test", "b.test").secret("b"),
            "c-secret.yaml": ca.make("c.test").secret("c", ca=ca.certificate),
            "a.yaml": service("a", "a", "[a.test]"),
            "b.yaml": service("b", "b", "['*.b.test', b.test]"),
            "c.yaml": service("c", "c", "[c.test]", "verifySubjectAltName: [spiffe://me]"),
        }))

    def ask(self, name, host=None, **settings):
        with TlsClient(self.gateway.port, name, context(**settings)) as client:
            return client.ask(host or name).text()

    @rows({"the name it asks for": ("a.test", "a"), "a name of several": ("b.test", "b")})
    def a_client_gets_the_certificate_for(self, name, expected):
        self.assertEqual(self.ask(name), expected)

    def test_a_wildcard_is_for_one_label_and_the_virtual_host_is_that_of_the_host_field(self):
        # gloo-core 2.8: the certificate is chosen by the SNI, the virtual host by Host, each for itself.
        self.assertEqual(self.ask("x.b.test", host="a.test"), "a")

    @rows({"an unknown name": "d.test", "none": None})
    def a_handshake_is_refused_with(self, name):
        before = self.gateway.metric("envoy_listener_no_filter_chain_match")
        made = context(check_hostname=False)
        with self.assertRaisesRegex(ssl.SSLError, "(?i)unrecognized.name"):
            TlsClient(self.gateway.port, name, made)
        until(lambda: self.gateway.metric("envoy_listener_no_filter_chain_match") == before + 1, "the refusal to be counted")

    @rows({
        "a name without a certificate": ("https://d.test/", "answer +none: the handshake fails, no certificate is for d.test\n"),
        "an address": ("https://127.0.0.1/", "answer +none: the handshake fails, no certificate is for clients that ask for no name\n"),
        "a port that speaks TLS only": ("http://a.test/", r"answer +none: this port speaks TLS only \(https://\)\n"),
        "a host without a domain": ("https://x.b.test/", 'host +none has the domain of "x.b.test"; there are a.test, b.test, c.test\n'),
        "one that is served": ("https://A.test/", "answer +200, details direct_response\n"),
    })
    def explain_says_what_comes_of(self, url, line):
        code, out, err = run_sluice("explain", url, "--config", self.gateway.folder)
        self.assertEqual(code, 0, err)
        self.assertRegex(out, line)
        if "answer +none" in line:
            self.assertNotIn("route ", out)

    @rows({"a name of nobody": ("https://nope.test/", "the handshake fails, no certificate is for nope.test"),
           "one's own": ("https://a.test/", "200, details direct_response"),
           "another's": ("https://c.test/", 'none has the domain of "c.test"; there are a.test')})
    def explain_says_of_isolated_hosts(self, url, said):
        files = {"gateway.yaml": SSL_GATEWAY.replace("@{port}", "8443").replace(
                     "namespace: gloo-system", 'namespace: gloo-system, annotations: {gateway.solo.io/isolate_vhost: "true"}', 1),
                 "secret.yaml": authority().make("a.test").secret("a"), "a.yaml": service("a", "a", "[a.test, c.test]")}
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                pathlib.Path(folder, name).write_text(text)
            code, out, err = run_sluice("explain", url, "--config", folder)
        self.assertEqual(code, 0, err)
        self.assertIn(said, out)

    def test_sessions_are_resumed_by_any_worker(self):
        made = context()
        with TlsClient(self.gateway.port, "a.test", made) as client:
            client.ask("a.test")
            session = client.socket.session
        with socket.create_connection(("127.0.0.1", self.gateway.port)) as plain:
            with made.wrap_socket(plain, server_hostname="a.test", session=session) as again:
                again.do_handshake()
                self.assertTrue(again.session_reused)

    def test_curl_speaks_with_both_versions(self):
        for version in ("1.2", "1.3"):
            code, out, error = curl(f"--tlsv{version}", "--tls-max", version, "--cacert", authority().certificate, "--http1.1",
                                    "--connect-to", f"a.test:443:127.0.0.1:{self.gateway.port}", "https://a.test/")
            self.assertEqual((code, out), (0, "a"), error)

    def test_old_versions_are_refused(self):
        code, _, error = curl("--tlsv1.0", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0", "-k", "--connect-to",
                              f"a.test:443:127.0.0.1:{self.gateway.port}", "https://a.test/")
        self.assertEqual(code, 35, error)

    def test_a_client_without_the_certificate_that_is_required_is_refused(self):
        ca = authority()
        mine, other = ca.make("spiffe://me", client=True), ca.make("spiffe://you", client=True)
        with TlsClient(self.gateway.port, "c.test", context(pair=mine)) as client:
            self.assertEqual(client.ask("c.test").text(), "c")
        for pair, metric in ((None, "no_cert"), (other, "san"), (authority("Other CA").make("spiffe://me", client=True), "error")):
            pattern = f"envoy_listener_ssl_fail_verify_{metric}"
            before = self.gateway.metric(pattern)
            with self.assertRaises((ssl.SSLError, ConnectionError, raw.Incomplete)):
                with TlsClient(self.gateway.port, "c.test", context(pair=pair)) as client:
                    client.ask("c.test")
            until(lambda: self.gateway.metric(pattern) == before + 1, pattern)

    @rows({f"by TLS {version}, HTTP/{http}": (version, http) for version in ("1.2", "1.3") for http in ("1.1", "2")})
    def curl_shows_the_certificate_that_is_required(self, version, http):
        mine, stranger = (ca.make("spiffe://me", client=True) for ca in (authority(), authority("Other CA")))
        def ask(*pair):
            return curl(f"--tlsv{version}", "--tls-max", version, "--cacert", authority().certificate, f"--http{http}", "-w", " %{http_version}",
                        "--connect-to", f"c.test:443:127.0.0.1:{self.gateway.port}", *pair, "https://c.test/")
        code, out, error = ask("--cert", mine.certificate, "--key", mine.key)
        self.assertEqual((code, out), (0, f"c {http}"), error)
        for pair in ((), ("--cert", stranger.certificate, "--key", stranger.key)):
            code, out, error = ask(*pair)
            self.assertIn(code, (35, 55, 56), error)  # by TLS 1.3 it has shaken hands when it is told, and perhaps sent
            self.assertNotIn("c", out)

    def test_no_certificate_is_asked_for_of_others(self):
        before = self.gateway.metric("envoy_listener_ssl_no_certificate")
        self.assertEqual(self.ask("a.test"), "a")
        self.assertEqual(self.gateway.metric("envoy_listener_ssl_no_certificate"), before + 1)

    @rows({"plain HTTP": b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n", "garbage": bytes(range(256)) * 16,
           "an endless hello": b"\x16\x03\x01\x40\x00\x01\x02\x00\x00" + b"\0" * 65536, "an alert": b"\x15\x03\x01\x00\x02\x02\x28"})
    def a_connection_is_closed_without_an_answer_for(self, sent):
        with self.gateway.client() as client:
            try:
                client.send(sent)
                client.end_sending()
                got = client.read_to_end()
            except OSError:
                got = b""
            self.assertNotIn(b"HTTP/1", got)
        self.assertEqual(self.ask("a.test"), "a")

    def test_handshakes_that_stall_hold_up_nobody(self):
        stalled = [self.gateway.client() for _ in range(50)]
        for client in stalled:
            client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01")
        self.assertEqual(self.ask("a.test"), "a")
        for client in stalled:
            client.reset()


class Changes(Case):
    def setUp(self):
        self.ca = authority()
        self.gateway = self.use(Gateway({"gateway.yaml": SSL_GATEWAY, "secret.yaml": self.ca.make("a.test").secret("a"),
                                         "a.yaml": service("a", "a", "[a.test]")}, workers=2))

    def shown(self, pair=None):
        with TlsClient(self.gateway.port, "a.test", context(pair=pair)) as client:
            return client.socket.getpeercert()["serialNumber"]

    def test_a_new_certificate_is_shown_and_no_connection_is_lost(self):
        with TlsClient(self.gateway.port, "a.test") as before:
            self.assertEqual(before.ask("a.test").text(), "a")
            first = self.shown()
            self.gateway.write("secret.yaml", self.ca.make("a.test").secret("a"))
            until(lambda: self.shown() != first, "the new certificate to be shown")
            self.assertEqual(before.ask("a.test").text(), "a")

    def test_a_key_that_does_not_fit_leaves_the_one_before_in_force(self):
        first = self.shown()
        wrong = self.ca.make("a.test")
        wrong.key = self.ca.make("a.test").key
        self.gateway.write("secret.yaml", wrong.secret("a"))
        self.gateway.says("the private key does not fit the certificate")
        self.assertEqual(self.shown(), first)
        state, reason = self.gateway.status("virtualservices", "a")
        self.assertEqual(state, "Rejected", reason)
        self.assertIn("does not fit", reason)
        self.assertNotIn("BEGIN", reason)

    def test_connections_end_whose_clients_have_not_shown_what_is_asked_for_now(self):
        mine = self.ca.make("spiffe://me", client=True)
        def require(pair_ca):
            self.gateway.write("secret.yaml", self.ca.make("a.test").secret("a", ca=pair_ca))
        def begin(pair=None):
            client = TlsClient(self.gateway.port, "a.test", context(pair=pair))
            self.addCleanup(client.close)
            return client
        strangers = [begin() for _ in range(4)]
        for client in strangers:
            self.assertEqual(client.ask("a.test").text(), "a")
        busy = begin()
        busy.send("GET / HTTP/1.1\r\nHost: a.test\r\n")  # half a head
        require(self.ca.certificate)
        for client in strangers:
            self.assertTrue(client.closed(5))
        busy.send("\r\n")
        self.assertTrue(busy.closed(5))
        known = begin(mine)
        self.assertEqual(known.ask("a.test").text(), "a")
        first = self.shown(mine)
        require(self.ca.certificate)  # another certificate of the gateway's, and the same of clients
        until(lambda: self.shown(mine) != first, "the new certificate to be shown")
        self.assertEqual(self.gateway.metric("^sluice_http_downstream_cx_outdated_total"), 5)
        self.assertEqual(known.ask("a.test").text(), "a")
        require(authority("Other CA").certificate)
        self.assertTrue(known.closed(5))

    def test_certificates_rotate_under_load_without_a_failed_request(self):
        pairs = [self.ca.make("a.test") for _ in range(5)]
        failed, asked, over = [], itertools.count(), threading.Event()

        def load():
            while not over.is_set():
                try:
                    with TlsClient(self.gateway.port, "a.test") as client:
                        for _ in range(3):
                            if client.ask("a.test").text() != "a":
                                failed.append("another answer")
                            next(asked)
                except (OSError, AssertionError) as error:
                    failed.append(error)

        clients = [threading.Thread(target=load) for _ in range(2)]
        for client in clients:
            client.start()
        try:
            for turn in range(100):
                pair = pairs[turn % len(pairs)]
                self.gateway.write("secret.yaml", pair.secret("a"))
                until(lambda serial=pair.serial(): self.shown() == serial, "the next certificate")
        finally:
            over.set()
            for client in clients:
                client.join()
        self.assertEqual(failed, [])
        self.assertGreater(next(asked), 100)


BY_HEADER = "dynamicForwardProxy: {autoHostRewriteHeader: x-to}"


class Upstream(Case):
    """Dynamic destinations by scheme, verified against the roots that OpenSSL is told of."""

    @classmethod
    def setUpClass(cls):
        ca = authority()
        cls.good, cls.wrong = cls.share(TlsBackend(ca.make("good.test"))), cls.share(TlsBackend(ca.make("other.test")))
        cls.old = cls.share(TlsBackend(ca.make("old.test", days=-1)))
        cls.foreign = cls.share(TlsBackend(authority("Other CA").make("foreign.test")))
        cls.plain = cls.share(Backend())
        cls.dns = cls.share(DnsServer())
        cls.dns.set("*.test", "127.0.0.1")
        files = configs.dynamic(route=BY_HEADER)
        cls.gateway = cls.share(Gateway({**files, "settings.yaml": configs.SCHEMES}, resolver=cls.dns.where,
                                        environment={"SSL_CERT_FILE": str(ca.certificate)}))

    def ask(self, to, path="/"):
        return self.gateway.fetch(path, headers=[("x-to", to)])

    def test_https_goes_by_tls_and_is_told_its_name_without_the_scheme(self):
        response = self.ask(f"https://good.test:{self.good.port}")
        self.assert_status(response, 200)
        self.assertEqual(self.good.requests[-1].header("host"), f"good.test:{self.good.port}")
        self.assertEqual(self.good.names[-1], "good.test")

    def test_http_goes_in_the_clear(self):
        self.assert_status(self.ask(f"http://plain.test:{self.plain.port}"), 200)

    def test_an_absolute_target_with_https_goes_by_tls(self):
        target = f"https://good.test:{self.good.port}/absolute"
        self.assert_status(self.gateway.send(f"GET {target} HTTP/1.1\r\nHost: good.test:{self.good.port}\r\n\r\n"), 200)
        self.assertEqual(self.good.requests[-1].target, "/absolute")
        self.assertEqual(self.good.requests[-1].header("host"), f"good.test:{self.good.port}")
        refused = self.gateway.send(f"GET https://plain.test:{self.plain.port}/ HTTP/1.1\r\nHost: h\r\n\r\n")
        self.assert_status(refused, 503)

    def test_https_as_the_scheme_of_http2_in_the_clear_goes_by_tls(self):
        def frame(kind, flags, stream, payload=b""):
            return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

        def field(index, value):  # RFC 7541 6.2.2: a literal with an indexed name
            return bytes([index, len(value)]) + value.encode()
        authority_of_it = f"good.test:{self.good.port}"
        head = b"\x82\x87" + field(4, "/by-scheme") + field(1, authority_of_it)  # :method GET, :scheme https, :path, :authority
        before = len(self.good.seen("/by-scheme"))
        with self.gateway.client() as client:
            client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + frame(1, 5, 1, head))
            until(lambda: len(self.good.seen("/by-scheme")) == before + 1, "the request behind TLS")
        self.assertEqual(self.good.names[-1], "good.test")

    def test_explain_reads_an_https_url_as_a_target(self):
        out = run_sluice("explain", "https://good.test/", "--config", self.gateway.folder)[1]
        self.assertRegex(out, "destination +https://good.test:443\n")

    @rows({"another name": ("wrong", "the certificate is not for wrong.test but for other.test (issuer CN=Test CA)"),
           "a date that is over": ("old", "certificate has expired"),
           "another issuer": ("foreign", "unable to get local issuer certificate (subject CN=foreign.test, issuer CN=Other CA)")})
    def a_certificate_is_refused_for(self, which, sentence):
        port = getattr(self, which).port
        response = self.ask(f"https://{which}.test:{port}", f"/{which}")
        self.assert_status(response, 503)
        self.assertIn(sentence, response.text())
        self.assertIn(" UF ", self.gateway.log_line(f"/{which}"))

    def test_no_tls_there_is_no_reason_to_speak_in_the_clear(self):
        before = len(self.plain.requests)
        self.assert_status(self.ask(f"https://plain.test:{self.plain.port}"), 503)
        self.assertEqual(len(self.plain.requests), before)


class Rules(Case):
    """An EgressPolicy says by address how destinations are spoken to."""

    @classmethod
    def setUpClass(cls):
        ca = authority()
        cls.plain = cls.share(Backend())
        cls.required = cls.share(TlsBackend(ca.make("required.test"), address="127.0.0.2"))
        cls.balancer = cls.share(TlsBackend(ca.make("lb.test"), address="127.0.0.4"))
        cls.dns = cls.share(DnsServer())
        for name, addresses in {"plain": ["127.0.0.1"], "required": ["127.0.0.2"], "named": ["127.0.0.4"],
                                "both": ["127.0.0.1", "127.0.0.2"], "free": ["127.0.0.5"]}.items():
            cls.dns.set(f"{name}.test", *addresses)
        cls.rules = ["{name: clear, action: allow, match: {addresses: [127.0.0.1/32]}, upstreamTls: forbidden}",
                     "{name: by-tls, action: allow, match: {addresses: [127.0.0.2/32]}, upstreamTls: required}",
                     "{name: balancer, action: allow, match: {addresses: [127.0.0.4/32]}, upstreamTls: {verify: lb.test}}",
                     "{name: rest, action: allow, match: {addresses: [loopback]}}"]
        files = configs.dynamic(route=BY_HEADER, policy=False)
        cls.gateway = cls.share(Gateway({**files, "settings.yaml": configs.SCHEMES,
                                         "policy.yaml": configs.policy("lab", "gateway-proxy", cls.rules, kind="Gateway")},
                                        resolver=cls.dns.where, environment={"SSL_CERT_FILE": str(ca.certificate)}))

    def ask(self, to, path="/"):
        return self.gateway.fetch(path, headers=[("x-to", to)])

    def test_what_is_required_goes_by_tls_though_nobody_asks(self):
        self.assert_status(self.ask(f"required.test:{self.required.port}"), 200)
        self.assertEqual(self.required.names[-1], "required.test")

    def test_what_is_forbidden_goes_in_the_clear(self):
        self.assert_status(self.ask(f"plain.test:{self.plain.port}"), 200)
        self.assertEqual(self.plain.requests[-1].header("host"), f"plain.test:{self.plain.port}")

    def test_the_certificate_is_for_the_name_of_the_rule_and_the_destination_is_asked_for_by_its_own(self):
        self.assert_status(self.ask(f"named.test:{self.balancer.port}"), 200)
        self.assertEqual(self.balancer.names[-1], "named.test")

    @rows({"http where TLS is required": ("http://required.test:{required}", "reached by TLS only: refused by rule lab/by-tls"),
           "https where it is forbidden": ("https://plain.test:{plain}", "reached in the clear only: refused by rule lab/clear"),
           "two addresses of different minds": ("both.test:{plain}", "rules lab/clear and lab/by-tls of EgressPolicies contradict")})
    def a_request_is_refused_for(self, to, sentence):
        before = len(self.plain.requests), len(self.required.requests)
        path = "/refused-" + to.partition(".")[0].rpartition("/")[2]
        response = self.ask(to.format(required=self.required.port, plain=self.plain.port), path)
        self.assert_status(response, 403)
        self.assertIn(sentence, response.text())
        self.assertRegex(self.gateway.log_line(path), "destination_tls_prohibited{lab/(by-tls|clear)}")
        self.assertEqual((len(self.plain.requests), len(self.required.requests)), before)

    def test_a_rule_that_changes_is_for_the_next_request(self):
        self.assert_status(self.ask(f"http://plain.test:{self.plain.port}"), 200)
        rules = [self.rules[0].replace("forbidden", "required"), *self.rules[1:]]
        self.gateway.write("policy.yaml", configs.policy("lab", "gateway-proxy", rules, kind="Gateway"))
        until(lambda: self.ask(f"http://plain.test:{self.plain.port}").status == 403, "the new rule")
        self.gateway.write("policy.yaml", configs.policy("lab", "gateway-proxy", self.rules, kind="Gateway"))
        until(lambda: self.ask(f"http://plain.test:{self.plain.port}").status == 200, "the rule of before")

    def test_explain_says_which_rule(self):
        def explained(to):
            return run_sluice("explain", "http://x.test/", "-H", f"x-to: {to}", "--config", self.gateway.folder)[1]
        self.assertRegex(explained("127.0.0.4"), "destination +https://127.0.0.4:443\n")
        self.assertIn("allowed by rule lab/balancer; by TLS with a certificate for lb.test, as lab/balancer says",
                      explained("127.0.0.4"))
        self.assertIn("403, details destination_tls_prohibited{lab/clear}", explained("https://127.0.0.1"))
