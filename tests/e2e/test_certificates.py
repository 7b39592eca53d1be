"""Certificates that change while requests are served, and what is told of a client's."""

import pathlib
import socket
import ssl
import subprocess
import tempfile

from harness.backend import Backend
from harness.case import Case
from harness.configs import BACKEND, TO_BACKEND
from harness.gateway import Gateway
from harness.waiting import until

GATEWAY = """\
apiVersion: gateway.solo.io/v1
kind: Gateway
metadata: {name: gateway-proxy, namespace: gloo-system}
spec:
  bindAddress: 127.0.0.1
  bindPort: @{port}
  ssl: true
  options: {accessLoggingService: {accessLog: [{fileSink: {path: @{log}, stringFormat: "%DOWNSTREAM_TLS_VERSION% %REQUESTED_SERVER_NAME% %DOWNSTREAM_PEER_SUBJECT%\\n"}}]}}
  httpGateway:
    options: {httpConnectionManagerSettings: {forwardClientCertDetails: SANITIZE_SET, setCurrentClientCertDetails: {subject: true}}}
"""

SERVICE = f"""\
apiVersion: gateway.solo.io/v1
kind: VirtualService
metadata: {{name: all, namespace: gloo-system}}
spec:
  sslConfig: {{alpnProtocols: [http/1.1], secretRef: {{name: pair, namespace: gloo-system}}}}
  virtualHost: {{routes: [{{matchers: [{{prefix: /}}], {TO_BACKEND}}}]}}
"""


class Certificates(Case):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="sluice-certificates-")
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def make(self, name):
        """A self-signed certificate with that common name for a.test, and its key."""
        paths = [self.folder / f"{name}.{end}" for end in ("crt", "key")]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "20",
                        "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:a.test", "-out", paths[0], "-keyout", paths[1]],
                       check=True, capture_output=True)
        return paths

    @staticmethod
    def secret(certificate, key, ca=None):
        def block(path):
            return "|\n" + "".join(f"    {line}\n" for line in path.read_text().splitlines())
        return ("apiVersion: v1\nkind: Secret\nmetadata: {name: pair, namespace: gloo-system}\ntype: kubernetes.io/tls\nstringData:\n"
                f"  tls.crt: {block(certificate)}  tls.key: {block(key)}" + (f"  ca.crt: {block(ca)}" if ca else ""))

    def start(self, secret):
        self.log = self.folder / "access.log"
        self.backend = self.use(Backend(default=lambda connection, request: connection.answer(
            200, f"{request.header('x-forwarded-proto')} {request.header('x-forwarded-client-cert')}")))
        return self.use(Gateway({"gateway.yaml": GATEWAY, "vs.yaml": SERVICE, "upstream.yaml": BACKEND, "secret.yaml": secret},
                                values={"backend": self.backend.port, "log": self.log}))

    def connect(self, gateway, pair=None):
        """A connection by TLS; certificates are not looked at."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if pair:
            context.load_cert_chain(*pair)
        stream = context.wrap_socket(socket.create_connection(("127.0.0.1", gateway.port), 10), server_hostname="a.test")
        self.addCleanup(stream.close)
        return stream

    @staticmethod
    def get(stream):
        stream.sendall(b"GET / HTTP/1.1\r\nHost: a.test\r\nx-forwarded-client-cert: By=me\r\n\r\n")
        head, _, body = b"", b"", b""
        while b"\r\n\r\n" not in head:
            piece = stream.recv(4096)
            if not piece:
                return None
            head += piece
        head, _, body = head.partition(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.splitlines() if line.lower().startswith(b"content-length:"))
        while len(body) < length:
            body += stream.recv(4096)
        return body.decode()

    @staticmethod
    def der(path):
        return ssl.PEM_cert_to_DER_cert(path.read_text())

    def test_a_renewed_secret_is_shown_to_new_connections_and_open_ones_go_on(self):
        one, two = self.make("one"), self.make("two")
        gateway = self.start(self.secret(*one))
        old = self.connect(gateway)
        self.assertEqual(old.getpeercert(binary_form=True), self.der(one[0]))
        gateway.write("secret.yaml", self.secret(*two))
        until(lambda: self.connect(gateway).getpeercert(binary_form=True) == self.der(two[0]), "the new certificate")
        self.assertEqual(self.get(old), "https None")
        gateway.write("secret.yaml", self.secret(one[0], two[1]))
        until(lambda: "does not fit" in str(gateway.dump()), "a status that tells of the pair")
        self.assertEqual(self.connect(gateway).getpeercert(binary_form=True), self.der(two[0]))
        self.assertIn("CN=two", gateway.admin("/certs?text").text())
        self.assertNotIn("CN=one", gateway.admin("/certs").text())
        self.assertNotIn("PRIVATE KEY", str(gateway.dump()))

    def test_a_client_is_told_of_by_its_certificate_and_by_nothing_else(self):
        own, client = self.make("own"), self.make("client")
        gateway = self.start(self.secret(*own, ca=client[0]))
        self.assertRegex(self.get(self.connect(gateway, client)), '^https Hash=[0-9a-f]{64};Subject="CN=client"$')
        until(lambda: self.log.read_text() == "TLSv1.3 a.test CN=client\n", "the line of the log")
        refused = self.connect(gateway)
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            if self.get(refused) is None:
                raise ConnectionError("closed")
