"""Changes while requests are served, and writes that a crash must not lose."""

import json
import random
import threading
import time

from harness import configs, raw
from harness.backend import Backend
from harness.case import Case
from harness.gateway import Gateway, run_sluice
from harness.waiting import until


def answers(name):
    return lambda connection, request: connection.answer(200, f"{name} {request.header('x-version') or ''}")


class HotSwap(Case):
    def test_nothing_is_dropped_or_wrongly_routed_while_snapshots_change_under_load(self):
        one, two = self.use(Backend(default=answers("one"))), self.use(Backend(default=answers("two")))
        files = {"one.yaml": configs.BACKEND, "two.yaml": configs.BACKEND.replace("name: backend", "name: second").replace("{backend}", "{second}")}

        def version(number):
            """Both hosts change in one write, so each answer must be wholly of one version."""
            out = []
            for host, upstream in (("one", "backend"), ("two", "second")):
                out.append(configs.virtual_service(
                    f"- matchers: [{{prefix: /}}]\n"
                    f"  options: {{headerManipulation: {{requestHeadersToAdd: [{{header: {{key: x-version, value: v{number}}}}}], "
                    f"responseHeadersToAdd: [{{header: {{key: x-version, value: v{number}}}}}]}}}}\n"
                    f"  routeAction: {{single: {{upstream: {{name: {upstream}, namespace: gloo-system}}}}}}",
                    domains=f"[{host}.test]", name=host))
            return "---\n".join(out)
        gateway = self.use(Gateway({**files, "vs.yaml": version(0)}, workers=2, values={"backend": one.port, "second": two.port},
                                   access_log="off"))
        stop, bad, count = threading.Event(), [], [0]

        def load(name):
            try:
                with gateway.client() as client:
                    while not stop.is_set():
                        client.send(f"GET / HTTP/1.1\r\nHost: {name}.test\r\n\r\n")
                        response = client.read_response()
                        if response.status != 200 or response.text() != f"{name} {response.header('x-version')}":
                            bad.append(f"{name}: {response}")
                        count[0] += 1
            except (AssertionError, OSError) as error:
                bad.append(f"{name}: {error}")
        threads = [threading.Thread(target=load, args=(name,)) for name in ("one", "two") * 4]
        for thread in threads:
            thread.start()
        try:
            for number in range(1, 31):
                gateway.write("vs.yaml", version(number))
                until(lambda number=number: gateway.fetch("/", host="one.test").header("x-version") == f"v{number}", f"version {number}")
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(bad, [])
        self.assertGreater(count[0], 200)
        until(lambda: gateway.metric("^sluice_snapshots_live") <= 2, "old snapshots to go")

    def test_a_websocket_lets_old_snapshots_go(self):
        def behaviour(connection, request):
            connection.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
            while True:
                connection.more()
                data, connection.data = connection.data, b""
                connection.send(data.upper())
        backend = self.use(Backend())
        backend.on("/ws", behaviour)
        route = ("- matchers: [{{prefix: /}}]\n  name: r{n}\n"
                 "  options: {{headerManipulation: {{responseHeadersToAdd: [{{header: {{key: x-version, value: v{n}}}}}]}}}}\n"
                 "  routeAction: {{single: {{upstream: {{name: backend, namespace: gloo-system}}}}}}")
        version = lambda n: configs.virtual_service(route.format(n=n), domains="['*']")
        gateway = self.use(Gateway({"backend.yaml": configs.BACKEND, "vs.yaml": version(0)}, values={"backend": backend.port},
                                   access_log="stdout"))
        until(lambda: gateway.fetch("/").header("x-version") == "v0", "the first version")
        rest = gateway.metric("^sluice_snapshots_live")
        with gateway.client() as client:
            client.send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            self.assert_status(client.read_response(), 101)
            for n in (1, 2, 3):
                gateway.write("vs.yaml", version(n))
                until(lambda n=n: gateway.fetch("/").header("x-version") == f"v{n}", f"version {n}")
            until(lambda: gateway.metric("^sluice_snapshots_live") <= rest, "old snapshots to go")
            client.send("still")
            self.assertEqual(client.read_exactly(5), b"STILL")
            client.end_sending()
            self.assertTrue(client.closed())
        until(lambda: '"GET /ws HTTP/1.1" 101 -' in gateway.process.stdout(), "the line of the access log")

    def test_long_bodies_let_old_snapshots_go(self):
        go_on = threading.Event()

        def masked(connection, request):
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nfirst \r\n14\r\n" + 20 * "-" + "\r\n")
            go_on.wait(60)
            connection.send("11\r\n 123-45-6789 last\r\n0\r\n\r\n")

        def spliced(connection, request):
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + 1_000_000 * "x")
            go_on.wait(60)
            connection.send(1_000_000 * "y")
        backend = self.use(Backend())
        backend.on("/masked", masked)
        backend.on("/spliced", spliced)
        route = ("- matchers: [{{prefix: {path}}}]\n  name: {path}{n}\n"
                 "  options: {{{more}headerManipulation: {{responseHeadersToAdd: [{{header: {{key: x-version, value: v{n}}}}}]}}}}\n"
                 "  routeAction: {{single: {{upstream: {{name: backend, namespace: gloo-system}}}}}}\n")
        mask = "dlp: {actions: [{actionType: SSN}]}, "
        version = lambda n: configs.virtual_service(
            (route.format(path="/masked", more=mask, n=n) + route.format(path="/", more="", n=n)).rstrip(), domains="['*']")
        gateway = self.use(Gateway({"backend.yaml": configs.BACKEND, "vs.yaml": version(0)}, values={"backend": backend.port},
                                   access_log="stdout"))
        until(lambda: gateway.fetch("/").header("x-version") == "v0", "the first version")
        rest = gateway.metric("^sluice_snapshots_live")
        with gateway.client() as one, gateway.client() as two:
            one.send("GET /masked HTTP/1.1\r\nHost: a\r\n\r\n")
            two.send("GET /spliced HTTP/1.1\r\nHost: a\r\n\r\n")
            until(lambda: all(len(backend.seen(path)) == 1 for path in ("/masked", "/spliced")), "both to be under way")
            for n in (1, 2, 3):
                gateway.write("vs.yaml", version(n))
                until(lambda n=n: gateway.fetch("/").header("x-version") == f"v{n}", f"version {n}")
            until(lambda: gateway.metric("^sluice_snapshots_live") <= rest, "old snapshots to go")
            go_on.set()
            self.assertEqual(one.read_response().body, b"first " + 20 * b"-" + b" XXX-XX-X789 last")
            self.assertEqual(two.read_response().body, 1_000_000 * b"x" + 1_000_000 * b"y")
        for path in ("masked", "spliced"):
            until(lambda path=path: f'"GET /{path} HTTP/1.1" 200 -' in gateway.process.stdout(), "the line of the access log")

    def test_a_bad_change_keeps_what_was_served(self):
        gateway = self.use(Gateway({"vs.yaml": direct("good"), "other.yaml": direct("other", "other.test")}))
        for bad in ("kind: [", direct("bad").replace("status", "stauts"), "\xff\xfe", "a: &a [*a]"):
            (gateway.folder / ".new").write_bytes(bad.encode("latin-1"))
            (gateway.folder / ".new").rename(gateway.folder / "vs.yaml")
            gateway.write("other.yaml", direct(str(len(bad)), "other.test"))
            until(lambda bad=bad: gateway.fetch("/", host="other.test").text() == str(len(bad)), "the other file")
            self.assertEqual(gateway.fetch("/", host="main.test").text(), "good")
        gateway.write("vs.yaml", direct("better"))
        until(lambda: gateway.fetch("/", host="main.test").text() == "better", "the mended file")

    def test_a_status_tells_what_reading_warns_of_until_it_is_mended(self):
        gateway = self.use(Gateway({"gateway.yaml": configs.gateway(), **configs.to_backend()}, values={"backend": 9}))
        typo = "metadata: {name: gateway-proxy, namespace: gloo-system, annotations: {gateway.solo.io/isolate_vhosts: 'true'}}"
        text = configs.gateway()
        self.assertEqual(gateway.status("gateways", "gateway-proxy"), ("Accepted", ""))
        gateway.write("gateway.yaml", text.replace("metadata: {name: gateway-proxy, namespace: gloo-system}", typo))
        until(lambda: gateway.status("gateways", "gateway-proxy")[0] == "Warning", "the warning")
        self.assertIn("metadata.annotations: \"gateway.solo.io/isolate_vhosts\" has no effect", gateway.status("gateways", "gateway-proxy")[1])
        gateway.write("gateway.yaml", text)
        until(lambda: gateway.status("gateways", "gateway-proxy") == ("Accepted", ""), "the warning to go")

    def test_a_write_does_not_destroy_an_edit_that_is_not_in_force(self):
        gateway = self.use(Gateway({"vs.yaml": direct("good")}))
        bad = direct("bad").replace("status", "stauts")
        gateway.write("vs.yaml", bad)
        gateway.says("stauts")
        path = "/apis/gateway.solo.io/v1/namespaces/gloo-system/virtualservices/main"
        response = gateway.api(path, "PATCH", [("Content-Type", "application/merge-patch+json")], b'{"metadata":{"labels":{"a":"b"}}}')
        self.assert_status(response, 409)
        self.assertRegex(json.loads(response.body)["message"], "(?s)edit of it that is not in force, mend it first.*stauts")
        self.assertEqual((gateway.folder / "vs.yaml").read_text(), bad)
        self.assertEqual(gateway.fetch("/", host="main.test").text(), "good")

    def test_a_second_copy_stays_out_of_force_when_its_neighbour_is_written(self):
        gateway = self.use(Gateway({"a.yaml": direct("first"), "b.yaml": direct("second") + "---\n" + direct("other", "other.test")}))
        path = "/apis/gateway.solo.io/v1/namespaces/gloo-system/virtualservices"
        response = gateway.api(f"{path}/other", "PATCH", [("Content-Type", "application/merge-patch+json")], b'{"metadata":{"labels":{"a":"b"}}}')
        self.assert_status(response, 200)
        self.assertEqual(gateway.fetch("/", host="main.test").text(), "first")
        self.assert_status(gateway.api(f"{path}/main", "DELETE"), 200)
        until(lambda: gateway.fetch("/", host="main.test").text() == "second", "the other copy")

    def test_removed_objects_are_gone(self):
        gateway = self.use(Gateway({"vs.yaml": direct("here"), "other.yaml": direct("other", "other.test")}))
        gateway.remove("vs.yaml")
        until(lambda: gateway.fetch("/", host="main.test").status == 404, "the route to be gone")

    def test_a_configmap_mount_is_followed(self):
        """Kubernetes swaps the link ..data; the files are links through it."""
        gateway = self.use(Gateway({}))
        for n in (1, 2):
            (gateway.folder / f"..{n}").mkdir()
            (gateway.folder / f"..{n}/vs.yaml").write_text(direct(f"v{n}"))
        (gateway.folder / "..data").symlink_to("..1")
        (gateway.folder / "vs.yaml").symlink_to("..data/vs.yaml")
        until(lambda: gateway.fetch("/", host="main.test").text() == "v1", "the first version")
        (gateway.folder / "..tmp").symlink_to("..2")
        (gateway.folder / "..tmp").rename(gateway.folder / "..data")
        until(lambda: gateway.fetch("/", host="main.test").text() == "v2", "the second version")

    def test_editors_leavings_are_ignored(self):
        gateway = self.use(Gateway({"vs.yaml": direct("here")}))
        for name in (".vs.yaml.swp", "vs.yaml~", "#vs.yaml#", ".#vs.yaml", "4913", "vs.yaml.bak", "vs.yaml.orig"):
            (gateway.folder / name).write_text("no: [yaml")
        gateway.write("vs.yaml", direct("there"))
        until(lambda: gateway.fetch("/", host="main.test").text() == "there", "the change")
        self.assertNotIn(".swp", gateway.process.stderr())

    def test_a_listener_moves_without_a_restart(self):
        gateway = self.use(Gateway({"vs.yaml": direct("x")}))
        gateway.write("gateway.yaml", gateway.PLAIN.replace("@{port}", "@{port2}"))
        until(lambda: gateway.fetch("/", host="main.test", port=gateway.port2).text() == "x", "the new port")

        def old_is_gone():
            try:
                gateway.fetch("/")
            except ConnectionError:
                return True
            return False
        until(old_is_gone, "the old port to be closed")


def direct(body, domain="main.test"):
    return configs.virtual_service(f"- matchers: [{{prefix: /}}]\n  directResponseAction: {{status: 200, body: '{body}'}}", domains=f"[{domain}]",
                                   name=domain.partition(".")[0])


class Crashes(Case):
    KILLS = 50
    PATH = "/apis/gateway.solo.io/v1/namespaces/gloo-system/virtualservices"

    def test_fifty_kills_lose_no_acknowledged_write_and_leave_no_half_file(self):
        gateway = self.use(Gateway({"vs.yaml": direct("x")}))
        chance = random.Random(20261123)
        acknowledged, asked = {}, {}

        def write(stop):
            n = 0
            try:
                with raw.Client(gateway.api_port, timeout=5) as client:
                    while not stop.is_set():
                        name, value = f"w{n % 6}", f"{chance.random()}"
                        n += 1
                        known = name in asked
                        text = self.object(name, value)
                        asked.setdefault(name, set()).add(value)
                        if known:
                            method, path, kind = "PATCH", f"{self.PATH}/{name}", "application/merge-patch+json"
                        else:
                            method, path, kind = "POST", self.PATH, "application/json"
                        client.send(raw.request_bytes(method, path, f"127.0.0.1:{gateway.api_port}", [("Content-Type", kind)], text))
                        response = client.read_response()
                        if response.status in (200, 201):
                            acknowledged[name] = value
                            asked[name] = {value}
                        elif response.status == 404 and name not in acknowledged:
                            asked.pop(name)              # the write that was cut off was not done
                        elif response.status == 409 and not known:
                            pass                         # it was done
                        else:
                            raise AssertionError(f"{response}")
            except (OSError, raw.Incomplete):
                pass
        for kill in range(self.KILLS):
            stop = threading.Event()
            writer = threading.Thread(target=write, args=(stop,))
            writer.start()
            time.sleep(chance.random() * 0.05)      # the moment of the crash: any
            gateway.kill()
            stop.set()
            writer.join()
            self.no_half_files(gateway, kill)
            gateway.start()
            for name, value in acknowledged.items():
                found = json.loads(gateway.api(f"{self.PATH}/{name}").body)
                got = found.get("metadata", {}).get("annotations", {}).get("value")
                self.assertIn(got, asked[name], f"kill {kill}: {name} has {got}, acknowledged was {value}")
        self.assertTrue(acknowledged)

    @staticmethod
    def object(name, value):
        return json.dumps({
            "apiVersion": "gateway.solo.io/v1", "kind": "VirtualService",
            "metadata": {"name": name, "namespace": "gloo-system", "annotations": {"value": value, "padding": "x" * 20000}},
            "spec": {"virtualHost": {"domains": [f"{name}.test"], "routes": [
                {"matchers": [{"prefix": "/"}], "directResponseAction": {"status": 200, "body": value}}]}}}).encode()

    def no_half_files(self, gateway, kill):
        code, out, err = run_sluice("check", gateway.folder)
        self.assertEqual(code, 0, f"kill {kill}: {out}{err}")
        for file in gateway.folder.glob("*.yaml"):
            if file.name.startswith("virtualservice."):
                self.assertIn("directResponseAction", file.read_text(), f"kill {kill}: {file.name} is cut")


class Units(Case):
    ONE = "/apis/gateway.solo.io/v1/namespaces/gloo-system/virtualservices/host7"
    PATCH = [("Content-Type", "application/merge-patch+json")]

    @staticmethod
    def service(number, body):
        return configs.virtual_service(f"- matchers: [{{prefix: /}}]\n  directResponseAction: {{status: 200, body: \"{body}\"}}",
                                       domains=f"[h{number}.test]", name=f"host{number}")

    def test_a_change_compiles_the_object_that_changed_alone(self):
        hosts = 300
        gateway = self.use(Gateway({"all.yaml": "---\n".join(self.service(n, f"old {n}") for n in range(hosts)),
                                    "one.yaml": self.service(hosts, "old")}, workers=2))
        compiled = lambda: gateway.metric("^sluice_objects_compiled_total")
        says = lambda number: gateway.fetch("/", host=f"h{number}.test").text()
        self.assertEqual(compiled(), hosts + 1)
        gateway.write("one.yaml", self.service(hosts, "new"))
        until(lambda: says(hosts) == "new", "the change")
        self.assertEqual(compiled(), hosts + 2)

        # One of many in its file, by the API: a trial and the write.
        def patch(body, query=""):
            routes = [{"matchers": [{"prefix": "/"}], "directResponseAction": {"status": 200, "body": body}}]
            return gateway.api(self.ONE + query, "PATCH", self.PATCH,
                               json.dumps({"spec": {"virtualHost": {"routes": routes}}}).encode()).status
        self.assertEqual(patch("tried", "?dryRun=All"), 200)
        self.assertEqual(compiled(), hosts + 2, "a trial is not counted")
        self.assertEqual(says(7), "old 7")
        self.assertEqual(patch("patched"), 200)
        until(lambda: says(7) == "patched", "the patch")
        self.assertEqual(compiled(), hosts + 3)
        self.assertEqual(says(8), "old 8")

        # An object whose lines moved says what it said.
        gateway.write("all.yaml", "# a comment\n" + (gateway.folder / "all.yaml").read_text().replace("old 9\"", "new 9\""))
        until(lambda: says(9) == "new 9", "the edit")
        self.assertEqual(compiled(), hosts + 4)
        self.assertEqual(says(7), "patched")
