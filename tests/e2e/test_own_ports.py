"""Admin port and API beyond loopback: by TLS and with a token, for the real kubectl and curl."""

import json
import pathlib
import socket
import subprocess
import tempfile

from harness import configs, tls
from harness.case import Case, rows
from harness.certificates import Authority
from harness.gateway import Gateway, run_sluice
from harness.kubectl import Kubectl
from harness.waiting import free_port, until

NS = ("-n", "gloo-system")
TOKEN = "operators-token-of-more-than-twenty-characters"
API = "/apis/gateway.solo.io/v1/namespaces/gloo-system/virtualservices"


def direct(name, body):
    return configs.virtual_service(f"- matchers: [{{prefix: /}}]\n  directResponseAction: {{status: 200, body: {body}}}",
                                   domains=f"[{name}.test]", name=name)


def curl(*arguments):
    """(exit code, status of the answer, body, version of HTTP)"""
    code, out, _ = tls.curl("-w", "\n%{http_code} %{http_version}", *arguments)
    body, _, last = out.rpartition("\n")
    status, version = last.split()
    return code, int(status), body, version


class OwnPorts(Case):
    def folder(self):
        scratch = tempfile.TemporaryDirectory(prefix="sluice-own-ports-")
        self.addCleanup(scratch.cleanup)
        return pathlib.Path(scratch.name)

    def start(self, *arguments, files=None):
        return self.use(Gateway(files or {"vs.yaml": direct("hello", "hello")}, own_host="0.0.0.0", arguments=arguments))


class MadeHere(OwnPorts):
    """Authority, certificate and token come from the state folder."""

    def setUp(self):
        self.state = self.folder()
        self.gateway = self.start("--state", self.state)
        self.ca = self.state / ".access/ca.crt"
        self.token = (self.state / ".access/token").read_text().strip()
        self.bearer = ("-H", f"Authorization: Bearer {self.token}")
        self.api = f"https://127.0.0.1:{self.gateway.api_port}"
        self.admin = f"https://127.0.0.1:{self.gateway.admin_port}"

    def test_kubectl_works_with_what_sluice_kubeconfig_writes(self):
        kubectl = Kubectl(self.gateway.api_port, self.folder(), "--state", self.state, "--ca", self.ca)
        text = kubectl.kubeconfig.read_text()
        self.assertIn("certificate-authority-data:", text)
        self.assertIn(f"server: {self.api}\n", text)
        self.assertIn("hello", kubectl(*NS, "get", "vs"))
        watch = kubectl.start(*NS, "get", "vs", "--watch", "-o", "name")
        self.addCleanup(watch.wait)
        self.addCleanup(watch.stdout.close)
        self.addCleanup(watch.stderr.close)
        self.addCleanup(watch.kill)
        self.assertIn("hello", watch.stdout.readline())
        self.assertIn("created", kubectl(*NS, "apply", "-f", "-", stdin=direct("applied", "one")))
        self.assertIn("applied", watch.stdout.readline())
        until(lambda: self.gateway.fetch("/", host="applied.test").text() == "one", "what was applied to serve")
        self.assertIn("deleted", kubectl(*NS, "delete", "vs/applied"))

        self.assertEqual(self.gateway.process.stop(), 0)
        self.gateway.start()
        until(lambda: "hello" in kubectl(*NS, "get", "vs"), "it to serve by the same authority and token")
        self.assertNotIn(self.token, self.gateway.process.stderr())

    def test_kubectl_without_the_token_or_with_a_wrong_one_is_told_so(self):
        kubectl = Kubectl(self.gateway.api_port, self.folder(), "--state", self.state, "--ca", self.ca)
        good = kubectl.kubeconfig.read_text()
        for bad, more in ((good.replace(self.token, "wrong-token-of-more-than-twenty-characters"), ()),
                          (good.replace(f'\n    token: "{self.token}"', " {}"), ("--username=sluice", "--password=sluice"))):
            kubectl.kubeconfig.write_text(bad)
            code, _, err = kubectl.run(*NS, "get", "vs", *more)
            self.assertEqual(code, 1)
            self.assertIn("You must be logged in to the server", err)

    def test_kubectl_that_trusts_another_authority_does_not_speak_to_it(self):
        other = Authority()
        self.addCleanup(other.stop)
        kubectl = Kubectl(self.gateway.api_port, self.folder(), "--state", self.state, "--ca", other.certificate)
        code, _, err = kubectl.run(*NS, "get", "vs")
        self.assertEqual(code, 1)
        self.assertIn("x509", err)

    @rows({"HTTP/1.1": ("--http1.1", "1.1"), "HTTP/2": ("--http2", "2")})
    def curl_with_authority_and_token(self, option, version):
        code, status, body, spoken = curl(option, "--cacert", self.ca, *self.bearer, self.api + API)
        self.assertEqual((code, status, spoken), (0, 200, version))
        self.assertEqual([item["metadata"]["name"] for item in json.loads(body)["items"]], ["hello"])
        self.assertEqual(curl(option, "--cacert", self.ca, *self.bearer, self.admin + "/readyz")[:2], (0, 200))

    @rows({"no token": (), "a wrong token": ("-H", "Authorization: Bearer wrong-token-of-more-than-twenty-characters"),
           "the token as a password": ("-u", "sluice:@"), "two tokens": ("-H", "Authorization: Bearer x", "-H", "Authorization: Bearer @")})
    def callers_without_a_token(self, *arguments):
        arguments = [argument.replace("@", self.token) for argument in arguments]
        for url in (self.api + API, self.api + "/healthz", self.admin + "/", self.admin + "/metrics", self.admin + "/readyz"):
            code, status, body, _ = curl("--cacert", self.ca, "-D", "-", *arguments, url)
            self.assertEqual((code, status), (0, 401), body)
            self.assertRegex(body, r"(?i)www-authenticate: bearer")
            self.assertNotIn("hello", body)
        self.assertEqual(curl("--cacert", self.ca, *arguments, "-X", "POST", self.admin + "/drain")[1], 401)
        self.assertEqual(curl("--cacert", self.ca, *arguments, "-X", "DELETE", self.api + API + "/hello")[1], 401)
        self.assertEqual(self.gateway.fetch("/", host="hello.test").text(), "hello")
        self.gateway.says(r"a caller without a token is refused port=api client=127\.0\.0\.1:\d+ why=")
        metrics = curl("--cacert", self.ca, *self.bearer, self.admin + "/metrics")[2]
        self.assertIn('sluice_callers_refused_total{port="api"} 3', metrics)
        self.assertNotIn(self.token, self.gateway.process.stderr())

    def test_the_api_answers_401_with_a_status(self):
        status = json.loads(curl("--cacert", self.ca, self.api + API)[2])
        self.assertEqual((status["kind"], status["reason"], status["code"]), ("Status", "Unauthorized", 401))

    def test_callers_that_do_not_know_the_authority_go_away(self):
        self.assertEqual(curl(*self.bearer, self.api + API)[0], 60)

    def test_plain_http_is_not_answered(self):
        for port in (self.gateway.api_port, self.gateway.admin_port):
            with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
                sock.sendall(f"GET /readyz HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.token}\r\n\r\n".encode())
                answer = b""
                try:
                    while part := sock.recv(4096):
                        answer += part
                except ConnectionResetError:
                    pass
            self.assertNotIn(b"HTTP", answer)
        self.gateway.says(r"a client's handshake failed .*listener=0\.0\.0\.0:")
        self.assertNotIn(self.token, self.gateway.process.stderr())

    def test_web_pages_are_refused_also_with_a_token(self):
        for url in (self.api + API, self.admin + "/"):
            self.assertEqual(curl("--cacert", self.ca, *self.bearer, "-H", "Origin: https://evil.test", url)[1], 403)

    def test_it_is_called_by_any_name_that_its_certificate_is_for(self):
        name = socket.gethostname().lower()
        for port, path in ((self.gateway.api_port, API), (self.gateway.admin_port, "/")):
            for host in ("localhost", name):
                code, status, _, _ = curl("--cacert", self.ca, *self.bearer, "--resolve", f"{host}:{port}:127.0.0.1",
                                          f"https://{host}:{port}{path}")
                self.assertEqual((code, status), (0, 200), host)

    def test_commands_of_sluice_find_what_they_need_in_the_state_folder(self):
        code, out, err = run_sluice("get", "vs", "--api", self.api, "--state", self.state)
        self.assertEqual(code, 0, err)
        self.assertIn("hello", out)
        code, out, err = run_sluice("proxy", "address", "--admin", self.admin, environment={"STATE_DIRECTORY": str(self.state)})
        self.assertEqual((code, out), (0, f"127.0.0.1:{self.gateway.port}\n"), err)
        for name in ("localhost", socket.gethostname().lower()):
            code, out, err = run_sluice("get", "vs", "--api", f"https://{name}:{self.gateway.api_port}", "--state", self.state)
            self.assertEqual(code, 0, err)
            self.assertIn("hello", out)
        code, _, err = run_sluice("get", "vs", "--api", f"{64 * 'a'}.test:19001", "--state", self.state)    # no query can carry it
        self.assertEqual(code, 4)
        self.assertIn(f"no address of {64 * 'a'}.test is known: ", err)
        other = self.folder()
        (other / "token").write_text("wrong-token-of-more-than-twenty-characters\n")
        code, _, err = run_sluice("get", "vs", "--api", self.api, "--ca", self.ca, "--token-file", other / "token")
        self.assertEqual(code, 3)
        self.assertIn("does not take this token", err)
        code, _, err = run_sluice("get", "vs", "--api", self.api, "--ca", "system", "--token-file", self.state / ".access/token")
        self.assertEqual(code, 3)
        self.assertIn("certificate", err)
        code, _, err = run_sluice("get", "vs", "--api", self.api, "--state", other)
        self.assertEqual(code, 3)
        self.assertRegex(err, r"^sluice: cannot read \S+/\.access/ca\.crt: No such file or directory; --state names ")

    def test_its_certificate_is_listed(self):
        (row,) = json.loads(curl("--cacert", self.ca, *self.bearer, self.admin + "/certs")[2])
        self.assertEqual((row["issuer"], row["usedBy"][0]["gateway"]), ("CN=sluice", "admin and API"))
        self.assertIn("127.0.0.1", row["subjectAltNames"])
        self.assertIn('sluice_certificate_expiry_seconds{source="admin and API"} 1',
                      curl("--cacert", self.ca, *self.bearer, self.admin + "/metrics")[2])


class Given(OwnPorts):
    """Certificate and tokens come from files."""

    def setUp(self):
        self.authority = Authority()
        self.addCleanup(self.authority.stop)
        self.files = self.folder()
        self.put(self.authority.make("gateway.test", "127.0.0.1"))
        (self.files / "tokens").write_text(f"# operators\n{TOKEN}\n")
        self.gateway = self.start("--tls-cert", self.files / "own.crt", "--tls-key", self.files / "own.key",
                                  "--token-file", self.files / "tokens", "--state", self.files / "none")

    def put(self, pair):
        for name, source in (("own.crt", pair.certificate), ("own.key", pair.key)):
            scratch = self.files / f".{name}"
            scratch.write_bytes(pathlib.Path(source).read_bytes())
            scratch.rename(self.files / name)

    def ask(self, token=TOKEN, host="127.0.0.1"):
        port = self.gateway.api_port
        return curl("--cacert", self.authority.certificate, "-H", f"Authorization: Bearer {token}", "--resolve",
                    f"{host}:{port}:127.0.0.1", f"https://{host}:{port}{API}")[:2]

    def test_both_are_read_again_when_they_change(self):
        self.assertEqual(self.ask(host="gateway.test"), (0, 200))
        self.put(self.authority.make("renewed.test", "127.0.0.1"))
        until(lambda: self.ask(host="renewed.test") == (0, 200), "the renewed certificate to be shown")
        self.assertEqual(self.ask(host="gateway.test")[0], 60)
        (self.files / "tokens").write_text("another-token-of-more-than-twenty-characters\n")
        until(lambda: self.ask("another-token-of-more-than-twenty-characters") == (0, 200), "the new token to be taken")
        self.assertEqual(self.ask(), (0, 401))
        (self.files / "own.key").write_text("no key")
        self.gateway.says(r"own\.crt and .*own\.key: .*remedy=\"what was in force before stays so\"")
        self.assertEqual(self.ask("another-token-of-more-than-twenty-characters"), (0, 200))
        self.assertFalse((self.files / "none").exists(), "nothing was made")

    def test_a_token_that_is_withdrawn_ends_what_its_owner_watches(self):
        watching = subprocess.Popen(["curl", "-sSN", "--cacert", str(self.authority.certificate), "-H", f"Authorization: Bearer {TOKEN}",
                                     f"https://127.0.0.1:{self.gateway.api_port}{API}?watch=true"], stdout=subprocess.PIPE,
                                    stderr=subprocess.DEVNULL)
        self.addCleanup(watching.communicate)
        self.addCleanup(watching.kill)
        self.assertIn(b"hello", watching.stdout.readline())
        other = "another-token-of-more-than-twenty-characters"
        (self.files / "tokens").write_text(f"{TOKEN}\n{other}\n")
        until(lambda: self.ask(other) == (0, 200), "a second token to be taken")
        self.assertIsNone(watching.poll(), "nothing was withdrawn yet")
        (self.files / "tokens").write_text(f"{other}\n")
        until(lambda: watching.poll() is not None, "the watch to end")

    def test_kubectl_with_a_kubeconfig_of_these_files(self):
        kubectl = Kubectl(self.gateway.api_port, self.folder(), "--ca", self.authority.certificate, "--token-file", self.files / "tokens")
        self.assertIn("hello", kubectl(*NS, "get", "vs"))


class Refusing(OwnPorts):
    """Started in ways that are refused, each with a sentence that says what to do."""

    def refuses(self, code, pattern, *arguments):
        config = self.folder()
        (config / "vs.yaml").write_text(direct("hello", "hello"))
        got, _, err = run_sluice("run", "--config", config, *arguments)
        self.assertEqual(got, code, err)
        self.assertRegex(err, pattern)

    @rows({"a certificate without its key": (("--tls-cert", "a.crt"), "--tls-cert and --tls-key belong together"),
           "names of a certificate that is given": (("--tls-cert", "a", "--tls-key", "b", "--tls-name", "a.test"), "--tls-name is for"),
           "a name that is none": (("--tls-name", "a,DNS:b"), "--tls-name: .*neither a host name")})
    def wrong_options(self, arguments, pattern):
        self.refuses(2, pattern, "--admin", "off", "--api", f"0.0.0.0:{free_port()}", *arguments)

    @rows({"tokens": ("--token-file", "tokens"), "a name": ("--tls-name", "a.test"), "a certificate": ("--tls-cert", "a", "--tls-key", "b")})
    def options_for_ports_that_are_all_on_loopback(self, *arguments):
        self.refuses(2, "are for an --admin or --api beyond loopback", "--admin", "off", "--api", f"127.0.0.1:{free_port()}", *arguments)

    @rows({"all": "0.0.0.0:1", "all of v6": "[::]:1", "another": "10.0.0.1:1", "a mapped one": "[::ffff:10.0.0.1]:1"})
    def no_place_to_keep_what_is_made_for_an_address_beyond_loopback(self, address):
        for on, off in (("--admin", "--api"), ("--api", "--admin")):
            self.refuses(3, "kept in the state folder, which --state names.*/dev/null/state", on, address, off, "off", "--state",
                         "/dev/null/state")

    @rows({"v4": "127.9.0.1", "v6": "[::1]"})
    def nothing_is_made_for_loopback(self, address):
        # The port that is in use is the next thing that is looked at.
        taken = socket.create_server((address.strip("[]"), 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
        self.addCleanup(taken.close)
        self.refuses(3, "(?i)in use", "--admin", f"{address}:{taken.getsockname()[1]}", "--api", "off", "--state", "/dev/null/state")

    def test_files_that_are_missing_or_do_not_fit(self):
        files = self.folder()
        authority = Authority()
        self.addCleanup(authority.stop)
        one, other = authority.make("a.test"), authority.make("b.test")
        ports = ("--admin", "off", "--api", f"0.0.0.0:{free_port()}", "--state", files)
        self.refuses(3, "/missing: No such file", *ports, "--token-file", files / "missing")
        self.refuses(3, "the private key does not fit", *ports, "--tls-cert", one.certificate, "--tls-key", other.key)
        (files / "tokens").write_text("short\n")
        self.refuses(3, "tokens: line 1: a token has 20 to 1024 characters, not 5", *ports, "--token-file", files / "tokens")

    def test_a_kubeconfig_that_would_send_nothing_but_clear_text_beyond_loopback(self):
        code, out, err = run_sluice("kubeconfig", "--api", "http://10.0.0.7:19001")
        self.assertEqual((code, out), (2, ""))
        self.assertIn("by TLS alone", err)
        code, out, err = run_sluice("kubeconfig", "--api", "10.0.0.7:19001", "--state", self.folder())
        self.assertEqual((code, out), (3, ""))
        self.assertRegex(err, r"cannot read \S+\.access/ca\.crt: .*--ca FILE")
