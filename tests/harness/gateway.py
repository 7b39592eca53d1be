"""The program itself, started on free ports with a config folder of its own."""

import json
import os
import pathlib
import re
import subprocess
import tempfile

from harness import raw
from harness.process import Process
from harness.waiting import free_ports, until

ROOT = pathlib.Path(__file__).resolve().parents[2]


def sluice_program():
    """SLUICE_BIN, else the dev build, else the release build."""
    if os.environ.get("SLUICE_BIN"):
        return pathlib.Path(os.environ["SLUICE_BIN"]).resolve()
    for build in ("dev", "release"):
        program = ROOT / "build" / build / "sluice"
        if program.exists():
            return program
    raise AssertionError("there is no program: make dev or make release builds it")


class Gateway:
    """sluice run with `files` (name -> text) as its config folder.

    In a file's text `@{port}` is the port its Gateway shall listen on, `@{port2}` a second one; further placeholders
    come from `values`. Without a `gateway.yaml` a plain one is written. `own_host` is where admin port and API listen; where
    it is not loopback, admin(), api() and what asks them are of no use. The constructor returns when the first snapshot
    serves, unless `wait=False`.
    """

    PLAIN = """\
apiVersion: gateway.solo.io/v1
kind: Gateway
metadata: {name: gateway-proxy, namespace: gloo-system}
spec:
  bindAddress: 127.0.0.1
  bindPort: @{port}
  httpGateway: {}
"""

    def __init__(self, files, resolver=None, workers=1, values=None, access_log=None, arguments=(), folder=None, wait=True,
                 environment=None, descriptors=None, streams=None, own_host="127.0.0.1"):
        self.scratch = tempfile.TemporaryDirectory(prefix="sluice-gateway-")
        self.port, self.port2, self.admin_port, self.api_port = free_ports(4)
        self.folder = pathlib.Path(folder) if folder else pathlib.Path(self.scratch.name, "config")
        self.folder.mkdir(exist_ok=True)
        self.values = {"port": self.port, "port2": self.port2, **(values or {})}
        if folder is None and "gateway.yaml" not in files:
            files = {"gateway.yaml": self.PLAIN, **files}
        for name, text in files.items():
            self.write(name, text)
        # The most file descriptors it may have: prlimit's "400", or "300:500" for soft and hard.
        self.limited = ["prlimit", f"--nofile={descriptors}"] if descriptors else []
        self.arguments = ["run", "--config", self.folder, "--workers", workers,
                          "--admin", f"{own_host}:{self.admin_port}", "--api", f"{own_host}:{self.api_port}"]
        self.own_host = own_host
        if resolver:
            self.arguments += ["--resolver", resolver]
        if access_log:
            self.arguments += ["--access-log", access_log]
        if os.environ.get("SLUICE_LOOP"):             # all tests by one backend: epoll, io_uring
            self.arguments += ["--loop", os.environ["SLUICE_LOOP"]]
        self.arguments += list(arguments)
        self.environment = environment
        self.streams = streams
        self.process = None
        self.start(wait)

    def start(self, wait=True):
        self.process = Process([*self.limited, sluice_program(), *self.arguments], self.scratch.name, "sluice", self.environment, self.streams)
        if wait:
            self.wait_ready()

    def wait_ready(self):
        def ready():
            if not self.process.alive():
                raise RuntimeError(f"sluice ended with {self.process.popen.returncode}:\n{self.process.tail()}")
            if self.own_host != "127.0.0.1":
                return self.says(r" info config serving ")
            return self.admin("/readyz").status == 200
        until(ready, "sluice to be ready", 30)

    def stop(self, code=0):
        """Ends it; anything but the expected exit code (a sanitizer's report, a crash) is a failure."""
        if self.process is None:
            return
        got = self.process.stop()
        process, self.process = self.process, None
        evidence = process.tail(80)
        self.scratch.cleanup()
        if got != code:
            raise AssertionError(f"sluice ended with {got}, not {code}\n{evidence}")

    def kill(self):
        self.process.kill()

    def evidence(self):
        if self.process is None:
            return ""
        return f"--- sluice, stderr:\n{self.process.tail()}\n--- access log:\n" + "\n".join(self.log_lines()[-10:])

    # ----------------------------------------------------------------- config

    def render(self, text):
        def one(match):
            return str(self.values[match.group(1)])
        return re.sub(r"@\{(\w+)\}", one, text)

    def write(self, name, text):
        """As editors and tools do it: a new file, renamed over the old one."""
        scratch = self.folder / f".{name}.new"
        scratch.write_text(self.render(text), errors="surrogateescape")
        scratch.rename(self.folder / name)

    def remove(self, name):
        (self.folder / name).unlink()

    # ------------------------------------------------------------------- ports

    def client(self, port=None, **keywords):
        return raw.Client(port or self.port, **keywords)

    def fetch(self, path="/", **keywords):
        return raw.fetch(keywords.pop("port", self.port), path=path, **keywords)

    def send(self, data, method="GET", port=None):
        """The response to raw bytes on a connection of their own."""
        with self.client(port) as client:
            client.send(data)
            return client.read_response(method)

    def admin(self, path, method="GET", headers=(), body=None):
        return raw.fetch(self.admin_port, method, path, f"127.0.0.1:{self.admin_port}", headers, body)

    def api(self, path, method="GET", headers=(), body=None):
        return raw.fetch(self.api_port, method, path, f"127.0.0.1:{self.api_port}", headers, body)

    def dump(self):
        return json.loads(self.admin("/config_dump").body)

    def metrics(self):
        """Metric with its labels, as it stands in the text -> number."""
        out = {}
        for line in self.admin("/metrics").text().splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                out[name] = float(value)
        return out

    def metric(self, pattern):
        """Sum of the metrics whose text matches the pattern."""
        return sum(value for name, value in self.metrics().items() if re.search(pattern, name))

    # -------------------------------------------------------------------- logs

    def log_lines(self):
        return self.process.stdout().splitlines()

    def log_line(self, marker):
        """The access-log line that holds `marker`; it is written a moment after the response."""
        return until(lambda: next((line for line in self.log_lines() if marker in line), None),
                     f"an access-log line with {marker!r}")

    def says(self, pattern, timeout=15.0):
        """The line of its log (stderr) that matches."""
        return until(lambda: next((line for line in self.process.stderr().splitlines() if re.search(pattern, line)), None),
                     f"a log line like {pattern!r}", timeout)

    # ---------------------------------------------------------------- statuses

    def object(self, plural, name, group="gateway.solo.io/v1", namespace="gloo-system"):
        response = self.api(f"/apis/{group}/namespaces/{namespace}/{plural}/{name}")
        assert response.status == 200, response
        return json.loads(response.body)

    def status(self, plural, name, group="gateway.solo.io/v1", namespace="gloo-system"):
        """(state, reason) of an object"""
        found = self.object(plural, name, group, namespace).get("status", {}).get("statuses", {}).get("gloo-system", {})
        return found.get("state"), found.get("reason", "")


def run_sluice(*arguments, stdin=None, timeout=60, environment=None):
    """A command of the program that ends by itself: (exit code, stdout, stderr)."""
    done = subprocess.run([str(sluice_program()), *map(str, arguments)], input=stdin, capture_output=True, text=True,
                          timeout=timeout, env=dict(os.environ, **(environment or {})), check=False)
    return done.returncode, done.stdout, done.stderr
