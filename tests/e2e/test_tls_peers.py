"""TLS with peers that openssl plays: staples and long chains of hosts; and with clients that ask for another handshake, say too much of one, or
leave at each byte of it."""

import socket
import ssl
import subprocess
import tempfile

from harness import configs
from harness.case import Case, rows
from harness.certificates import Pair, authority
from harness.dns_server import DnsServer
from harness.gateway import Gateway
from harness.process import Process
from harness.tls import TlsClient, context
from harness.waiting import free_port, until

BY_HEADER = "dynamicForwardProxy: {autoHostRewriteHeader: x-to}"


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class OpensslHost:
    """`openssl s_server`, which answers each request with a page about its connection."""

    def __init__(self, pair, *arguments):
        self.scratch = tempfile.TemporaryDirectory(prefix="sluice-s_server-")
        self.port = free_port()
        self.process = Process(["openssl", "s_server", "-accept", f"127.0.0.1:{self.port}", "-cert", pair.certificate, "-key", pair.key, "-www",
                                *arguments], self.scratch.name, "s_server")
        until(lambda: "ACCEPT" in self.process.stdout(), "openssl s_server to listen")

    def evidence(self):
        return f"--- openssl s_server:\n{self.process.tail()}"

    def stop(self):
        self.process.stop()
        self.scratch.cleanup()


class Hosts(Case):
    """Dynamic destinations whose certificates are held against an authority of ours."""

    @classmethod
    def setUpClass(cls):
        cls.ca = authority()
        cls.folder = cls.ca.folder
        cls.dns = cls.share(DnsServer())
        cls.dns.set("*.test", "127.0.0.1")
        cls.gateway = cls.share(Gateway({**configs.dynamic(route=BY_HEADER), "settings.yaml": configs.SCHEMES}, resolver=cls.dns.where,
                                        environment={"SSL_CERT_FILE": str(cls.ca.certificate)}))

    def ask(self, name, host):
        return self.gateway.fetch(f"/{name}", headers=[("x-to", f"https://{name}.test:{host.port}")])

    def staple(self, pair, state):
        """What the authority says of the certificate, as a file: V (valid) or R (revoked)."""
        stem = self.folder / f"staple-{pair.serial()}"
        revoked = "250101000000Z" if state == "R" else ""
        stem.with_suffix(".txt").write_text(f"{state}\t491231000000Z\t{revoked}\t{pair.serial()}\tunknown\t/CN=x\n")
        openssl("ocsp", "-issuer", self.ca.certificate, "-serial", f"0x{pair.serial()}", "-no_nonce", "-reqout", stem.with_suffix(".req"))
        openssl("ocsp", "-index", stem.with_suffix(".txt"), "-rsigner", self.ca.certificate, "-rkey", self.ca.key, "-CA", self.ca.certificate,
                "-reqin", stem.with_suffix(".req"), "-respout", stem.with_suffix(".der"), "-ndays", "2")
        return stem.with_suffix(".der")

    def test_one_whose_staple_says_that_its_certificate_is_valid_is_spoken_to(self):
        pair = self.ca.make("stapled.test")
        host = self.use(OpensslHost(pair, "-status_file", self.staple(pair, "V")))
        self.assert_status(self.ask("stapled", host), 200)

    def test_one_whose_staple_says_that_its_certificate_has_been_revoked_is_refused(self):
        pair = self.ca.make("revoked.test")
        host = self.use(OpensslHost(pair, "-status_file", self.staple(pair, "R")))
        response = self.ask("revoked", host)
        self.assert_status(response, 503)
        self.assertIn("has been revoked, as its OCSP staple says", response.text())
        self.assertIn(" UF ", self.gateway.log_line("/revoked"))

    def test_one_with_the_staple_of_another_certificate_is_refused(self):
        pair = self.ca.make("other.test")
        host = self.use(OpensslHost(self.ca.make("borrowed.test"), "-status_file", self.staple(pair, "V")))
        response = self.ask("borrowed", host)
        self.assert_status(response, 503)
        self.assertIn("OCSP staple", response.text())

    def chain_of(self, length, name):
        """A host's certificate and those above it, so many in all, without the root."""
        folder = self.folder / name
        folder.mkdir()
        key = folder / "key"
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
        openssl("pkey", "-in", key, "-pubout", "-out", folder / "public")
        (folder / "middle.ext").write_text("basicConstraints=critical,CA:true\nkeyUsage=keyCertSign\n")
        (folder / "leaf.ext").write_text(f"subjectAltName=DNS:{name}.test\n")
        above, above_key, chain = self.ca.certificate, self.ca.key, []
        for number in range(length):
            last = number == length - 1
            made = folder / f"{number}.crt"
            openssl("x509", "-new", "-force_pubkey", folder / "public", "-subj", f"/CN={name} {number}", "-CA", above, "-CAkey", above_key, "-set_serial",
                    number + 1, "-days", 2, "-extfile", folder / ("leaf.ext" if last else "middle.ext"), "-out", made)
            chain.insert(0, made.read_text())
            above, above_key = made, key
        (folder / "chain").write_text("".join(chain[1:]))
        return Pair(above, key), folder / "chain"

    @rows({"four certificates": 4, "a hundred": 100})
    def one_is_spoken_to_that_shows(self, length):
        pair, chain = self.chain_of(length, f"chain{length}")
        self.assert_status(self.ask(f"chain{length}", self.use(OpensslHost(pair, "-cert_chain", chain))), 200)

    def test_one_that_shows_more_than_openssl_follows_is_refused(self):
        pair, chain = self.chain_of(105, "endless")
        response = self.ask("endless", self.use(OpensslHost(pair, "-cert_chain", chain)))
        self.assert_status(response, 503)
        self.assertIn("certificate chain too long", response.text())


class Clients(Case):
    @classmethod
    def setUpClass(cls):
        secure = configs.virtual_service("- matchers: [{prefix: /}]\n  directResponseAction: {status: 200, body: here}").replace(
            "spec:\n", "spec:\n  sslConfig: {secretRef: {name: a, namespace: gloo-system}}\n", 1)
        cls.gateway = cls.share(Gateway({"gateway.yaml": configs.gateway().replace("  httpGateway", "  ssl: true\n  httpGateway"),
                                         "a.yaml": authority().make("a.test").secret("a"), "vs.yaml": secure}))

    def shake_hands(self, made, most):
        """A handshake of which at most so many bytes are said, and then a reset. How many were there to say."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client, said = made.wrap_bio(incoming, outgoing, server_hostname="a.test"), 0
        with self.gateway.client() as connection:
            while True:
                try:
                    client.do_handshake()
                    done = True
                except ssl.SSLWantReadError:
                    done = False
                flight = outgoing.read()[:most - said]
                connection.send(flight)
                said += len(flight)
                if done or said == most:
                    connection.reset()
                    return said
                incoming.write(connection.socket.recv(65536))

    def test_may_leave_at_each_byte_of_a_handshake(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            made = context(maximum_version=version)
            whole = self.shake_hands(made, 1 << 20)
            self.assertGreater(whole, 250)
            for most in range(1, whole):
                self.shake_hands(made, most)
        with TlsClient(self.gateway.port, "a.test") as client:
            self.assertEqual(client.ask("a.test").text(), "here")
        until(lambda: self.gateway.metric("^envoy_listener_downstream_cx_active") == 0, "all of them to be gone")

    def test_get_no_second_handshake(self):
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.gateway.port}", "-servername", "a.test", "-tls1_2", "-CAfile",
                               authority().certificate], input="R\n", capture_output=True, text=True, timeout=20, check=False)
        self.assertIn("RENEGOTIATING", done.stderr)
        self.assertIn("no renegotiation", done.stderr)

    def test_may_say_a_hello_that_is_as_large_as_one_may_be(self):
        """64 KiB and more in records as they should be: too much of a good thing."""
        body = b"\x03\x03" + bytes(32) + b"\0" + b"\0\2\x13\1" + b"\1\0"
        padding = b"\0\x15" + (65_400).to_bytes(2, "big") + bytes(65_400)
        body += (len(padding)).to_bytes(2, "big") + padding
        hello = b"\1" + len(body).to_bytes(3, "big") + body
        with self.gateway.client() as client:
            try:
                for at in range(0, len(hello), 16384):
                    part = hello[at:at + 16384]
                    client.send(b"\x16\3\1" + len(part).to_bytes(2, "big") + part)
                client.socket.shutdown(socket.SHUT_WR)
                said = client.read_to_end()
            except OSError:
                said = b""
        self.assertIn(said[:1], (b"", b"\x15"), "nothing, or an alert")
        with TlsClient(self.gateway.port, "a.test") as client:
            self.assertEqual(client.ask("a.test").text(), "here")
