"""Certificates that change while requests are served, and what is told of a client's."""

import pathlib
import ssl
import tempfile

from harness import raw
from harness.backend import Backend
from harness.case import Case
from harness.certificates import authority
from harness.configs import BACKEND, TO_BACKEND
from harness.gateway import Gateway
from harness.tls import TlsClient, context
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
    def start(self, secret):
        scratch = tempfile.TemporaryDirectory(prefix="sluice-certificates-")
        self.addCleanup(scratch.cleanup)
        self.log = pathlib.Path(scratch.name, "access.log")
        backend = self.use(Backend(default=lambda connection, request: connection.answer(
            200, f"{request.header('x-forwarded-proto')} {request.header('x-forwarded-client-cert')}")))
        return self.use(Gateway({"gateway.yaml": GATEWAY, "vs.yaml": SERVICE, "upstream.yaml": BACKEND, "secret.yaml": secret},
                                values={"backend": backend.port, "log": self.log}))

    def connect(self, gateway, **settings):
        client = TlsClient(gateway.port, "a.test", context(**settings))
        self.addCleanup(client.close)
        return client

    @staticmethod
    def told(client):
        """What the upstream is told of the client, who says that somebody else vouches for it."""
        return client.ask("a.test", headers=[("x-forwarded-client-cert", "By=me")]).text()

    def test_a_renewed_secret_is_shown_to_new_connections_and_open_ones_go_on(self):
        ca = authority()
        one, two = ca.make("one.test", "a.test"), ca.make("two.test", "a.test")
        gateway = self.start(one.secret("pair"))

        def shown():
            return self.connect(gateway).socket.getpeercert()["serialNumber"]
        old = self.connect(gateway)
        self.assertEqual(shown(), one.serial())
        gateway.write("secret.yaml", two.secret("pair"))
        until(lambda: shown() == two.serial(), "the new certificate")
        self.assertEqual(self.told(old), "https None")
        one.key = two.key
        gateway.write("secret.yaml", one.secret("pair"))
        until(lambda: "does not fit" in str(gateway.dump()), "a status that tells of the pair")
        self.assertEqual(shown(), two.serial())
        self.assertIn("two.test", gateway.admin("/certs?text").text())
        self.assertIn("two.test", gateway.admin("/certs").text())
        self.assertNotIn("one.test", gateway.admin("/certs").text())
        self.assertNotIn("PRIVATE KEY", str(gateway.dump()))

    def test_a_client_is_told_of_by_its_certificate_and_by_nothing_else(self):
        ca = authority()
        gateway = self.start(ca.make("a.test").secret("pair", ca=ca.certificate))
        self.assertRegex(self.told(self.connect(gateway, pair=ca.make("client.test", client=True))),
                         '^https Hash=[0-9a-f]{64};Subject="CN=client.test"$')
        until(lambda: self.log.read_text() == "TLSv1.3 a.test CN=client.test\n", "the line of the log")
        with self.assertRaises((ssl.SSLError, ConnectionError, raw.Incomplete)):
            self.told(self.connect(gateway))
        self.assertEqual(self.log.read_text(), "TLSv1.3 a.test CN=client.test\n")  # nobody who was refused asked for anything
