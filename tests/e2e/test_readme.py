"""README.md: every command is run as it is printed, and shows what the page says it does."""

import os
import pathlib
import re
import subprocess
import tempfile

from harness import mypaas
from harness.backend import Backend
from harness.case import Case
from harness.dns_server import DnsServer
from harness.gateway import ROOT, Gateway, sluice_program
from harness.kubectl import kubectl_program
from harness.waiting import free_ports, until

README = (ROOT / "README.md").read_text()
SHELL_MARK = "--- that was command"


def section(title):
    return re.search(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", README, re.M | re.S)[1]


def blocks(title, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", section(title), re.M | re.S)


def programs(folder, run_arguments=""):
    """A folder for PATH: sluice (`run` on ports of its own), kubectl, and a curl that no proxy of the machine disturbs."""
    bin_folder = pathlib.Path(folder, "bin")
    bin_folder.mkdir()
    for name, text in {
            "sluice": f'[ "$1" = run ] && exec {sluice_program()} "$@" {run_arguments}\nexec {sluice_program()} "$@"',
            "kubectl": f'exec {kubectl_program()} "$@"', "curl": 'exec env -u http_proxy -u HTTP_PROXY -u all_proxy -u ALL_PROXY /usr/bin/curl "$@"'}.items():
        (bin_folder / name).write_text(f"#!/bin/bash\n{text}\n")
        (bin_folder / name).chmod(0o755)
    return bin_folder


def commands_and_outputs(text):
    """[(command, the lines it prints)] of a console block."""
    found = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


def alike(line, values):
    """What differs from run to run is taken out: ports, times, ids, tokens, versions."""
    for value, name in values.items():
        line = line.replace(str(value), name)
    for pattern, name in ((r"Bearer \S+", "Bearer TOKEN"), (r"[0-9a-fX]{8}(-[0-9a-fX]{4}){3}-[0-9a-fX]{12}", "UUID"),
                          (r"curl/\S+", "curl/V"), (r"\b\d+(s|m)$", "AGE"), (r"dfp:[0-9a-f]{16}", "dfp:HASH"), (r" +$", ""),
                          (r"  +", "  "), (r'( "lab" deleted) from gloo-system namespace$', r"\1")):
        line = re.sub(pattern, name, line)
    return line


def run_script(script, home, path):
    """As typed by somebody whose home is `home`; what runs in the background is ended."""
    return subprocess.run(["bash", "-c", f"set -e\n{script}\nkill %1\nwait"], capture_output=True, text=True, timeout=60,
                          env=dict(os.environ, HOME=home, PATH=f"{path}:{os.environ['PATH']}"), check=False)


class OwnApplication(Case):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="sluice-readme-")
        self.addCleanup(scratch.cleanup)
        self.home = scratch.name

    def run_lines(self, text):
        """What they print, on free ports."""
        app = self.use(Backend("127.0.0.1", default=lambda c, r: c.answer(200, "this is the application")))
        plain, tls, admin, api = free_ports(4)
        for port, other in {3000: app.port, 8080: plain, 8443: tls}.items():
            text = re.sub(rf"\b{port}\b", str(other), text)
        done = run_script(text, self.home, programs(self.home, f"--admin 127.0.0.1:{admin} --api 127.0.0.1:{api} --workers 1"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def lines(self):
        [text] = blocks("In front of your own application", "sh")
        build, _, rest = text.partition("\n")
        self.assertEqual(build, "make release && export PATH=$PWD/build/release:$PATH")
        self.assertIn("port: 3000}", rest)
        self.assertIn("127.0.0.1:8080/", rest)
        return rest

    def test_the_lines_put_the_gateway_in_front_of_it(self):
        printed = self.run_lines(self.lines())
        self.assertIn("3 objects in 1 file: no errors, no warnings", printed)
        self.assertIn("HTTP/1.1 200 OK", printed)
        self.assertIn("this is the application", printed)

    def test_the_lines_of_tls_serve_it_by_https_too(self):
        [text] = blocks("TLS", "sh")
        self.assertIn("bindPort: 8443", text)
        printed = self.run_lines(self.lines() + text)
        self.assertIn("6 objects in 2 files: no errors, no warnings", printed)
        self.assertIn("HTTP/2 200", printed)
        self.assertEqual(printed.count("this is the application"), 2)
        self.assertEqual(pathlib.Path(self.home, "gateway/https.yaml").stat().st_mode & 0o077, 0)


class ForwardProxy(Case):
    def test_the_lines_lead_to_an_application_on_this_machine(self):
        app = self.use(Backend("127.0.0.1", default=lambda c, r: c.answer(200, f"asked for {r.header('host')}")))
        [port] = free_ports(1)
        scratch = tempfile.TemporaryDirectory(prefix="sluice-readme-")
        self.addCleanup(scratch.cleanup)
        [text] = blocks("As a forward proxy", "sh")
        self.assertIn("127.0.0.1:3000/", text)
        script = text.replace("3000", str(app.port)).replace("8081", str(port))
        done = run_script(script, scratch.name, programs(scratch.name, "--workers 1"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("3 objects in 1 file: no errors, no warnings", done.stdout)
        self.assertIn(f"asked for 127.0.0.1:{app.port}", done.stdout)


class Tour(Case):
    """Against what `make demo` leaves running, on free ports."""

    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory(prefix="sluice-readme-")
        self.addCleanup(self.scratch.cleanup)
        self.folder = pathlib.Path(self.scratch.name)
        self.tenant = self.use(Backend("127.0.1.1", default=tenant))
        dns = self.use(DnsServer())
        dns.set("tenant-1.mypaas.test", "127.0.1.1", ttl=60)
        demo = self.folder / "build/demo"
        (demo / "config").mkdir(parents=True)
        run = lambda *argv: subprocess.run(argv, check=True, capture_output=True, cwd=demo)
        run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "private.pem")
        run("openssl", "pkey", "-in", "private.pem", "-pubout", "-out", "public.pem")
        for name in ("token-payload.json", "gateway-patch.yaml"):
            (demo / name).write_text((mypaas.EXAMPLE / name).read_text())
        files = mypaas.files((demo / "public.pem").read_text(), "@{port}", self.tenant.port)
        for name, text in files.items():
            (demo / "config" / name).write_text(text)
        self.start(demo, files, dns)

    def start(self, demo, files, dns):
        self.gateway = self.use(Gateway(files, resolver=dns.where))
        bin_folder = programs(self.folder)
        kubeconfig = subprocess.run([sluice_program(), "kubeconfig", "--api", f"127.0.0.1:{self.gateway.api_port}"],
                                    check=True, capture_output=True, text=True).stdout
        (demo / "kubeconfig").write_text(kubeconfig)
        (demo / "env").write_text(
            f'export PATH="{bin_folder}:$PATH" KUBECONFIG="{demo}/kubeconfig" SLUICE_ADMIN=127.0.0.1:{self.gateway.admin_port} '
            f'SLUICE_API=127.0.0.1:{self.gateway.api_port}\n')
        subprocess.run([bin_folder / "kubectl", "-n", "gloo-system", "patch", "gw/gateway-proxy", "--type", "merge", "-p",
                        mypaas.patch()], check=True, capture_output=True, env=dict(os.environ, KUBECONFIG=str(demo / "kubeconfig")))
        until(lambda: self.gateway.status("virtualservices", "httpbin")[0] == "Accepted", "the patch to be in force")
        (demo / "config").rename(demo / "config.before")
        (demo / "config").symlink_to(self.gateway.folder)

    def test_shows_what_the_page_says(self):
        wanted = [step for block in blocks("A tour", "console") for step in commands_and_outputs(block)]
        self.assertGreater(len(wanted), 8)
        script = "\n".join(f"{command}\necho '{SHELL_MARK}'" for command, _ in wanted)
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120, cwd=self.folder,
                              env=dict(os.environ, HOME=str(self.folder)), check=False)
        got = done.stdout.split(SHELL_MARK + "\n")
        self.assertEqual(len(got), len(wanted) + 1, done.stdout + done.stderr)
        ours = {self.gateway.port: "PORT", self.tenant.port: "TENANT"}
        theirs = {8080: "PORT", 18081: "TENANT"}
        for (command, lines), text in zip(wanted, got):
            shown = [alike(line, ours) for line in text.rstrip("\n").split("\n") if line or lines]
            self.assertEqual(shown, [alike(line, theirs) for line in lines], f"$ {command}\n{done.stderr}")


def tenant(connection, request):
    lines = [f"tenant-1 answers {request.method} {request.target}", *(f"  {key}: {value}" for key, value in request.headers)]
    connection.answer(200, "\n".join(lines) + "\n" + mypaas.SENSITIVE, [("Content-Type", "text/plain")])
