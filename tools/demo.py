#!/usr/bin/env python3
"""Shows the main flow of sluice with real parts: dnsmasq, HTTP servers with TLS and without, kubectl and curl. `make demo` calls this.

Each step prints its command, what came back and what was to be seen (examples/mypaas/README.md). Without --once the
gateway stays until Ctrl-C. With it the exit code is 0 only if everything was as that page says.
"""

import argparse
import base64
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from harness import mypaas  # noqa: E402
from harness.backend import Backend, TlsBackend  # noqa: E402
from harness.certificates import Authority  # noqa: E402
from harness.kubectl import kubectl_program  # noqa: E402
from harness.process import Process  # noqa: E402
from harness.waiting import free_port, until  # noqa: E402

WORK = ROOT / "build/demo"
SLUICE = ROOT / "build/release/sluice"
GATEWAY_PORT, TENANT_PORT, ADMIN_PORT, API_PORT = 8080, 18081, 19000, 19001
TLS_PORT, TENANT_TLS_PORT = 8443, 18443
TENANTS = {"tenant-1": "127.0.1.1", "tenant-2": "127.0.1.2"}
BAD_TENANTS = ["x.evil.test:80/", "a@b", "a#", "%2e", "a\nb"]
COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def paint(code, text):
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def taken(address, port):
    """True when somebody listens there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return True
    return False


class Demo:
    def __init__(self):
        self.parts = []            # whatever has a stop(), in the order of starting
        self.failures = []
        self.step_number = 0
        self.refusals = 0          # each such request has a path of its own, by which its line in the log is found
        self.environment = dict(os.environ)

    # ---------------------------------------------------------------- printing

    def step(self, title):
        self.step_number += 1
        print("\n" + paint("1", f"{self.step_number}. {title}"), flush=True)

    def show(self, text, lines_max=24):
        lines = text.rstrip().splitlines()
        for line in lines[:lines_max]:
            print(textwrap.fill(line, 150, initial_indent=" " * 5, subsequent_indent=" " * 9, break_on_hyphens=False))
        if len(lines) > lines_max:
            print(f"     ... {len(lines) - lines_max} more lines")
        sys.stdout.flush()

    def check(self, what, good, seen=""):
        if good:
            print("   " + paint("32", "ok") + f"  {what}", flush=True)
        else:
            print("   " + paint("31", "NOT AS EXPECTED") + f"  {what}" + (f"\n     seen: {seen}" if seen else ""), flush=True)
            self.failures.append(what)

    def command(self, text, quiet=False):
        """Runs a shell command as an operator would type it: (exit code, stdout, stderr)."""
        print(paint("36", f"   $ {text}"), flush=True)
        done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, env=self.environment, cwd=WORK,
                              timeout=60, check=False)
        if not quiet:
            self.show(done.stdout + done.stderr)
        return done.returncode, done.stdout, done.stderr

    def curl(self, token="$token", headers=(), show=True, path="/"):
        """curl -v with the demo's Host and a token: (status, head, body)."""
        more = "".join(f' -H "{h}"' for h in headers)
        bearer = f' -H "Authorization: Bearer {token}"' if token else ""
        text = f'curl -sv --noproxy "*" $(sluice proxy url){path} -H "Host: api.mypaas.test"{bearer}{more}'
        code, body, talk = self.command(text, quiet=True)
        head = "\n".join(line for line in talk.splitlines() if line[:1] in "<>")
        if show:
            self.show(re.sub(r"(Bearer \S{20})\S+", r"\1...", head + "\n" + body))
        match = re.search(r"^< HTTP/1\.1 (\d+)", talk, re.M)
        if not match:
            self.check("curl got an answer", False, f"exit code {code}: {talk.strip()[-200:]}")
        return int(match.group(1)) if match else 0, head, body

    # ------------------------------------------------------------------- parts

    def start_parts(self):
        clashes = [(address, port) for address, port in
                   [("127.0.0.1", GATEWAY_PORT), ("127.0.0.1", TLS_PORT),
                    *((a, port) for a in TENANTS.values() for port in (TENANT_PORT, TENANT_TLS_PORT))] if taken(address, port)]
        for address, port in clashes:
            print(f"demo: port {port} on {address} is taken; stop what listens there (`ss -ltnp sport = :{port}` names it)",
                  file=sys.stderr)
        if clashes:
            sys.exit(3)
        if not SLUICE.exists():
            sys.exit("demo: build/release/sluice is not there: `make release` builds it")
        shutil.rmtree(WORK, ignore_errors=True)
        (WORK / "config").mkdir(parents=True)
        (WORK / "bin").mkdir()
        (WORK / "bin/sluice").symlink_to(SLUICE)
        (WORK / "bin/kubectl").symlink_to(kubectl_program())
        admin = ADMIN_PORT if not taken("127.0.0.1", ADMIN_PORT) else free_port()
        api = API_PORT if not taken("127.0.0.1", API_PORT) else free_port()
        self.environment.update(
            PATH=f"{WORK / 'bin'}:{os.environ['PATH']}", SLUICE_ADMIN=f"127.0.0.1:{admin}", SLUICE_API=f"127.0.0.1:{api}",
            KUBECONFIG=str(WORK / "kubeconfig"), HOME=str(WORK))
        for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
            self.environment.pop(name, None)

        self.tenants = {}
        for name, address in TENANTS.items():
            self.tenants[name] = Backend(address, TENANT_PORT, default=tenant_answer(name))
            self.parts.append(self.tenants[name])
        self.start_tls_tenants()
        dns_port = free_port(also_udp=True)
        addresses = [f"--address=/{name}.mypaas.test/{address}" for name, address in TENANTS.items()]
        self.dns = Process(
            [shutil.which("dnsmasq") or "/usr/sbin/dnsmasq", "-k", "-C", "/dev/null", "--no-resolv", "--no-hosts", "--user=",
             "--pid-file=", "--bind-interfaces", "--listen-address=127.0.0.1", f"--port={dns_port}", "--local=/test/",
             "--address=/mypaas.test/127.0.1.1", *addresses, "--log-queries", "--log-facility=-"], WORK, "dnsmasq")
        self.parts.append(self.dns)
        self.resolver = f"127.0.0.1:{dns_port}"
        until(lambda: "started" in self.dns.stderr(), "dnsmasq to start")

        self.command("openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out private.pem 2>/dev/null && "
                     "openssl pkey -in private.pem -pubout -out public.pem")
        for name, text in mypaas.files((WORK / "public.pem").read_text()).items():
            (WORK / "config" / name).write_text(text)
        for name in ("token-payload.json", "gateway-patch.yaml"):
            shutil.copy(mypaas.EXAMPLE / name, WORK / name)

        kept = {name: self.environment[name] for name in ("PATH", "KUBECONFIG", "SLUICE_ADMIN", "SLUICE_API")}
        kept["PATH"] = f"{WORK / 'bin'}:$PATH"
        (WORK / "env").write_text("".join(f'export {name}="{value}"\n' for name, value in kept.items()))

        arguments = ["run", "--config", "config", "--resolver", self.resolver, "--admin", f"127.0.0.1:{admin}",
                     "--api", f"127.0.0.1:{api}"]
        print(paint("36", f"   $ sluice {shlex.join(arguments)} &"), flush=True)
        arguments[2] = str(WORK / "config")
        self.gateway = Process([SLUICE, *arguments], WORK, "sluice")
        self.parts.append(self.gateway)

    def start_tls_tenants(self):
        """The same tenants behind TLS; the certificate of the second one is for another name."""
        self.ca = Authority("mypaas tenants CA")
        self.parts.append(self.ca)
        self.tls_tenants = {}
        for (tenant, address), name in zip(TENANTS.items(), ("tenant-1.mypaas.test", "tenant-9.mypaas.test")):
            backend = TlsBackend(self.ca.make(name), address=address, port=TENANT_TLS_PORT, default=tenant_answer(tenant))
            self.tls_tenants[tenant] = backend
            self.parts.append(backend)
        shutil.copy(self.ca.certificate, WORK / "ca.crt")
        own = self.ca.make("api.mypaas.test")
        shutil.copy(own.certificate, WORK / "api.crt")
        shutil.copy(own.key, WORK / "api.key")

    def stop_parts(self):
        for part in reversed(self.parts):
            try:
                part.stop()
            except AssertionError as error:
                self.check("everything stops when it is told to", False, str(error))
        self.parts.clear()

    # ------------------------------------------------------------ observations

    def queries(self, others=False):
        """How many questions the DNS server was asked; `others`: not counting the two tenants' names, which may be
        refreshed at any time because they were used."""
        names = re.findall(r"query\[(?:A|AAAA)\] (\S+)", self.dns.stderr())
        return len([name for name in names if not others or name.removesuffix(".mypaas.test") not in TENANTS])

    def connections(self):
        return sum(tenant.accepted for tenant in self.tenants.values())

    def last_request(self, tenant="tenant-1"):
        return self.tenants[tenant].requests[-1] if self.tenants[tenant].requests else None

    def log_line(self, marker):
        """The access-log line of the request whose path is `marker`; it is written a moment after the answer."""
        return until(lambda: next((line for line in self.gateway.stdout().splitlines() if f" {marker} " in line), None),
                     "the access-log line")

    def refused(self, title, token, status, body, log, headers=()):
        """One request that must not get anywhere: no DNS packet, no connection."""
        queries, connections = self.queries(others=True), self.connections()
        self.refusals += 1
        path = f"/{self.refusals}"
        got, _, text = self.curl(token, headers, show=False, path=path)
        line = self.log_line(path)
        self.show(f"{got} {text.strip()!r}\n{line}")
        self.check(f"{title}: {status}{f', body {body!r}' if body is not None else ''}",
                   got == status and (body is None or text == body), f"{got} {text!r}")
        if log:
            self.check(f"the access log says {log[0]} {log[1]}", f" {status} {log[0]} " in line and log[1] in line, line)
        self.check("no DNS packet, no connection", (self.queries(others=True), self.connections()) == (queries, connections),
                   f"{self.queries(others=True) - queries} queries, {self.connections() - connections} connections")

    # ------------------------------------------------------------------- steps

    def run(self):
        self.step("Start: a DNS server that knows *.mypaas.test, two tenants on port 18081, the gateway with the example's folder")
        self.start_parts()

        def ready():
            if not self.gateway.alive():
                raise RuntimeError(self.gateway.tail())
            return subprocess.run([SLUICE, "proxy", "url"], env=self.environment, capture_output=True, check=False).returncode == 0
        until(ready, "the gateway to be ready")
        self.command("sluice kubeconfig > kubeconfig && kubectl -n gloo-system get gw,vs")

        self.step("Before the patch: this listener has no forward proxy")
        self.command("export token=$(sluice token --key private.pem --alg RS256 token-payload.json); echo ${token:0:60}...")
        _, self.environment["token"], _ = self.command("sluice token --key private.pem --alg RS256 token-payload.json", quiet=True)
        self.environment["token"] = self.environment["token"].strip()
        self.check("the token has three parts", self.environment["token"].count(".") == 2, self.environment["token"])
        self.refused("a request to the route", "$token", 503, "", ("NC", "cluster_not_found"))
        _, text, _ = self.command("kubectl -n gloo-system get vs/httpbin -o json | grep -A6 '\"status\"'")
        _, text, _ = self.command("kubectl -n gloo-system get vs/httpbin -o jsonpath='{.status.statuses.gloo-system.state}'")
        self.check("the VirtualService's status carries a Warning", text.strip() == "Warning", text)

        self.step("The patch enables it, without a restart")
        pid = self.gateway.pid
        code, text, _ = self.command('kubectl -n gloo-system patch gw/gateway-proxy --type merge -p "$(cat gateway-patch.yaml)"')
        self.check("kubectl says it is patched", code == 0 and "patched" in text, text)
        until(lambda: subprocess.run(
            ["kubectl", "-n", "gloo-system", "get", "vs/httpbin", "-o", "jsonpath={.status.statuses.gloo-system.state}"],
            env=self.environment, capture_output=True, text=True, check=False).stdout == "Accepted",
            "the VirtualService to be Accepted")
        self.check("the same process serves on", self.gateway.pid == pid and self.gateway.alive())
        self.check("the patch was written to the file the object came from",
                   "dynamicForwardProxy" in (WORK / "config/gateway.yaml").read_text())

        self.step("The claim becomes a host, which is resolved while the request waits")
        queries = self.queries()
        status, _, body = self.curl()
        first = time.monotonic()
        request = self.last_request()
        self.check("200 from tenant-1", status == 200 and request is not None and body.startswith("tenant-1 "), f"{status}")
        if request is not None:
            for name, value in (("x-mypaas-tenant-id", "tenant-1"), ("host", f"tenant-1.mypaas.test:{TENANT_PORT}"),
                                ("x-mypaas-tenant-backend", f"tenant-1.mypaas.test:{TENANT_PORT}"),
                                ("authorization", f"Bearer {self.environment['token']}")):
                self.check(f"the tenant got {name}: {value[:60]}", request.all(name) == [value], request.all(name))
        self.check("the DNS server was asked", self.queries() > queries)
        sent = [line for line in (request.answered if request else "").splitlines() if "x-request-id" not in line]
        got = [line for line in body.splitlines() if "x-request-id" not in line]
        self.check("123-45-6789 and 4111-1111-1111-1111 come back masked, all else unchanged",
                   got == "\n".join(sent).replace(mypaas.SENSITIVE.strip(), mypaas.MASKED.strip()).splitlines() and
                   mypaas.MASKED.strip() in got, body)

        self.step("A second request within a second asks the DNS server nothing (dnsmasq answers with TTL 0)")
        queries = self.queries()
        status, _, _ = self.curl(show=False)
        took = time.monotonic() - first
        self.check(f"200 after {took:.2f} s, no query", status == 200 and took < 1 and self.queries() == queries,
                   f"{status}, {self.queries() - queries} queries, {took:.2f} s")
        self.environment["token2"] = self.sign(tenantId="tenant-2")
        status, _, body = self.curl("$token2", show=False)
        self.show(body, 3)
        self.check("another tenant's token goes to that tenant", status == 200 and body.startswith("tenant-2 "), f"{status} {body[:80]}")

        self.step("A token that was tampered with is let through without the header")
        self.environment["tampered"] = tamper(self.environment["token"])
        self.refused("so no tenant is named", "$tampered", 503, "DNS resolution failure", ("DF", "dns_resolution_failure"))

        self.step("A client's own x-mypaas-tenant-id never counts")
        before = len(self.tenants["tenant-2"].requests)
        status, _, body = self.curl(headers=["x-mypaas-tenant-id: tenant-2"], show=False)
        request = self.last_request()
        self.check("with a valid token: tenant-1, the client's header is gone",
                   status == 200 and request.all("x-mypaas-tenant-id") == ["tenant-1"] and
                   len(self.tenants["tenant-2"].requests) == before, f"{status} {request.headers}")
        self.refused("without a token", "", 503, "DNS resolution failure", ("DF", "dns_resolution_failure"),
                     ["x-mypaas-tenant-id: tenant-2"])

        self.step("A tenantId that is no name never makes a request to anywhere")
        for value in BAD_TENANTS:
            self.environment["bad"] = self.sign(tenantId=value)
            self.refused(f"tenantId {json.dumps(value)}", "$bad", 400, None, None)

        self.step("Without the EgressPolicy a loopback destination is refused: safe by default")
        self.command("mv config/egress-policy.yaml .")
        connections = self.connections()
        status, body = 0, ""

        def refusal():
            nonlocal status, body
            done = subprocess.run(
                ["curl", "-s", "--noproxy", "*", "-w", "\n%{http_code}", f"http://127.0.0.1:{GATEWAY_PORT}/", "-H",
                 "Host: api.mypaas.test", "-H", f"Authorization: Bearer {self.environment['token']}"],
                capture_output=True, text=True, check=False)
            return done.stdout.endswith("403")
        until(refusal, "the change of the folder to be seen")
        connections = self.connections()
        status, _, body = self.curl()
        self.check("403, the answer names the class and the rule",
                   status == 403 and "loopback" in body and "default/loopback" in body, f"{status} {body}")
        self.check("and not the address", not any(address in body for address in TENANTS.values()), body)
        log = until(lambda: next((line for line in reversed(self.gateway.stderr().splitlines()) if "EgressPolicy" in line), None),
                    "the log to name the policy")
        self.show(log)
        self.check("the log names the policy that would open it", "EgressPolicy" in log and "loopback" in log, log)
        self.check("no connection was tried", self.connections() == connections, f"{self.connections() - connections}")
        self.command("mv egress-policy.yaml config/")
        until(lambda: not refusal(), "the policy to be back")
        status, _, _ = self.curl(show=False)
        self.check("with the policy back: 200", status == 200, f"{status}")

        self.show_tls()

    def show_tls(self):
        self.step("The same as it is in the world: the client comes by TLS and HTTP/2, the tenants answer by https")
        (WORK / "tls").mkdir()
        for name, text in mypaas.tls_files((WORK / "public.pem").read_text()).items():
            (WORK / "tls" / name).write_text(text)
        code, text, _ = self.command(
            "kubectl -n gloo-system create secret tls api-mypaas --cert=api.crt --key=api.key && kubectl -n gloo-system create secret "
            "generic tenants-ca --type=kubernetes.io/tls --from-file=ca.crt && kubectl apply -f tls/gateway.yaml -f tls/virtualservice.yaml")
        self.check("kubectl created them", code == 0, text)
        until(lambda: taken("127.0.0.1", TLS_PORT), "the port for TLS to be open")
        tenant = self.tls_tenants["tenant-1"]
        talk, body = self.https("$token")
        self.check("the client's certificate check and ALPN say h2, the answer is HTTP/2 200", "< HTTP/2 200" in talk, talk[-400:])
        self.check("from tenant-1, asked for by its name", body.startswith("tenant-1 ") and tenant.names[-1:] == ["tenant-1.mypaas.test"],
                   f"{tenant.names} {body[:80]}")
        self.check("masked", mypaas.MASKED.strip() in body and "123-45-6789" not in body, body)

        self.step("A tenant whose certificate is for another name is refused, with a sentence")
        talk, body = self.https("$token2")
        self.check("502, the answer says which name was asked for, whose the certificate is, and who issued it",
                   "< HTTP/2 502" in talk and "the certificate is not for tenant-2.mypaas.test but for tenant-9.mypaas.test" in body and
                   "mypaas tenants CA" in body, talk[-300:] + body)
        self.check("Proxy-Status says tls_certificate_error", "error=tls_certificate_error" in talk, talk)
        self.check("no request came to it", not self.tls_tenants["tenant-2"].requests, self.tls_tenants["tenant-2"].requests)
        self.command("curl -s http://$SLUICE_ADMIN/certs | head -12")

    def https(self, token):
        """curl to the port for TLS: (what it says of the connection and the heads, body)."""
        connect = f"--connect-to api.mypaas.test:443:127.0.0.1:{TLS_PORT}"
        _, body, talk = self.command(f'curl -sv --noproxy "*" --http2 --cacert ca.crt {connect} https://api.mypaas.test/ '
                                     f'-H "Authorization: Bearer {token}"', quiet=True)
        told = [line for line in talk.splitlines() if re.match(r"[<>] |\* (ALPN|SSL connection|using HTTP|  issuer)", line)]
        self.show(re.sub(r"((?i:bearer) \S{20})\S+", r"\1...", "\n".join(told) + "\n" + body))
        return talk, body

    def sign(self, **changes):
        """A token of the example's payload with changes."""
        (WORK / "payload.json").write_text(json.dumps(mypaas.payload(**changes)))
        done = subprocess.run([SLUICE, "token", "--key", "private.pem", "--alg", "RS256", "payload.json"], cwd=WORK,
                              capture_output=True, text=True, check=False)
        return done.stdout.strip()


def tamper(token):
    """The same signature under another claim."""
    head, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    claims["tenantId"] = "tenant-2"
    changed = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"{head}.{changed}.{signature}"


def tenant_answer(name):
    """A tenant's server: says who it is, what it got, and something that nobody should read."""
    def answer(connection, request):
        lines = [f"{name} answers {request.method} {request.target}"]
        lines += [f"  {key}: {value}" for key, value in request.headers]
        request.answered = "\n".join(lines) + "\n" + mypaas.SENSITIVE
        connection.answer(200, request.answered, [("Content-Type", "text/plain")])
    return answer


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--once", action="store_true", help="end after the last step; exit 0 only if all was as expected")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    demo, began = Demo(), time.monotonic()
    try:
        try:
            demo.run()
        except (AssertionError, RuntimeError) as error:
            demo.check("the demo goes on", False, str(error))
            if demo.parts:
                print(demo.parts[-1].tail() if hasattr(demo.parts[-1], "tail") else "")
        print(f"\n{time.monotonic() - began:.1f} s; what ran and logged is in {WORK.relative_to(ROOT)}/", flush=True)
        if demo.failures:
            print(paint("31", f"{len(demo.failures)} of the steps did not show what they should:"))
            for failure in demo.failures:
                print(f"  {failure}")
        if not options.once and not demo.failures:
            print(f"""
The gateway serves on http://127.0.0.1:{GATEWAY_PORT} until Ctrl-C. In another terminal:
  cd {WORK} && source ./env
  token=$(sluice token --key private.pem --alg RS256 token-payload.json)
  curl -v $(sluice proxy url)/ -H "Host: api.mypaas.test" -H "Authorization: Bearer $token"
  kubectl -n gloo-system edit vs/httpbin
  curl http://{demo.environment['SLUICE_ADMIN']}/metrics""", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        print()
    finally:
        demo.stop_parts()
    return 1 if demo.failures else 0


if __name__ == "__main__":
    sys.exit(main())
