"""The real kubectl against the built-in API."""

import os
import pathlib
import shutil
import subprocess

from harness.gateway import run_sluice

ROOT = pathlib.Path(__file__).resolve().parents[2]


def kubectl_program():
    """SLUICE_KUBECTL, else Debian's as tools/setup.sh unpacked it, else whatever is on the path."""
    debian = ROOT / "build/tools/kubernetes-client/usr/bin/kubectl"
    return os.environ.get("SLUICE_KUBECTL") or (str(debian) if debian.exists() else shutil.which("kubectl"))


class Kubectl:
    """Bound to one API address; its files are in `folder`. `arguments` are more for `sluice kubeconfig`."""

    def __init__(self, api_port, folder, *arguments):
        self.program = kubectl_program()
        self.kubeconfig = pathlib.Path(folder, "kubeconfig")
        code, out, err = run_sluice("kubeconfig", "--api", f"127.0.0.1:{api_port}", *arguments)
        assert code == 0, err
        self.kubeconfig.write_text(out)
        self.environment = dict(os.environ, KUBECONFIG=str(self.kubeconfig), HOME=str(folder))

    def start(self, *arguments, stdin=None):
        return subprocess.Popen([self.program, *arguments], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env=self.environment)

    def run(self, *arguments, stdin=None, timeout=60, environment=None):
        """(exit code, stdout, stderr)"""
        done = subprocess.run([self.program, *arguments], input=stdin, capture_output=True, text=True, timeout=timeout,
                              env=dict(self.environment, **(environment or {})), check=False)
        return done.returncode, done.stdout, done.stderr

    def __call__(self, *arguments, stdin=None):
        """stdout of a command that must succeed"""
        code, out, err = self.run(*arguments, stdin=stdin)
        assert code == 0, f"kubectl {' '.join(arguments)} ended with {code}\n{out}\n{err}"
        return out
