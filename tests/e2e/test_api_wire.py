"""The built-in API and the admin port on the wire: paths."""

import json

from harness import configs, raw
from harness.case import Case, rows
from harness.gateway import Gateway

MAPS = "/api/v1/namespaces/default/configmaps"
DIRECT = configs.virtual_service("- matchers: [{prefix: /}]\n  directResponseAction: {status: 200, body: here}")


class Api(Case):
    @classmethod
    def setUpClass(cls):
        cls.gateway = cls.share(Gateway({"vs.yaml": DIRECT}))

    def call(self, method, path, body=None, kind="application/json", timeout=60.0):
        text = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        return raw.fetch(self.gateway.api_port, method, path, f"127.0.0.1:{self.gateway.api_port}", [("Content-Type", kind)], text,
                         timeout=timeout)

    def create(self, name, data=None):
        response = self.call("POST", MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data or {}})
        self.assertEqual(response.status, 201, response)
        self.addCleanup(self.call, "DELETE", f"{MAPS}/{name}")

    def names(self):
        return [item["metadata"]["name"] for item in json.loads(self.call("GET", MAPS).body)["items"]]


class Paths(Api):
    """They are judged as they came: a path that means another one to somebody is refused, never tidied up."""

    @rows({"an escaped dot": "/%2e", "a dot": "/.", "a large escaped dot": "/%2E", "back": "/x/..", "escaped back": "/x/%2e%2e", "half escaped": "/x/%2E.",
           "a dot and a slash": "/%2e/", "two slashes": "//", "a slash": "/", "a parameter": "/.;/", "back with a parameter": "/x/..;/",
           "an escaped slash": "/x%2f..", "a backslash": "/x\\..", "over": "/..;a=b/configmaps", "escaped over": "/%2e%2e/configmaps"})
    def no_way_to_delete_them_all(self, tail):
        self.create("kept")
        response = self.call("DELETE", MAPS + tail)
        self.assertIn(response.status, (400, 404, 405), response)
        self.assertIn("kept", self.names())

    def test_a_request_of_a_whole_url_is_judged_alike(self):
        self.create("kept")
        host = f"127.0.0.1:{self.gateway.api_port}"
        with raw.Client(self.gateway.api_port) as client:
            client.send(raw.request_bytes("DELETE", f"http://{host}{MAPS}/%2e", host))
            self.assertEqual(client.read_response().status, 400)
        self.assertIn("kept", self.names())

    def test_the_admin_port_knows_pages_by_their_very_path(self):
        for path in ("/x/../drain", "/%64rain", "/./drain", "//drain", "/x/%2e%2e/drain", "/drain/.", "/drain;a"):
            self.assertEqual(self.gateway.admin(path, "POST").status, 405, path)
            self.assertEqual(self.gateway.admin(path).status, 404, path)
        self.assertEqual(self.gateway.admin("/readyz").status, 200)
