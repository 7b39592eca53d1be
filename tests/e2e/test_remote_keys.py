"""Keys of tokens that come from a URL, over a server that is slow, gone, rotates its keys or sends something else."""

import http.server
import json
import socket
import subprocess
import tempfile
import threading
import time

from harness import configs
from harness.backend import Backend
from harness.case import Case, rows
from harness.certificates import authority
from harness.gateway import ROOT, Gateway, run_sluice
from harness.process import Process
from harness.tls import server_context
from harness.tokens import Key, token
from harness.waiting import free_port, stays, until

OLD, NEW = Key("ec-256"), Key("rsa")
CLAIMS = {"iss": "me", "exp": int(time.time()) + 3600}
FAILED = "Jwks remote fetch is failed"
UNKNOWN = "Jwks doesn't have key to match kid or alg from Jwt"
FETCHED = r"^envoy_http_jwt_authn_jwks_fetch_success"


def old_token():
    return token(CLAIMS, OLD, "ES256", kid="old")


def new_token():
    return token(CLAIMS, NEW, "RS256", kid="new")


def key_set(**keys):
    return json.dumps({"keys": [{**key.jwk, "kid": kid} for kid, key in keys.items()]}).encode()


class KeyServer:
    """An identity provider as far as its keys go. `hold()` has requests wait until `release()`."""

    def __init__(self, port=0, pair=None):
        """`pair`: by TLS, with this certificate."""
        self.body, self.status, self.hits, self.hosts = key_set(old=OLD), 200, 0, set()
        self.open = threading.Event()
        self.open.set()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):  # noqa: N802 - the library's name
                outer.hits += 1
                outer.hosts.add((self.headers["host"], self.path))
                outer.open.wait(60)
                self.send_response(outer.status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(outer.body)))
                self.end_headers()
                try:
                    self.wfile.write(outer.body)
                except OSError:
                    pass  # it was too much for the gateway

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        if pair:
            # The handshake belongs to the thread of the connection: one that fails is no reason to serve nobody.
            self.server.socket = server_context(pair).wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def hold(self):
        self.open.clear()

    def release(self):
        self.open.set()

    def stop(self):
        self.release()
        self.server.shutdown()
        self.server.server_close()


UPSTREAM = """\
apiVersion: gloo.solo.io/v1
kind: Upstream
metadata: {name: id, namespace: gloo-system}
spec: {static: {hosts: [{addr: 127.0.0.1, port: @{keys}}]}}
"""


class RemoteKeys(Case):
    workers = 1

    def setUp(self):
        self.backend = self.use(Backend())

    def start(self, keys_port, more="", wait=True, url="http://id.test/realms/a/keys", upstream=UPSTREAM, files=()):
        options = ("jwt:\n  providers:\n    p:\n      issuer: me\n      jwks:\n        remote:\n"
                   f"          url: {url}\n"
                   "          upstreamRef: {name: id, namespace: gloo-system}\n" + "".join(f"          {line}\n" for line in more.splitlines()))
        return self.use(Gateway({**configs.to_backend(options), "id.yaml": upstream, **dict(files)},
                                values={"backend": self.backend.port, "keys": keys_port}, workers=self.workers, wait=wait))

    def ask(self, gateway, bearer):
        response = gateway.fetch("/", headers=[("Authorization", f"Bearer {bearer}")])
        return "ok" if response.status == 200 else response.text()


class Fetching(RemoteKeys):
    workers = 3

    def test_many_requests_on_all_workers_wait_for_one_fetch(self):
        server = self.use(KeyServer())
        server.hold()
        gateway = self.start(server.port)
        bearer, answers = old_token(), []
        threads = [threading.Thread(target=lambda: answers.append(self.ask(gateway, bearer))) for _ in range(60)]
        for thread in threads:
            thread.start()
        until(lambda: gateway.metric("^sluice_jwks_waiting$") == 60, "all requests to wait")
        server.release()
        for thread in threads:
            thread.join(20)
        self.assertEqual(answers, ["ok"] * 60)
        self.assertEqual((server.hits, server.hosts), (1, {("id.test", "/realms/a/keys")}))
        self.assertEqual(gateway.metric(FETCHED), 1)
        self.assertEqual(gateway.metric("^sluice_client_calls_total"), 1)
        self.assertEqual(len(self.backend.requests), 60)

    def test_a_rotated_key_is_found_and_one_that_was_taken_back_counts_no_more(self):
        server = self.use(KeyServer())
        gateway = self.start(server.port, "cacheDuration: 2s")
        for _ in range(6):  # on several workers
            self.assertEqual(self.ask(gateway, old_token()), "ok")
        server.body = key_set(old=OLD, new=NEW)
        self.assertEqual(self.ask(gateway, new_token()), "ok")
        self.assertEqual(self.ask(gateway, old_token()), "ok")
        bearer = old_token()
        self.assertEqual(self.ask(gateway, bearer), "ok")
        server.body = key_set(new=NEW)
        until(lambda: self.ask(gateway, bearer) == UNKNOWN, "the old key to be forgotten, and the remembered token with it")
        for _ in range(6):
            self.assertEqual(self.ask(gateway, new_token()), "ok")

    def test_made_up_keys_do_not_make_it_ask_again_and_again(self):
        server = self.use(KeyServer())
        gateway = self.start(server.port)
        self.assertEqual(self.ask(gateway, old_token()), "ok")
        for i in range(10):
            self.assertEqual(self.ask(gateway, token(CLAIMS, NEW, "RS256", kid=f"made-up-{i}")), UNKNOWN)
        self.assertEqual(server.hits, 2)
        self.assertEqual(gateway.metric("^sluice_jwks_unknown_key_limited_total"), 9)
        self.assertEqual(self.ask(gateway, old_token()), "ok")

    def test_an_edit_of_the_upstream_asks_the_other_server(self):
        server, other = self.use(KeyServer()), self.use(KeyServer())
        other.body = key_set(new=NEW)
        gateway = self.start(server.port)
        self.assertEqual(self.ask(gateway, old_token()), "ok")
        gateway.values["keys"] = other.port
        gateway.write("id.yaml", UPSTREAM)
        until(lambda: self.ask(gateway, new_token()) == "ok", "the keys of the other server")
        self.assertEqual(self.ask(gateway, old_token()), UNKNOWN)

    def test_a_service_goes_on_with_its_keys_when_the_upstream_is_removed(self):
        server = self.use(KeyServer())
        gateway = self.start(server.port)
        self.assertEqual(self.ask(gateway, old_token()), "ok")
        gateway.remove("id.yaml")
        until(lambda: gateway.status("virtualservices", "all")[0] == "Rejected", "the service to be rejected")
        self.assertIn("upstreamRef: *v1.Upstream { gloo-system.id } not found", gateway.status("virtualservices", "all")[1])
        self.assertEqual(self.ask(gateway, old_token()), "ok")
        self.assertEqual(server.hits, 1)


class Https(RemoteKeys):
    """The Upstream has TLS: whoever shows another certificate than one of its authority for its name gives no keys."""

    UPSTREAM = UPSTREAM.replace("spec: {", "spec: {sslConfig: {secretRef: {name: trust, namespace: gloo-system}, sni: id.test, "
                                           "verifySubjectAltName: [id.test]}, ")
    NO_TLS = "https does not make the fetch use TLS"

    def begin(self, pair):
        self.server = self.use(KeyServer(pair=pair))
        return self.start(self.server.port, url="https://id.test/realms/a/keys", upstream=self.UPSTREAM,
                          files={"trust.yaml": authority().secret("trust")})

    def test_keys_come_by_tls(self):
        gateway = self.begin(authority().make("id.test"))
        self.assertEqual(self.ask(gateway, old_token()), "ok")
        self.assertEqual(self.server.hosts, {("id.test", "/realms/a/keys")})
        self.assertEqual(gateway.status("virtualservices", "all"), ("Accepted", ""))
        self.assertNotIn(self.NO_TLS, gateway.process.stderr())

    @rows({"of another authority": (lambda: authority("Another CA").make("id.test"),),
           "for another name": (lambda: authority().make("other.test"),),
           "that has expired": (lambda: authority().make("id.test", days=-1),)})
    def a_certificate_that_is_refused(self, make):
        gateway = self.begin(make())
        self.assertEqual(self.ask(gateway, old_token()), FAILED)
        self.assertRegex(gateway.says("keys cannot be fetched"), "certificate")
        self.assertEqual((self.server.hits, self.backend.requests), (0, []))

    def test_keys_are_never_asked_for_in_the_clear_where_the_upstream_has_tls(self):
        server = self.use(KeyServer())
        gateway = self.start(server.port, url="http://id.test/realms/a/keys", upstream=self.UPSTREAM,
                             files={"trust.yaml": authority().secret("trust")})
        self.assertEqual(self.ask(gateway, old_token()), FAILED)
        self.assertEqual(server.hits, 0)

    def test_an_upstream_without_tls_is_a_warning(self):
        gateway = self.start(self.use(KeyServer()).port, url="https://id.test/realms/a/keys")
        self.assertEqual(self.ask(gateway, old_token()), "ok")
        state, reason = gateway.status("virtualservices", "all")
        self.assertEqual(state, "Warning")
        self.assertIn(self.NO_TLS, reason)

    def test_an_upstream_that_takes_any_certificate_is_a_warning(self):
        server = self.use(KeyServer(pair=authority("Another CA").make("id.test")))
        gateway = self.start(server.port, url="https://id.test/realms/a/keys", upstream=UPSTREAM.replace("spec: {", "spec: {sslConfig: {}, "))
        self.assertEqual(self.ask(gateway, old_token()), "ok")
        state, reason = gateway.status("virtualservices", "all")
        self.assertEqual(state, "Warning")
        self.assertIn("the Upstream takes any certificate", reason)


class Explaining(RemoteKeys):
    def test_explain_fetches_nothing_and_says_so(self):
        server = self.use(KeyServer())
        gateway = self.start(server.port)
        self.assertEqual(self.ask(gateway, old_token()), "ok")
        hits = server.hits
        code, out, err = run_sluice("explain", "http://app.test/", "-H", f"Authorization: Bearer {old_token()}", "--config", gateway.folder)
        self.assertEqual(code, 0, err)
        self.assertIn("keys that are fetched from a URL", out)
        self.assertNotIn("401", out)
        self.assertEqual(server.hits, hits)


class Failing(RemoteKeys):
    def test_a_server_that_is_gone_refuses_tokens_until_it_is_back(self):
        port = free_port()
        gateway = self.start(port)
        self.assertEqual(self.ask(gateway, old_token()), FAILED)
        self.assertEqual(gateway.metric("^sluice_jwks_missing"), 1)
        self.assertIn("keys cannot be fetched", gateway.says("keys cannot be fetched"))
        self.assertEqual(self.backend.requests, [])
        self.use(KeyServer(port))
        until(lambda: self.ask(gateway, old_token()) == "ok", "the keys of the server that is back")
        self.assertEqual(gateway.metric("^sluice_jwks_missing"), 0)

    def test_keys_that_are_there_outlive_their_server(self):
        server = KeyServer()
        gateway = self.start(server.port, "cacheDuration: 1s")
        self.assertEqual(self.ask(gateway, old_token()), "ok")
        server.status = 500
        until(lambda: gateway.metric("^sluice_jwks_stale") == 1, "keys to be old")
        self.assertEqual(self.ask(gateway, old_token()), "ok")
        self.assertIn("the keys of before count", gateway.says("keys cannot be fetched"))
        server.status = 200
        until(lambda: gateway.metric("^sluice_jwks_stale") == 0, "keys to be new")
        server.stop()

    def test_a_slow_server_holds_a_request_for_five_seconds(self):
        server = self.use(KeyServer())
        server.hold()
        gateway = self.start(server.port)
        begin = time.monotonic()
        self.assertEqual(self.ask(gateway, old_token()), FAILED)
        self.assertGreater(time.monotonic() - begin, 4.5)
        server.release()
        until(lambda: self.ask(gateway, old_token()) == "ok", "the keys of a server that is slow no more")

    @rows({"garbage": b"<html>nope</html>", "a set without keys": b'{"keys": []}', "one key": json.dumps(OLD.jwk).encode(),
           "a pem key": OLD.public_pem.encode(), "a private key": b'{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "AA"}]}',
           "deep json": b'{"keys": ' + b"[" * 100_000, "too much": b'{"keys": [' + b" " * (8 << 20), "nothing": b""})
    def answer(self, body):
        server = self.use(KeyServer())
        server.body = body
        gateway = self.start(server.port)
        self.assertEqual(self.ask(gateway, old_token()), FAILED)
        self.assertEqual(gateway.metric(r"^envoy_http_jwt_authn_jwks_fetch_failed"), 1)
        server.body = key_set(old=OLD)
        until(lambda: self.ask(gateway, old_token()) == "ok", "good keys")


class Ahead(RemoteKeys):
    def refuses(self, gateway):
        try:
            socket.create_connection(("127.0.0.1", gateway.port), timeout=1).close()
            return False
        except ConnectionRefusedError:
            return True

    def test_ports_open_when_keys_are_there(self):
        server = self.use(KeyServer())
        server.hold()
        gateway = self.start(server.port, "asyncFetch: {}", wait=False)
        until(lambda: server.hits == 1, "keys to be fetched before any request")
        until(lambda: gateway.admin("/readyz").status == 503, "an admin port that answers")
        stays(lambda: self.refuses(gateway) and gateway.admin("/readyz").status == 503, "a closed port", 0.3)
        server.release()
        gateway.wait_ready()
        self.assertEqual(self.ask(gateway, old_token()), "ok")
        self.assertEqual(server.hits, 1)

    def test_ports_open_when_keys_cannot_be_had(self):
        gateway = self.start(free_port(), "asyncFetch: {}")
        self.assertEqual(self.ask(gateway, old_token()), FAILED)

    def test_a_fast_listener_does_not_wait_and_its_requests_do(self):
        server = self.use(KeyServer())
        server.hold()
        gateway = self.start(server.port, "asyncFetch: {fastListener: true}")
        until(lambda: server.hits == 1, "keys to be fetched before any request")
        answers = []
        thread = threading.Thread(target=lambda: answers.append(self.ask(gateway, old_token())))
        thread.start()
        until(lambda: gateway.metric("^sluice_jwks_waiting$") == 1, "the request to wait")
        server.release()
        thread.join(20)
        self.assertEqual((answers, server.hits), (["ok"], 1))

    def test_a_signal_ends_it_while_it_waits_and_a_change_meanwhile_is_not_lost(self):
        server = self.use(KeyServer())
        server.hold()
        gateway = self.start(server.port, "asyncFetch: {}", wait=False)
        until(lambda: server.hits == 1, "keys to be fetched")
        gateway.write("more.yaml", configs.virtual_service("- directResponseAction: {status: 200, body: more}", domains="[more.test]",
                                                           name="more"))
        server.release()
        until(lambda: gateway.fetch("/", host="more.test").text() == "more", "the change to be in force")
        server.hold()
        gateway.stop()
        again = self.start(server.port, "asyncFetch: {}", wait=False)
        until(lambda: server.hits == 2, "keys to be fetched")
        again.stop()


class OpenIdConnect(Case):
    """A real provider over https (`make interop` installs it): its tokens are taken, by the keys that it publishes."""

    TOOL = ROOT / "build/tools/oidc-provider"

    def setUp(self):
        if not (self.TOOL / "node_modules/oidc-provider").exists():
            self.skipTest(f"{self.TOOL.relative_to(ROOT)} is not there: make interop installs it")
        scratch = tempfile.TemporaryDirectory(prefix="sluice-oidc-")
        self.addCleanup(scratch.cleanup)
        pair = authority().make("id.test")
        self.provider = Process(["sh", "-c", 'cd "$0" && exec node "$@"', self.TOOL, ROOT / "tests/interop/oidc_provider.mjs", pair.certificate,
                                 pair.key], scratch.name, "oidc")
        self.addCleanup(self.provider.kill)
        self.port = int(until(lambda: self.provider.stdout().strip(), "the provider's port", 30))
        self.issuer = f"https://id.test:{self.port}"
        self.backend = self.use(Backend())

    def start(self, trust):
        options = (f"jwt: {{providers: {{p: {{issuer: '{self.issuer}', audiences: ['urn:tenants'], jwks: {{remote: {{url: '{self.issuer}/jwks', "
                   "upstreamRef: {name: id, namespace: gloo-system}}}}}}")
        return self.use(Gateway({**configs.to_backend(options), "id.yaml": Https.UPSTREAM, "trust.yaml": trust.secret("trust")},
                                values={"backend": self.backend.port, "keys": self.port}))

    def token(self):
        """As a client gets it."""
        done = subprocess.run(["curl", "-sS", "-m", "20", "--cacert", authority().certificate, "--resolve", f"id.test:{self.port}:127.0.0.1", "-u", "c:s",
                               "-d", "grant_type=client_credentials", f"{self.issuer}/token"], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["access_token"]

    def ask(self, gateway, bearer):
        return gateway.fetch("/", headers=[("Authorization", f"Bearer {bearer}")]).status

    def test_its_tokens_are_taken(self):
        gateway = self.start(authority())
        good = self.token()
        self.assertEqual(self.ask(gateway, good), 200)
        head, claims, signature = good.split(".")
        self.assertEqual(self.ask(gateway, f"{head}.{claims}.{signature[::-1]}"), 401)
        self.assertEqual(self.ask(gateway, old_token()), 401)
        self.assertEqual(gateway.status("virtualservices", "all"), ("Accepted", ""))

    def test_one_with_a_certificate_of_another_authority_is_not_believed(self):
        gateway = self.start(authority("Another CA"))
        self.assertEqual(self.ask(gateway, self.token()), 401)
        self.assertRegex(gateway.says("keys cannot be fetched"), "certificate")
