"""The built-in API and the admin port on the wire: paths, memory, what it does while it is busy, and an editor beside it."""

import json
import select
import os
import pathlib
import re
import threading

from harness import configs, raw
from harness.case import Case, rows
from harness.gateway import Gateway
from harness.waiting import until

MAPS = "/api/v1/namespaces/default/configmaps"
DIRECT = configs.virtual_service("- matchers: [{prefix: /}]\n  directResponseAction: {status: 200, body: here}")
MEBIBYTE = 1 << 20


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


class Memory(Api):
    def held(self):
        return self.gateway.metric("^sluice_api_bytes$")

    def test_bodies_that_do_not_end_fill_no_more_than_their_share(self):
        """They fill 256 MiB: the next request with a body is told to come again, one without is served."""
        clients = []
        def drop():
            for client in clients:
                client.close()
        self.addCleanup(drop)

        def send_unfinished(size):
            client = raw.Client(self.gateway.api_port, timeout=30)
            clients.append(client)
            head = raw.request_bytes("POST", MAPS, f"127.0.0.1:{self.gateway.api_port}",
                                     [("Content-Type", "application/json"), ("Content-Length", str(size))])
            try:
                client.send(head + b"x" * (size - 1000))
            except OSError:
                pass  # refused already

        # One that is refused gives back what it had: others take that.
        while self.held() < 254 * MEBIBYTE:
            self.assertLess(len(clients), 95)
            send_unfinished(3 * MEBIBYTE)
        self.assertLessEqual(self.held(), 256 * MEBIBYTE)

        def post():
            """Piece by piece, so that the answer is read as soon as it is there: what is sent behind it may break it off."""
            with raw.Client(self.gateway.api_port, timeout=30) as client:
                client.send(raw.request_bytes("POST", MAPS, f"127.0.0.1:{self.gateway.api_port}",
                                              [("Content-Type", "application/json"), ("Content-Length", str(3 * MEBIBYTE))]))
                for _ in range(48):
                    if select.select([client.socket], [], [], 0.02)[0]:
                        break
                    client.send(b"x" * (MEBIBYTE // 16))
                return client.read_response("POST")
        refused = until(lambda: (answer := post()) and answer.status == 429 and answer, "a body to be refused", 30)
        self.assertGreater(self.gateway.metric("^sluice_api_bytes_refused_total"), 0)
        self.assertEqual(json.loads(refused.body)["reason"], "TooManyRequests")
        self.assertEqual(refused.header("retry-after"), "1")
        self.assertEqual(self.gateway.api("/healthz").status, 200)
        drop()
        until(lambda: self.held() == 0, "the memory to be given back", 30)
        self.create("after")

    def test_answers_and_watches_that_nobody_reads_give_back_what_they_held(self):
        for i in range(8):  # more than a socket takes
            self.create(f"large-{i}", {"a": "x" * 1_000_000})
        clients = []
        for query in ["", "?watch=true"] * 5:
            client = raw.Client(self.gateway.api_port, timeout=30, receive_buffer=4096)
            clients.append(client)
            client.send(raw.request_bytes("GET", MAPS + query, f"127.0.0.1:{self.gateway.api_port}"))
        until(lambda: self.held() > 5 * 8_000_000, "answers to wait", 30)
        for client in clients:
            client.close()
        until(lambda: self.held() == 0, "the memory to be given back", 30)


class Work(Api):
    """What one request may cost, in a build of any kind: before, minutes. Others are answered meanwhile."""

    def cost(self, work):
        """Runs `work` while asking for /healthz again and again: the seconds of CPU time that the program took."""
        over, statuses = threading.Event(), set()
        def ask():
            while not over.is_set():
                statuses.add(raw.fetch(self.gateway.api_port, path="/healthz", host=f"127.0.0.1:{self.gateway.api_port}", timeout=60).status)
        thread = threading.Thread(target=ask)
        thread.start()
        before = self.cpu_seconds()
        try:
            work()
            return self.cpu_seconds() - before
        finally:
            over.set()
            thread.join()
            self.assertEqual(statuses, {200})

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.gateway.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak(self, work):
        """How much more memory the program had at once during `work`, in bytes."""
        process = pathlib.Path(f"/proc/{self.gateway.process.pid}")
        def status(key):
            return int(re.search(rf"^{key}:\s+(\d+) kB", (process / "status").read_text(), re.MULTILINE).group(1)) * 1024
        (process / "clear_refs").write_text("5")  # the peak is counted from now on
        before = status("VmRSS")
        work()
        return status("VmHWM") - before

    def test_a_config_map_of_120000_keys(self):
        data = {f"{i:x}": "" for i in range(120_000)}
        def work():
            self.create("keys", data)
            patch = json.dumps({"data": {key: "x" for key in data}}).encode()
            self.assertEqual(self.call("PATCH", MAPS + "/keys", patch, "application/merge-patch+json").status, 200)
        self.assertLess(self.cost(work), 40)

    def test_yaml_that_merges_and_merges(self):
        text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: merged}\nx: &x\n" + "".join(f"  k{i}: v\n" for i in range(20_000)) + "data:\n  <<: [" + "*x, " * 10 + "]\n"
        self.assertLess(self.cost(lambda: self.assertEqual(self.call("POST", MAPS, text.encode(), "application/yaml").status, 422)), 20)

    def test_a_json_patch_of_5000_copies(self):
        self.create("copied", {"a": "x" * 1_000_000})
        patch = [{"op": "copy", "from": "/data/a", "path": f"/data/b{i}"} for i in range(5000)]
        def work():
            response = self.call("PATCH", MAPS + "/copied", json.dumps(patch).encode(), "application/json-patch+json")
            self.assertEqual(response.status, 413, response)
            self.assertEqual(json.loads(response.body)["reason"], "RequestEntityTooLarge")
        self.assertLess(self.peak(work), 200 * MEBIBYTE)


class Editor(Case):
    def test_no_edit_is_undone_by_a_write_of_the_api(self):
        """An editor that saves as fast as it can, and a client that changes another object of the same file."""
        document = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s, namespace: default}\ndata: {value: '%s'}\n"
        def text(value):
            return document % ("edited", value) + "---\n" + document % ("patched", "0")
        gateway = self.use(Gateway({"vs.yaml": DIRECT, "both.yaml": text(0)}))
        until(lambda: gateway.api(MAPS + "/edited").status == 200, "the file to be read")
        over, patched, statuses = threading.Event(), [0], set()
        def patch():
            while not over.is_set():
                body = json.dumps({"data": {"value": str(patched[0])}}).encode()
                response = gateway.api(MAPS + "/patched", "PATCH", [("Content-Type", "application/merge-patch+json")], body)
                statuses.add(response.status)
                patched[0] += response.status == 200
        thread = threading.Thread(target=patch)
        thread.start()
        try:
            for i in range(1, 400):
                gateway.write("both.yaml", text(i))
                # A write that had begun may be swapped in and out again; then the edit is there, and stays.
                until(lambda i=i: re.search(rf"edited.*\n.*value: '?{i}'?\b", (gateway.folder / "both.yaml").read_text()), f"edit {i} to be there", 10)
                if i % 20 == 0:
                    count = patched[0]
                    until(lambda count=count: patched[0] > count, "a patch to have its way", 30)
        finally:
            over.set()
            thread.join()
        self.assertLessEqual(statuses, {200, 409})
