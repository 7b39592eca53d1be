"""TLS: what clients and servers are told of it, a connection whose bytes are looked at, and curl."""

import ssl
import subprocess

from harness import raw
from harness.certificates import authority


def context(trust=None, pair=None, alpn=None, **settings):
    """Trusts that authority, by default the one of the tests; `pair` is shown to who asks for a certificate; further
    settings are those of ssl.SSLContext."""
    made = ssl.create_default_context(cafile=str((trust or authority()).certificate))
    if pair:
        made.load_cert_chain(pair.certificate, pair.key)
    if alpn:
        made.set_alpn_protocols(alpn)
    for name, value in settings.items():
        setattr(made, name, value)
    return made


def server_context(pair, trust=None, ciphers=None):
    """Of a server that shows `pair`; with `trust` clients must show a certificate of that authority."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pair.certificate, pair.key)
    if trust:
        made.load_verify_locations(trust.certificate)
        made.verify_mode = ssl.CERT_REQUIRED
    if ciphers:
        made.set_ciphers(ciphers)
    return made


class TlsClient(raw.Client):
    """A client whose bytes are protected."""

    def __init__(self, port, name, made=None, **keywords):
        super().__init__(port, **keywords)
        self.socket = (made or context()).wrap_socket(self.socket, server_hostname=name)

    def ask(self, name, path="/", headers=()):
        self.send(raw.request_bytes(path=path, host=name, headers=headers))
        return self.read_response("GET")


def curl(*arguments):
    """Its exit status, what it printed, and what it complained of."""
    done = subprocess.run(["curl", "-sS", "--max-time", "10", *map(str, arguments)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr
