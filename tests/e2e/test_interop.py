"""The built-in API with the clients of the field: helm 3, a program written with client-go, the Python client.

`make interop` builds and installs them below build/tools; without them these tests are skipped.
"""

import json
import os
import pathlib
import subprocess
import tempfile

from harness import configs
from harness.case import Case
from harness.gateway import ROOT, Gateway, run_sluice
from harness.waiting import until

TOOLS = ROOT / "build/tools"
NAMESPACE = "gloo-system"
DIRECT = configs.virtual_service("- matchers: [{prefix: /}]\n  directResponseAction: {status: 200, body: here}", domains="[here.test]")

CHART = {
    "Chart.yaml": "apiVersion: v2\nname: site\nversion: 0.1.0\n",
    "values.yaml": "body: first\ndomain: chart.test\n",
    "templates/all.yaml": """\
apiVersion: gateway.solo.io/v1
kind: VirtualService
metadata:
  name: {{ .Release.Name }}
  labels: {app.kubernetes.io/managed-by: {{ .Release.Service }}}
spec:
  virtualHost:
    domains: [{{ .Values.domain }}]
    routes:
      - matchers: [{prefix: /}]
        directResponseAction: {status: 200, body: {{ .Values.body | quote }}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data: {body: {{ .Values.body | quote }}}
---
apiVersion: v1
kind: Secret
metadata: {name: {{ .Release.Name }}}
stringData: {body: {{ .Values.body | quote }}}
""",
}


class Interop(Case):
    tool = TOOLS / "none"

    @classmethod
    def setUpClass(cls):
        if not cls.tool.exists():
            return
        scratch = tempfile.TemporaryDirectory(prefix="sluice-interop-")
        cls.addClassCleanup(scratch.cleanup)
        cls.scratch = pathlib.Path(scratch.name)
        cls.gateway = cls.share(Gateway({"vs.yaml": DIRECT}))
        code, out, err = run_sluice("kubeconfig", "--api", f"127.0.0.1:{cls.gateway.api_port}")
        assert code == 0, err
        cls.kubeconfig = cls.scratch / "kubeconfig"
        cls.kubeconfig.write_text(out)

    def setUp(self):
        if not self.tool.exists():
            self.skipTest(f"{self.tool.relative_to(ROOT)} is not there: make interop builds it")

    def run_tool(self, *arguments, timeout=180):
        """(exit code, stdout, stderr)"""
        done = subprocess.run([str(self.tool), *map(str, arguments)], capture_output=True, text=True, timeout=timeout, check=False,
                              env=dict(os.environ, KUBECONFIG=str(self.kubeconfig), HOME=str(self.scratch)))
        return done.returncode, done.stdout, done.stderr

    def steps(self, wanted, *arguments):
        code, out, err = self.run_tool(*arguments)
        self.assertEqual((code, out.count("ok ")), (0, wanted), out + err)

    def names(self, plural, group="api/v1"):
        items = json.loads(self.gateway.api(f"/{group}/namespaces/{NAMESPACE}/{plural}").body)["items"]
        return [item["metadata"]["name"] for item in items]


class Helm(Interop):
    tool = TOOLS / "helm/helm"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not cls.tool.exists():
            return
        cls.chart = cls.scratch / "site"
        for name, text in CHART.items():
            (cls.chart / name).parent.mkdir(parents=True, exist_ok=True)
            (cls.chart / name).write_text(text)

    def helm(self, *arguments):
        code, out, err = self.run_tool("-n", NAMESPACE, *arguments)
        self.assertEqual(code, 0, f"helm {' '.join(map(str, arguments))}\n{out}\n{err}")
        return out

    def serves(self, body):
        until(lambda: self.gateway.fetch("/", host="chart.test").text() == body, f"the route to answer {body}")

    def test_a_release_from_its_installation_to_its_end(self):
        """Of the release itself, a Secret, ten revisions are kept: from the 11th upgrade on the oldest is deleted each time."""
        self.helm("install", "site", self.chart, "--create-namespace", "--wait")
        self.serves("first")
        for i in range(13):
            self.helm("upgrade", "site", self.chart, "--set", f"body=upgrade-{i}")
        self.serves("upgrade-12")
        releases = [name for name in self.names("secrets") if name.startswith("sh.helm.release.v1.site.")]
        self.assertEqual(len(releases), 10, releases)
        self.helm("rollback", "site", "13")
        self.serves("upgrade-11")
        self.assertEqual([row["name"] for row in json.loads(self.helm("list", "-o", "json"))], ["site"])
        self.assertIn("upgrade-11", self.helm("get", "manifest", "site"))
        self.helm("upgrade", "--install", "site", self.chart, "--reset-values", "--atomic")
        self.serves("first")
        self.helm("uninstall", "site", "--wait")
        until(lambda: self.gateway.fetch("/", host="chart.test").status == 404, "the route to be gone")
        self.assertEqual([name for plural in ("secrets", "configmaps") for name in self.names(plural) if "site" in name], [])

    def test_what_cannot_be_served_is_refused_with_its_path(self):
        code, _, err = self.run_tool("-n", NAMESPACE, "install", "bad", self.chart, "--set", "domain=a b")
        self.assertEqual(code, 1)
        self.assertIn("spec.virtualHost.domains", err)
        self.run_tool("-n", NAMESPACE, "uninstall", "bad")

    def test_a_namespace_that_is_not_there_cannot_be_created_and_need_not_be(self):
        code, _, err = self.run_tool("-n", "fresh", "install", "site", self.chart, "--create-namespace")
        self.assertEqual(code, 1)
        self.assertIn("leave its creation out", err)
        code, _, err = self.run_tool("-n", "fresh", "install", "site", self.chart, "--set", "domain=fresh.test")
        self.assertEqual(code, 0, err)
        code, _, err = self.run_tool("-n", "fresh", "uninstall", "site")
        self.assertEqual(code, 0, err)


class ClientGo(Interop):
    tool = TOOLS / "client-go/client-go"

    def test_every_step_of_the_program_written_with_client_go(self):
        self.steps(10, self.kubeconfig, NAMESPACE)


class PythonClient(Interop):
    tool = TOOLS / "python-client/bin/python"

    def test_every_step_of_the_program_in_python(self):
        self.steps(7, ROOT / "tests/interop/python_client.py", self.kubeconfig, NAMESPACE)
