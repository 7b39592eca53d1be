"""The built-in API, driven by the real kubectl (Debian's, or SLUICE_KUBECTL)."""

import json
import tempfile
import threading

from harness import configs, raw
from harness.backend import Backend
from harness.case import Case, rows
from harness.gateway import Gateway
from harness.kubectl import Kubectl
from harness.waiting import until

NS = ("-n", "gloo-system")

COMMENTED = """\
# kept: what stands before
apiVersion: gateway.solo.io/v1
kind: VirtualService
metadata:
  name: kept       # kept: beside
  namespace: gloo-system
spec:
  virtualHost:
    domains: [kept.test]
    routes:
      - matchers: [{prefix: /}]
        directResponseAction: {status: 200, body: kept}
---
# kept: the second document is touched
apiVersion: gateway.solo.io/v1
kind: VirtualService
metadata: {name: touched, namespace: gloo-system}
spec:
  virtualHost:
    domains: [touched.test]
    routes:
      - matchers: [{prefix: /}]
        directResponseAction: {status: 200, body: before}
"""


def direct(name, body, domain=None):
    return configs.virtual_service(f"- matchers: [{{prefix: /}}]\n  directResponseAction: {{status: 200, body: {body}}}",
                                   domains=f"[{domain or name + '.test'}]", name=name)


class Verbs(Case):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(prefix="sluice-kubectl-")
        cls.addClassCleanup(scratch.cleanup)
        cls.backend = cls.share(Backend())
        cls.gateway = cls.share(Gateway({**configs.to_backend(), "commented.yaml": COMMENTED}, values={"backend": cls.backend.port}))
        cls.tool = Kubectl(cls.gateway.api_port, scratch.name)
        cls.kubectl = staticmethod(cls.tool)

    def serves(self, name, body):
        until(lambda: self.gateway.fetch("/", host=f"{name}.test").text() == body, f"{name} to answer {body}")

    def test_get_prints_a_table(self):
        lines = self.kubectl(*NS, "get", "vs").splitlines()
        self.assertEqual(lines[0].split(), ["NAME", "STATUS", "AGE"])
        self.assertIn(["all", "Accepted"], [line.split()[:2] for line in lines[1:]])

    @rows({name: name for name in ("vs", "virtualservices", "virtualservice", "gw", "gateways", "us", "upstreams", "secrets", "configmaps",
                                   "virtualservices.gateway.solo.io", "namespaces", "egresspolicies", "proxysettings", "events")})
    def get_by_name_of_kind(self, kind):
        code, _, err = self.tool.run(*NS, "get", kind)
        self.assertEqual(code, 0, err)

    def test_get_as_yaml_and_json_has_metadata_spec_and_status(self):
        found = json.loads(self.kubectl(*NS, "get", "vs/all", "-o", "json"))
        self.assertEqual((found["apiVersion"], found["kind"], found["metadata"]["name"]), ("gateway.solo.io/v1", "VirtualService", "all"))
        for field in ("uid", "resourceVersion", "creationTimestamp", "generation"):
            self.assertTrue(found["metadata"].get(field), field)
        self.assertEqual(found["status"]["statuses"]["gloo-system"]["state"], "Accepted")
        self.assertIn("prefix: /", self.kubectl(*NS, "get", "vs/all", "-o", "yaml"))

    def test_get_everywhere_and_by_label(self):
        self.assertIn("all", self.kubectl("get", "vs", "-A"))
        self.kubectl(*NS, "apply", "-f", "-", stdin=direct("labelled", "x"))
        self.kubectl(*NS, "label", "vs/labelled", "team=a")
        self.assertEqual([line.split()[0] for line in self.kubectl(*NS, "get", "vs", "-l", "team=a").splitlines()[1:]], ["labelled"])

    def test_what_is_not_there_is_not_found(self):
        code, _, err = self.tool.run(*NS, "get", "vs/nobody")
        self.assertEqual((code, err.strip()), (1, 'Error from server (NotFound): virtualservices.gateway.solo.io "nobody" not found'))

    def test_describe(self):
        text = self.kubectl(*NS, "describe", "vs/all")
        self.assertIn("Name:         all", text)
        self.assertIn("Accepted", text)

    def test_apply_creates_changes_and_leaves_alone(self):
        self.assertIn("created", self.kubectl(*NS, "apply", "-f", "-", stdin=direct("applied", "one")))
        self.serves("applied", "one")
        self.assertIn("configured", self.kubectl(*NS, "apply", "-f", "-", stdin=direct("applied", "two")))
        self.serves("applied", "two")
        self.assertIn("unchanged", self.kubectl(*NS, "apply", "-f", "-", stdin=direct("applied", "two")))
        self.assertTrue((self.gateway.folder / "virtualservice.gloo-system.applied.yaml").exists())

    def test_create_refuses_what_is_there(self):
        self.kubectl(*NS, "create", "-f", "-", stdin=direct("created", "one"))
        code, _, err = self.tool.run(*NS, "create", "-f", "-", stdin=direct("created", "two"))
        self.assertEqual(code, 1)
        self.assertIn("AlreadyExists", err)

    @rows({"merge": ("merge", '{"spec":{"virtualHost":{"routes":[{"matchers":[{"prefix":"/"}],"directResponseAction":{"status":200,"body":"merged"}}]}}}',
                     "merged"),
           "json": ("json", '[{"op":"replace","path":"/spec/virtualHost/routes/0/directResponseAction/body","value":"replaced"}]', "replaced")})
    def patch(self, kind, text, body):
        name = f"patched-{kind}"
        self.kubectl(*NS, "apply", "-f", "-", stdin=direct(name, "before"))
        self.kubectl(*NS, "patch", f"vs/{name}", "--type", kind, "-p", text)
        self.serves(name, body)

    def test_a_strategic_patch_of_our_kinds_is_415_with_the_accepted_ones(self):
        code, _, err = self.tool.run(*NS, "patch", "vs/all", "--type", "strategic", "-p", "{}")
        self.assertEqual(code, 1)
        self.assertIn("application/merge-patch+json", err)

    def test_annotate_and_label(self):
        self.kubectl(*NS, "apply", "-f", "-", stdin=direct("marked", "x"))
        self.kubectl(*NS, "annotate", "vs/marked", "note=hello")
        self.kubectl(*NS, "label", "vs/marked", "team=b")
        found = json.loads(self.kubectl(*NS, "get", "vs/marked", "-o", "json"))["metadata"]
        self.assertEqual((found["annotations"]["note"], found["labels"]["team"]), ("hello", "b"))
        self.kubectl(*NS, "annotate", "vs/marked", "note-")
        self.assertNotIn("note", json.loads(self.kubectl(*NS, "get", "vs/marked", "-o", "json"))["metadata"].get("annotations", {}))

    def test_edit(self):
        self.kubectl(*NS, "apply", "-f", "-", stdin=direct("edited", "before"))
        code, out, err = self.tool.run(*NS, "edit", "vs/edited", environment={"EDITOR": "sed -i s/before/after/"})
        self.assertEqual(code, 0, out + err)
        self.serves("edited", "after")

    def test_delete(self):
        self.kubectl(*NS, "apply", "-f", "-", stdin=direct("deleted", "x"))
        self.serves("deleted", "x")
        self.assertIn("deleted", self.kubectl(*NS, "delete", "vs/deleted"))
        until(lambda: self.gateway.fetch("/", host="deleted.test").text() != "x", "the object to be gone")
        self.assertFalse((self.gateway.folder / "virtualservice.gloo-system.deleted.yaml").exists())

    def test_watch_tells_of_every_change(self):
        watch = self.tool.start(*NS, "get", "vs", "--watch", "-o", "name")
        self.addCleanup(watch.wait)
        self.addCleanup(watch.stdout.close)
        self.addCleanup(watch.stderr.close)
        self.addCleanup(watch.kill)
        seen = []
        threading.Thread(target=lambda: seen.extend(iter(watch.stdout.readline, "")), daemon=True).start()
        until(lambda: any("all" in line for line in seen), "the first list")
        self.kubectl(*NS, "apply", "-f", "-", stdin=direct("watched", "x"))
        until(lambda: any("watched" in line for line in seen), "the creation")
        count = sum("watched" in line for line in seen)
        self.gateway.write("virtualservice.gloo-system.watched.yaml", direct("watched", "y"))
        until(lambda: sum("watched" in line for line in seen) > count, "a change made in the folder")

    def test_explain_and_api_resources(self):
        self.assertIn("virtualservices", self.kubectl("api-resources"))
        code, out, err = self.tool.run("explain", "virtualservice.spec")
        if code:
            self.assertIn("couldn't find resource", err)
            self.skipTest("this kubectl reads /openapi/v2 only, which has no definitions (docs/decisions/0014); make interop runs a current one")
        self.assertIn("virtualHost", out)

    def test_secrets_and_configmaps(self):
        self.kubectl(*NS, "create", "secret", "generic", "hidden", "--from-literal=key=value")
        self.assertEqual(self.kubectl(*NS, "get", "secret/hidden", "-o", "jsonpath={.data.key}"), "dmFsdWU=")
        text = "apiVersion: v1\nkind: Secret\nmetadata: {name: twice}\nstringData: {key: %s}\n"
        self.kubectl(*NS, "apply", "-f", "-", stdin=text % "one")
        self.kubectl(*NS, "apply", "-f", "-", stdin=text % "two")
        self.kubectl(*NS, "create", "configmap", "plain", "--from-literal=a=b")
        self.assertEqual(self.kubectl(*NS, "get", "cm/plain", "-o", "jsonpath={.data.a}"), "b")
        self.assertNotIn("dmFsdWU=", self.gateway.admin("/config_dump").text())

    def test_a_write_keeps_comments_and_other_documents(self):
        self.kubectl(*NS, "patch", "vs/touched", "--type", "json", "-p",
                     '[{"op":"replace","path":"/spec/virtualHost/routes/0/directResponseAction/body","value":"after"}]')
        self.serves("touched", "after")
        text = (self.gateway.folder / "commented.yaml").read_text()
        self.assertTrue(text.startswith(COMMENTED.partition("---")[0]), text)
        self.assertIn("after", text.partition("---")[2])
        for derived in ("uid", "resourceVersion", "creationTimestamp", "generation", "statuses"):
            self.assertNotIn(derived, text)

    @rows({"an unknown field": ("directResponseAction: {status: 200}", "directResponseAction: {status: 200, bdy: x}", "bdy"),
           "a wrong type": ("directResponseAction: {status: 200}", "directResponseAction: {status: many}", "status"),
           "an unsupported field": ("directResponseAction: {status: 200}", "delegateAction: {ref: {name: x}}", "not supported yet"),
           "no such regex": ("matchers: [{prefix: /}]", "matchers: [{regex: '['}]", "regex")})
    def invalid(self, good, bad, words):
        text = configs.virtual_service("- matchers: [{prefix: /}]\n  directResponseAction: {status: 200}", name="invalid", domains="[invalid.test]")
        self.assertIn(good, text)
        code, _, err = self.tool.run(*NS, "create", "-f", "-", stdin=text.replace(good, bad))
        self.assertEqual(code, 1)
        self.assertIn(words, err)
        self.assertEqual(self.tool.run(*NS, "get", "vs/invalid")[0], 1, "it was stored all the same")

    def test_a_dry_run_stores_nothing(self):
        """On the wire: kubectl 1.20 asks for it only where /openapi says so."""
        found = json.loads(self.kubectl(*NS, "get", "vs/all", "-o", "json"))
        found["metadata"] = {"name": "dry", "namespace": "gloo-system"}
        found["spec"]["virtualHost"]["domains"] = ["dry.test"]
        response = self.gateway.api("/apis/gateway.solo.io/v1/namespaces/gloo-system/virtualservices?dryRun=All", "POST",
                                    [("Content-Type", "application/json")], json.dumps(found).encode())
        self.assert_status(response, 201)
        self.assertEqual(self.tool.run(*NS, "get", "vs/dry")[0], 1)

    def test_a_dangling_reference_is_stored_with_a_warning(self):
        text = configs.virtual_service("- matchers: [{prefix: /}]\n  routeAction: {single: {upstream: {name: nobody, namespace: gloo-system}}}",
                                       name="dangling", domains="[dangling.test]")
        code, out, err = self.tool.run(*NS, "apply", "-f", "-", stdin=text)
        self.assertEqual(code, 0, err)
        self.assertEqual(self.gateway.status("virtualservices", "dangling")[0], "Warning")
        path = "/apis/gateway.solo.io/v1/namespaces/gloo-system/virtualservices"
        for target in (f"{path}?dryRun=All", path):
            response = self.gateway.api(target, "POST", [("Content-Type", "application/yaml")], text.replace("dangling", "loose").encode())
            self.assert_status(response, 201)
            self.assertRegex(response.header("warning") or "", '^299 - ".*gloo-system.nobody.*not found')

    def test_delete_by_label(self):
        self.kubectl(*NS, "apply", "-f", "-", stdin=direct("waited", "x"))
        self.kubectl(*NS, "label", "vs/waited", "gone=yes")
        self.kubectl(*NS, "delete", "vs", "-l", "gone=yes")
        self.assertEqual(self.tool.run(*NS, "get", "vs/waited")[0], 1)


class Wire(Case):
    """What no kubectl sends, but others do."""

    @classmethod
    def setUpClass(cls):
        cls.gateway = cls.share(Gateway({"vs.yaml": direct("one", "x")}))

    @rows({"another host": [("Host", "evil.test")], "an origin": [("Origin", "http://evil.test")], "own origin too": [("Origin", "http://localhost")],
           "a proxy's way": [("X-Forwarded-Proto", "http")]})
    def a_browser_is_refused_on(self, headers):
        for port, path in ((self.gateway.api_port, "/apis"), (self.gateway.admin_port, "/config_dump")):
            host = dict(headers).get("Host", f"127.0.0.1:{port}")
            response = raw.fetch(port, path=path, host=host, headers=[h for h in headers if h[0] != "Host"])
            self.assert_status(response, 403)

    def test_localhost_is_its_own_name(self):
        self.assert_status(raw.fetch(self.gateway.api_port, path="/apis", host=f"localhost:{self.gateway.api_port}"), 200)

    def test_an_old_watch_is_410(self):
        response = self.gateway.api("/apis/gateway.solo.io/v1/virtualservices?watch=true&resourceVersion=1")
        self.assertTrue(response.status == 410 or '"code":410' in response.text().replace(" ", ""), f"{response}")

    def test_nothing_is_deleted_in_all_namespaces_at_once(self):
        self.assert_status(self.gateway.api("/apis/gateway.solo.io/v1/virtualservices", "DELETE"), 405)
        self.assert_status(self.gateway.api("/apis/gateway.solo.io/v1/namespaces/gloo-system/virtualservices/one"), 200)

    def test_a_stale_write_is_409(self):
        path = "/apis/gateway.solo.io/v1/namespaces/gloo-system/virtualservices/one"
        found = json.loads(self.gateway.api(path).body)
        found["metadata"]["resourceVersion"] = "1"
        response = self.gateway.api(path, "PUT", [("Content-Type", "application/json")], json.dumps(found).encode())
        self.assert_status(response, 409)

    def test_lists_come_in_pages(self):
        for n in range(5):
            self.gateway.write(f"page{n}.yaml", direct(f"page{n}", "x"))
        until(lambda: sum(item["metadata"]["name"].startswith("page") for item in
                          json.loads(self.gateway.api("/apis/gateway.solo.io/v1/virtualservices").body)["items"]) == 5, "the objects")
        names, more = [], ""
        for _ in range(9):
            page = json.loads(self.gateway.api(f"/apis/gateway.solo.io/v1/virtualservices?limit=2{more}").body)
            names += [item["metadata"]["name"] for item in page["items"]]
            token = page["metadata"].get("continue")
            if not token:
                break
            more = f"&continue={token}"
        self.assertEqual(len(names), len(set(names)))
        self.assertLessEqual({"one", "page0", "page1", "page2", "page3", "page4"}, set(names))

    @rows({"not json": b"{", "not an object": b"[]", "another kind": b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"x"}}',
           "no name": b'{"kind":"VirtualService","apiVersion":"gateway.solo.io/v1","metadata":{}}',
           "a name with a slash": b'{"kind":"VirtualService","apiVersion":"gateway.solo.io/v1","metadata":{"name":"../x"}}'})
    def a_bad_body_is_a_status(self, body):
        response = self.gateway.api("/apis/gateway.solo.io/v1/namespaces/gloo-system/virtualservices", "POST",
                                    [("Content-Type", "application/json")], body)
        self.assertIn(response.status, (400, 422))
        self.assertEqual(json.loads(response.body)["kind"], "Status")

    def test_a_read_only_file_is_403_and_says_why(self):
        real = self.gateway.folder.parent / "elsewhere.yaml"
        real.write_text(direct("linked", "x"))
        (self.gateway.folder / "linked.yaml").symlink_to(real)
        path = "/apis/gateway.solo.io/v1/namespaces/gloo-system/virtualservices/linked"
        until(lambda: self.gateway.api(path).status == 200, "the linked object")
        response = self.gateway.api(path, "PATCH", [("Content-Type", "application/merge-patch+json")], b'{"metadata":{"labels":{"a":"b"}}}')
        self.assert_status(response, 403)
        self.assertIn("link", json.loads(response.body)["message"])
