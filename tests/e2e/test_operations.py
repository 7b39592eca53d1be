"""Running it: ports, files, signals, the admin port, and what happens when the surroundings fail."""

import json
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from harness import configs, raw
from harness.backend import Backend
from harness.case import Case, rows
from harness.gateway import ROOT, Gateway, run_sluice
from harness.tokens import Key
from harness.waiting import free_ports, until

DIRECT = configs.virtual_service("- matchers: [{prefix: /}]\n  directResponseAction: {status: 200, body: here}")


class CommandLine(Case):
    @rows({"flag": "--version", "command": "version"})
    def the_version_is_told(self, word):
        code, text, _ = run_sluice(word)
        self.assertEqual(code, 0)
        self.assertRegex(text, r"^sluice \d+\.\d+\.\d+\n$")

    def test_help_lists_the_commands_and_tells_of_one(self):
        code, text, _ = run_sluice("help")
        self.assertEqual(code, 0)
        for command in ("run", "check", "explain", "kubeconfig"):
            self.assertRegex(text, rf"(?m)^  {command} ")
        self.assertEqual(run_sluice("--help")[0], 0)
        code, text, _ = run_sluice("help", "run")
        self.assertEqual(code, 0)
        self.assertIn("Usage: sluice run ", text)
        self.assertIn("--resolver", text)

    def test_help_of_no_command_is_wrong_use(self):
        code, _, text = run_sluice("help", "nonsense")
        self.assertEqual(code, 2)
        self.assertIn('there is no command "nonsense"; sluice help lists them', text)


class Ports(Case):
    def listener(self):
        sock = socket.socket()
        self.addCleanup(sock.close)
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        return sock.getsockname()[1]

    @rows({"admin": "--admin", "api": "--api"})
    def a_port_in_use_is_exit_3(self, option):
        taken = self.listener()
        admin, api, port = free_ports(3)
        where = {"--admin": admin, "--api": api, option: taken}
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "all.yaml").write_text(Gateway.PLAIN.replace("@{port}", str(port)) + "---\n" + DIRECT)
            code, _, err = run_sluice("run", "--config", folder, *[x for k, v in where.items() for x in (k, f"127.0.0.1:{v}")])
        self.assertEqual(code, 3, err)
        self.assertIn(f"127.0.0.1:{taken}", err)
        self.assertRegex(err, "(?i)in use")
        self.assertNotRegex(err, "#0 |AddressSanitizer|terminate")

    def test_a_gateways_port_in_use_is_exit_3_when_nothing_else_serves(self):
        taken = self.listener()
        gateway = Gateway({"gateway.yaml": Gateway.PLAIN.replace("@{port}", str(taken)), "vs.yaml": DIRECT}, wait=False)
        gateway.process.popen.wait(30)
        self.assertRegex(gateway.process.stderr(), f"127.0.0.1:{taken}(?s:.*)error listener no port of a Gateway can be opened")
        gateway.stop(3)

    def test_a_gateways_port_in_use_leaves_the_others_serving(self):
        taken = self.listener()
        files = {"gateway.yaml": Gateway.PLAIN, "vs.yaml": DIRECT,
                 "second.yaml": Gateway.PLAIN.replace("gateway-proxy", "second").replace("@{port}", str(taken))}
        gateway = self.use(Gateway(files))
        self.assertEqual(gateway.fetch("/").text(), "here")
        gateway.says(f"127.0.0.1:{taken}.*")


class Surroundings(Case):
    def test_a_config_folder_that_vanishes_keeps_what_is_served(self):
        gateway = self.use(Gateway({"vs.yaml": DIRECT}))
        moved = gateway.folder.with_name("moved")
        gateway.folder.rename(moved)
        gateway.says("(?i)config.*(gone|vanished|missing|not there|No such)")
        self.assertEqual(gateway.fetch("/").text(), "here")
        moved.rename(gateway.folder)
        gateway.write("vs.yaml", DIRECT.replace("here", "back"))
        until(lambda: gateway.fetch("/").text() == "back", "the folder to be watched again")

    def test_a_config_folder_that_cannot_be_listed_keeps_what_is_served_and_is_tried_again(self):
        gateway = self.use(Gateway({"vs.yaml": DIRECT}))
        with gateway.client() as client:
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assert_status(client.read_response(), 200)
            pid = gateway.process.popen.pid
            before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))
            gateway.write("vs.yaml", DIRECT.replace("here", "later"))
            gateway.says("cannot list .*Too many open files")
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertEqual(client.read_response().text(), "here")
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        until(lambda: gateway.fetch("/").text() == "later", "the folder to be read without another change")

    @unittest.skipUnless(os.getuid() == 0, "mounting needs root")
    def test_a_read_only_folder_refuses_writes_and_says_why(self):
        self.on_a_file_system("ro", (403,), "(?i)read-only")

    @unittest.skipUnless(os.getuid() == 0, "mounting needs root")
    def test_a_full_disk_refuses_writes_and_keeps_the_old_file(self):
        self.on_a_file_system("full", (500, 507), "(?i)space")

    def on_a_file_system(self, how, statuses, words):
        folder = tempfile.mkdtemp(prefix="sluice-disk-")
        self.addCleanup(os.rmdir, folder)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True, text=True, check=False)
        if mounted.returncode:
            self.skipTest(f"mounting is not allowed here: {mounted.stderr.strip()}")
        self.addCleanup(subprocess.run, ["umount", folder], check=False, capture_output=True)
        gateway = self.use(Gateway({"gateway.yaml": Gateway.PLAIN, "vs.yaml": DIRECT}, folder=folder))
        if how == "ro":
            subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        else:
            try:
                with open(f"{folder}/fill", "wb", buffering=0) as fill:
                    while True:
                        fill.write(b"x" * 1024)
            except OSError:
                pass
        before = pathlib.Path(folder, "vs.yaml").read_bytes()
        response = gateway.api("/apis/gateway.solo.io/v1/namespaces/gloo-system/virtualservices/all", "PATCH",
                               [("Content-Type", "application/merge-patch+json")],
                               json.dumps({"metadata": {"annotations": {"a": "x" * 30000}}}).encode())
        self.assertIn(response.status, statuses, f"{response}")
        self.assertRegex(json.loads(response.body)["message"], words)
        self.assertEqual(pathlib.Path(folder, "vs.yaml").read_bytes(), before)
        self.assertEqual(gateway.fetch("/").text(), "here")
        self.assertEqual([p.name for p in pathlib.Path(folder).iterdir() if p.name not in ("gateway.yaml", "vs.yaml", "fill")], [])

    def test_an_upstream_that_cannot_be_connected_to_is_told_not_with_each_request(self):
        [port] = free_ports(1)
        gateway = self.use(Gateway(configs.to_backend(), values={"backend": port}))
        for _ in range(5):
            self.assert_status(gateway.fetch("/"), 503)
        line = f"an address cannot be connected to cluster=backend_gloo-system address=127.0.0.1:{port} error=\"Connection refused\""
        gateway.says(line)
        self.assertLess(gateway.process.stderr().count(line), 5)
        self.use(Backend("127.0.0.1", port))
        until(lambda: gateway.fetch("/").status == 200, "the backend to be tried again", 15)
        gateway.says(f"an address can be connected to again cluster=backend_gloo-system address=127.0.0.1:{port}")

    def test_an_access_log_that_cannot_be_written_stops_nothing(self):
        options = "accessLoggingService: {accessLog: [{fileSink: {path: /dev/full}}]}"
        gateway = self.use(Gateway({"gateway.yaml": configs.gateway(options=options), "vs.yaml": DIRECT}))
        for _ in range(5):
            self.assertEqual(gateway.fetch("/").text(), "here")

    def test_an_access_log_in_a_folder_that_is_not_there_is_named_and_tried_again(self):
        with tempfile.TemporaryDirectory() as folder:
            log = pathlib.Path(folder, "later", "access.log")
            options = f"accessLoggingService: {{accessLog: [{{fileSink: {{path: {log}}}}}]}}"
            gateway = self.use(Gateway({"gateway.yaml": configs.gateway(options=options), "vs.yaml": DIRECT}))
            self.assertEqual(gateway.fetch("/").text(), "here")
            self.assertIn(f"cannot write the access log {log}: No such file", gateway.process.stderr())

            def says_so():
                return "requests are served without it" in run_sluice("get", "gw", "-o", "yaml", "--api", f"127.0.0.1:{gateway.api_port}")[1]
            self.assertTrue(says_so())
            self.assertRegex(gateway.admin("/metrics").text(), r'sluice_access_log_write_failures_total\{path="[^"]*access\.log"\} [1-9]')
            log.parent.mkdir()
            until(lambda: log.exists() and '"GET / HTTP/1.1" 200' in log.read_text(), "the record that waited")
            until(lambda: not says_so(), "a status without the warning")

    @rows({"missing": (None, "cannot read .*key.pem"), "not a key": ("hello", "private key"), "a public key": ("public", "private key")})
    def an_unreadable_key_is(self, text, words):
        with tempfile.TemporaryDirectory() as folder:
            key, payload = pathlib.Path(folder, "key.pem"), pathlib.Path(folder, "payload.json")
            payload.write_text("{}")
            if text == "public":
                text = Key("ec-256").public_pem
            if text:
                key.write_text(text)
            code, out, err = run_sluice("token", "--key", key, "--alg", "RS256", payload)
        self.assertIn(code, (2, 3), err)
        self.assertEqual(out, "")
        self.assertRegex(err, words)

    @rows({"key": (".", "payload.json"), "payload": ("key.pem", ".")})
    def a_folder_is_no(self, key, payload):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "payload.json").write_text("{}")
            pathlib.Path(folder, "key.pem").write_text(Key("ec-256").path.read_text())
            code, out, err = run_sluice("token", "--key", pathlib.Path(folder, key), "--alg", "ES256", pathlib.Path(folder, payload))
        self.assertEqual((code, out, err), (3, "", f"sluice: cannot read {folder}: Is a directory\n"))


class Signals(Case):
    def test_sigterm_lets_requests_finish_and_ends_with_0(self):
        backend = self.use(Backend())
        go = threading.Event()
        self.addCleanup(go.set)

        def slow(connection, request):
            go.wait(10)
            connection.answer(200, "finished")
        backend.on("/slow", slow)
        gateway = self.use(Gateway(configs.to_backend(), values={"backend": backend.port}))
        results = []
        with gateway.client() as idle:
            idle.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assert_status(idle.read_response(), 200)
            thread = threading.Thread(target=lambda: results.append(gateway.fetch("/slow").text()))
            thread.start()
            until(lambda: backend.seen("/slow"), "the request to arrive")
            gateway.process.popen.send_signal(signal.SIGTERM)
            until(lambda: self.refuses(gateway), "the listener to close")
            self.assertTrue(gateway.process.alive())
            go.set()
            thread.join()
        self.assertEqual(results, ["finished"])
        self.assertEqual(gateway.process.popen.wait(15), 0)

    @staticmethod
    def refuses(gateway):
        try:
            socket.create_connection(("127.0.0.1", gateway.port), 1).close()
        except OSError:
            return True
        return False

    def test_readiness_goes_before_the_listener(self):
        backend = self.use(Backend())
        go = threading.Event()
        self.addCleanup(go.set)
        backend.on("/slow", lambda c, r: (go.wait(10), c.answer(200, "x"))[1])
        gateway = self.use(Gateway(configs.to_backend(), values={"backend": backend.port}))
        thread = threading.Thread(target=lambda: gateway.fetch("/slow"))
        thread.start()
        until(lambda: backend.seen("/slow"), "the request to arrive")
        gateway.process.popen.send_signal(signal.SIGTERM)
        until(lambda: gateway.admin("/readyz").status == 503, "readiness to go")
        go.set()
        thread.join()

    def test_a_log_file_is_tried_again_while_requests_finish(self):
        backend = self.use(Backend())
        go = threading.Event()
        self.addCleanup(go.set)
        backend.on("/slow", lambda c, r: (go.wait(30), c.answer(200, "x"))[1])
        with tempfile.TemporaryDirectory() as folder:
            log = pathlib.Path(folder, "later", "access.log")
            options = f"accessLoggingService: {{accessLog: [{{fileSink: {{path: {log}}}}}]}}"
            files = {"gateway.yaml": configs.gateway(options=options)}
            gateway = self.use(Gateway(files | configs.to_backend(), values={"backend": backend.port}))
            self.assert_status(gateway.fetch("/before"), 200)
            thread = threading.Thread(target=lambda: gateway.fetch("/slow"))
            thread.start()
            until(lambda: backend.seen("/slow"), "the request to arrive")
            gateway.process.popen.send_signal(signal.SIGTERM)
            until(lambda: self.refuses(gateway), "the listener to close")

            def failures():
                return int(re.search(r"sluice_access_log_write_failures_total\{.*\} (\d+)", gateway.admin("/metrics").text())[1])
            before = failures()
            until(lambda: failures() >= before + 2, "two more tries")
            log.parent.mkdir()
            until(lambda: log.exists() and "/before" in log.read_text(), "the record that waited")
            self.assertTrue(gateway.process.alive())
            go.set()
            thread.join()
            self.assertEqual(gateway.process.popen.wait(15), 0)
            self.assertIn("/slow", log.read_text())

    def test_a_log_that_sigusr1_could_not_open_anew_is_tried_again(self):
        with tempfile.TemporaryDirectory() as folder:
            log = pathlib.Path(folder, "logs", "access.log")
            log.parent.mkdir()
            options = f"accessLoggingService: {{accessLog: [{{fileSink: {{path: {log}}}}}]}}"
            gateway = self.use(Gateway({"gateway.yaml": configs.gateway(options=options), "vs.yaml": DIRECT}))
            gateway.fetch("/one")
            until(lambda: "/one" in log.read_text(), "the first record")
            log.parent.rename(pathlib.Path(folder, "old"))
            gateway.process.popen.send_signal(signal.SIGUSR1)
            until(lambda: gateway.status("gateways", "gateway-proxy")[0] == "Warning", "the status to tell")
            gateway.fetch("/two")
            until(lambda: "/two" in pathlib.Path(folder, "old", "access.log").read_text(), "the old file to go on")
            log.parent.mkdir()
            until(log.exists, "the new file")
            gateway.fetch("/three")
            until(lambda: "/three" in log.read_text(), "the new file to be used")
            until(lambda: gateway.status("gateways", "gateway-proxy")[0] == "Accepted", "the status to be good")

    def test_sigusr1_opens_log_files_again(self):
        with tempfile.TemporaryDirectory() as folder:
            log = pathlib.Path(folder, "access.log")
            gateway = self.use(Gateway({"vs.yaml": DIRECT}, access_log=str(log)))
            gateway.fetch("/one")
            until(lambda: "/one" in log.read_text(), "the first line")
            log.rename(pathlib.Path(folder, "access.log.1"))
            gateway.process.popen.send_signal(signal.SIGUSR1)
            until(log.exists, "the new file")
            gateway.fetch("/two")
            until(lambda: "/two" in log.read_text(), "the second line")
            self.assertNotIn("/two", pathlib.Path(folder, "access.log.1").read_text())

    def test_sighup_reads_everything_again(self):
        gateway = self.use(Gateway({"vs.yaml": DIRECT}))
        gateway.process.popen.send_signal(signal.SIGHUP)
        gateway.fetch("/")
        self.assertTrue(gateway.process.alive())

    def test_the_systemd_unit_starts_what_is_valid(self):
        unit = pathlib.Path(ROOT, "deploy", "sluice.service").read_text()
        checks = re.findall(r"^ExecStartPre=(.*)", unit, re.M)
        self.assertTrue(all(check.startswith("-") for check in checks), f"one bad object would keep all from starting: {checks}")
        # What cannot start now is tried for ever: the file may be mended while nobody looks at the unit.
        self.assertRegex(unit, r"(?m)^Restart=on-failure$")
        self.assertRegex(unit, r"(?m)^StartLimitIntervalSec=0$")
        command = re.search(r"^ExecStart=/usr/local/bin/sluice (.*)", unit, re.M).group(1).split()
        # A folder of configuration is root's under DynamicUser: what the API makes needs one of the service's own, first.
        self.assertEqual(command, ["run", "--config", "/var/lib/sluice", "--config", "/etc/sluice"])
        self.assertRegex(unit, r"(?m)^StateDirectory=sluice$")
        bad = DIRECT.replace("status: 200", "status: many").replace("name: ", "name: bad-")
        gateway = self.use(Gateway({"vs.yaml": DIRECT, "zzz-bad.yaml": bad}))
        self.assertEqual(gateway.fetch("/").text(), "here")

    def test_systemd_is_told(self):
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/notify"
            notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.addCleanup(notify.close)
            notify.bind(path)
            notify.settimeout(20)
            gateway = self.use(Gateway({"vs.yaml": DIRECT}, environment={"NOTIFY_SOCKET": path}))
            self.assertIn(b"READY=1", notify.recv(4096))
            gateway.process.popen.send_signal(signal.SIGTERM)
            self.assertIn(b"STOPPING=1", notify.recv(4096))


class MetricsPort(Case):
    """--metrics: a port that may be opened to others, with what machines ask for and nothing else."""

    @classmethod
    def setUpClass(cls):
        cls.port = free_ports(1)[0]
        cls.gateway = cls.share(Gateway({"vs.yaml": DIRECT}, arguments=["--metrics", f"0.0.0.0:{cls.port}"]))

    def get(self, path, method="GET", host="10.1.2.3:8081", headers=()):
        return raw.fetch(self.port, method, path, host, headers)

    @rows({path: path for path in ("/metrics", "/healthz", "/readyz", "/stats/prometheus", "/ready")})
    def answers_whatever_it_is_called(self, path):
        self.assert_status(self.get(path), 200)
        self.assert_status(self.get(path, host="gateway-proxy.gloo-system.svc"), 200)

    @rows({path: path for path in ("/", "/config_dump", "/routes", "/clusters", "/dns", "/logging", "/listeners")})
    def has_no_other_page(self, path):
        self.assert_status(self.get(path), 404)

    @rows({"drain": "/drain", "level": "/logging?level=trace"})
    def changes_nothing(self, path):
        self.assert_status(self.get(path, "POST"), 404)
        self.assert_status(self.gateway.admin("/readyz"), 200)

    def test_refuses_web_pages_and_other_methods(self):
        self.assert_status(self.get("/metrics", headers=[("Origin", "http://evil.test")]), 403)
        self.assert_status(self.get("/metrics", "DELETE"), 405)

    def test_is_no_destination(self):
        self.gateway.write("gateway.yaml", self.gateway.PLAIN.replace("httpGateway: {}", "httpGateway: {options: {dynamicForwardProxy: {}}}"))
        self.gateway.write("vs.yaml", configs.virtual_service("- matchers: [{prefix: /}]\n  routeAction: {dynamicForwardProxy: {}}"))
        self.gateway.write("policy.yaml", configs.LOOPBACK_POLICY)
        answer = until(lambda: (a := self.gateway.fetch("/metrics", host=f"127.0.0.1:{self.port}")).status == 403 and a, "the refusal")
        self.assertIn("own", answer.text())

    def test_says_what_the_process_is_and_uses(self):
        text = self.get("/metrics").text()
        for line in (r"envoy_server_live 1", r"envoy_server_state 0", r"envoy_server_concurrency 1", r"envoy_server_uptime \d+",
                     r"envoy_server_version \d+", r'sluice_build_info\{version="\d+\.\d+\.\d+"\} 1', r"process_cpu_seconds_total \d+\.\d+",
                     r"process_resident_memory_bytes [1-9]\d{6,}", r"process_open_fds [1-9]\d*", r"process_max_fds [1-9]\d+",
                     r"process_threads [2-9]", r"process_virtual_memory_bytes [1-9]\d+", r"envoy_server_memory_allocated \d+"):
            self.assertRegex(text, rf"(?m)^{line}$")
        began = float(re.search(r"^process_start_time_seconds (\d+)$", text, re.M)[1])
        self.assertLess(abs(time.time() - began), 600)

    def test_threads_have_names(self):
        tasks = pathlib.Path(f"/proc/{self.gateway.process.pid}/task").iterdir()
        names = {(task / "comm").read_text().strip() for task in tasks}
        self.assertLessEqual({"sluice", "worker 0", "log"}, names)

    def test_the_log_names_the_addresses(self):
        for name, port in (("metrics", self.port), ("admin", self.gateway.admin_port), ("listener", self.gateway.port)):
            self.gateway.says(rf"info {name} listening address=\S+:{port}\b")


class Admin(Case):
    @classmethod
    def setUpClass(cls):
        cls.backend = cls.share(Backend())
        cls.gateway = cls.share(Gateway(configs.to_backend(), values={"backend": cls.backend.port}))
        for _ in range(3):
            cls.gateway.fetch("/")

    @rows({path: path for path in ("/healthz", "/readyz", "/metrics", "/config_dump", "/routes", "/clusters", "/dns", "/logging")})
    def answers(self, path):
        self.assert_status(self.gateway.admin(path), 200)

    @rows({"unknown path": ("/nothing", "GET", 404), "wrong method": ("/metrics", "DELETE", 405), "drain by get": ("/drain", "GET", 405)})
    def refuses(self, path, method, status):
        self.assert_status(self.gateway.admin(path, method), status)

    def test_every_metric_with_envoys_name_is_one_of_envoys(self):
        known = dict(line.split() for line in (ROOT / "tests/e2e/data/envoy_metrics.txt").read_text().splitlines()
                     if not line.startswith("#"))
        documented = re.findall(r"^\| `(envoy_\w+)` \| (\w+) \|", run_sluice("docs", "metrics")[1], re.M)
        printed = re.findall(r"^# TYPE (envoy_\w+) (\w+)$", self.gateway.admin("/metrics").text(), re.M)
        self.assertGreater(len(documented), 30)
        self.assertGreater(len(printed), 20)
        self.assertEqual([(name, kind) for name, kind in documented + printed if known.get(name) != kind], [])

    def test_listeners_are_counted_by_their_address(self):
        port = self.gateway.port
        count = lambda what: self.gateway.metric(rf'^envoy_listener_downstream_{what}\{{envoy_listener_address="127\.0\.0\.1_{port}"\}}$')
        before, ended = count("cx_total"), count("cx_destroy")
        with self.gateway.client() as client:
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            client.read_response("GET")
            self.assertEqual((count("cx_total"), count("cx_active")), (before + 1, 1))
        until(lambda: count("cx_destroy") == ended + 1 and count("cx_active") == 0, "the connection's end to be counted")
        self.assertEqual(self.gateway.metric("^envoy_listener_manager_total_listeners_active"), 1)
        self.assertEqual(self.gateway.metric("^envoy_listener_manager_listener_added"), 1)

    def test_durations_have_envoys_buckets(self):
        bounds = re.findall(r'^envoy_http_downstream_rq_time_bucket\{envoy_http_conn_manager_prefix="http",le="([^"]+)"\}',
                            self.gateway.admin("/metrics").text(), re.M)
        self.assertEqual(bounds, "0.5 1 5 10 25 50 100 250 500 1000 2500 5000 10000 30000 60000 300000 600000 1800000 3600000 "
                                 "+Inf".split())

    def test_promtool_reads_the_metrics_and_finds_fault_with_envoys_names_only(self):
        promtool = ROOT / "build/tools/prometheus/usr/bin/promtool"
        if not promtool.exists():
            self.skipTest("promtool is not there: tools/setup.sh test brings it")
        text = self.gateway.admin("/metrics").body
        done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)
        self.assertIn(done.returncode, (0, 3))      # 3: it read them, and would name some otherwise
        faults = (done.stdout + done.stderr).decode().splitlines()
        self.assertEqual([fault for fault in faults if not fault.startswith("envoy_")], [])

    def test_requests_are_counted(self):
        before = self.gateway.metric(r"^envoy_cluster_upstream_rq_total\{.*backend_gloo-system")
        for _ in range(5):
            self.gateway.fetch("/")
        until(lambda: self.gateway.metric(r"^envoy_cluster_upstream_rq_total\{.*backend_gloo-system") == before + 5, "the count")

    def test_the_config_dump_names_objects_and_statuses(self):
        text = json.dumps(self.gateway.dump())
        for word in ("all", "backend", "Accepted", "gateway-proxy"):
            self.assertIn(word, text)

    def test_the_log_level_changes_while_it_runs(self):
        self.assert_status(self.gateway.admin("/logging?level=debug", "POST"), 200)
        self.assert_status(self.gateway.admin("/logging?level=loud", "POST"), 400)
        self.assertIn("debug", self.gateway.admin("/logging").text())
        self.gateway.admin("/logging?level=info", "POST")

    def test_log_lines_have_the_shape_that_is_documented(self):
        for line in self.gateway.process.stderr().splitlines():
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (trace|debug|info|warn|error) \S+ ")

    def test_the_default_access_log_is_envoys_with_details(self):
        line = self.gateway.log_line('"GET / HTTP/1.1" 200')
        self.assertTrue(re.match(r'^\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\] "GET / HTTP/1\.1" 200 - 0 \d+ \d+ \d+ "-" "-" "[0-9a-f-]{36}" "api\.test" '
                                 r'"127\.0\.0\.1:\d+".*via_upstream', line), line)

    def test_commands(self):
        where = {"SLUICE_ADMIN": f"127.0.0.1:{self.gateway.admin_port}", "SLUICE_API": f"127.0.0.1:{self.gateway.api_port}"}
        code, out, _ = run_sluice("get", "vs", "-n", "gloo-system", environment=where)
        self.assertEqual(code, 0)
        self.assertIn("all", out)
        code, out, _ = run_sluice("get", "vs", "all", "-n", "gloo-system", "-o", "json", environment=where)
        self.assertEqual(json.loads(out)["metadata"]["name"], "all")
        self.assertRegex(run_sluice("get", "vs", environment=where)[1], r"(?m)^NAMESPACE +NAME .*\n(.*\n)*gloo-system +all ")
        self.assertRegex(run_sluice("get", "vs", "-n", "gloo-system", environment=where)[1], r"(?m)^NAME .*\n(.*\n)*all ")
        for name in (f"localhost:{self.gateway.api_port}", f"http://localhost:{self.gateway.api_port}"):
            code, out, err = run_sluice("get", "vs", "--api", name)
            self.assertEqual(code, 0, err)
            self.assertIn("all", out)
        code, out, err = run_sluice("proxy", "address", "--admin", f"localhost:{self.gateway.admin_port}")
        self.assertEqual((code, out), (0, f"127.0.0.1:{self.gateway.port}\n"), err)
        self.assertEqual(run_sluice("version")[0], 0)
        code, out, _ = run_sluice("filters")
        self.assertEqual(code, 0)
        self.assertLess(out.index("jwt"), out.index("dlp") if "dlp" in out[out.index("jwt"):] else len(out))
        code, out, err = run_sluice("explain", "http://api.test/x", "--config", self.gateway.folder)
        self.assertEqual(code, 0, err)
        self.assertIn("backend", out)
        code, out, err = run_sluice("explain", "http://api.test/x/..;/y", "--config", self.gateway.folder)
        self.assertEqual(code, 0, err)
        self.assertRegex(out, r"(?m)^path +/y$")
        for name, said in (("rt", "RouteTable is not supported yet"), ("bogus", "there is no kind")):
            code, _, err = run_sluice("get", name, environment=where)
            self.assertEqual(code, 2)
            self.assertIn(said, err)
        code, _, err = run_sluice("get", "vs", "all?watch=/x", environment=where)
        self.assertEqual(code, 2)
        self.assertIn("can be called", err)
        for command in (["explain", "http://api.test/x", "--config"], ["check"]):
            code, _, err = run_sluice(*command, "/nowhere")
            self.assertEqual(code, 3, err)
            self.assertIn("/nowhere: no such file or folder", err)


class Explain(Case):
    CONFIG = Gateway.PLAIN + """---
apiVersion: gateway.solo.io/v1
kind: VirtualService
metadata: {name: vs, namespace: gloo-system}
spec:
  virtualHost:
    domains: ['*']
    routes:
    - name: second
      matchers: [{prefix: /second}]
      options: {dlp: {actions: [{actionType: SSN}]}}
      directResponseAction: {status: 202}
    - name: first
      matchers: [{prefix: /}]
      options:
        stagedTransformations:
          early:
            requestTransforms:
            - clearRouteCache: true
              requestTransformation: {transformationTemplate: {passthrough: {}, headers: {':path': {text: /second}}}}
      directResponseAction: {status: 201}
"""

    @rows({"admin": (19000, "refused by rule own-port"), "api": (19001, "refused by rule own-port"), "another": (19002, "allowed by rule")})
    def knows_the_ports_of_a_gateway_without_options(self, port, verdict):
        files = {"gateway.yaml": Gateway.PLAIN.replace("@{port}", "8080").replace("httpGateway: {}", "httpGateway: {options: {dynamicForwardProxy: {}}}"),
                 "vs.yaml": configs.virtual_service("- matchers: [{prefix: /}]\n  routeAction: {dynamicForwardProxy: {}}"),
                 "policy.yaml": configs.LOOPBACK_POLICY}
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                pathlib.Path(folder, name).write_text(text)
            code, said, err = run_sluice("explain", f"http://127.0.0.1:{port}/", "--config", folder)
        self.assertEqual(code, 0, err)
        self.assertIn(verdict, said)

    def test_tells_of_every_route_that_was_chosen(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "all.yaml").write_text(self.CONFIG.replace("@{port}", "1"))
            code, out, err = run_sluice("explain", "http://api.test/x", "--config", folder)
        self.assertEqual(code, 0, err)
        lines = [line for line in out.splitlines() if line]
        told = [line.split(None, 1) for line in lines[1:]]
        self.assertRegex(lines[1], r"^route +gloo-system_vs-route-1-.*first-matcher-0$")
        self.assertEqual(lines[2].split(None, 1), ["filters", "early transformation, gRPC-Web"])
        self.assertRegex(lines[3], r"^then route +gloo-system_vs-route-0-.*second-matcher-0$")
        self.assertEqual(lines[4].split(None, 1), ["filters", "dlp, gRPC-Web"])
        self.assertIn("202", told[-1][1])


class ExplainNothing(Case):
    ROUTES = """\
- matchers: [{prefix: /orders, methods: [GET]}]
  directResponseAction: {status: 200}
- matchers: [{exact: /admin, headers: [{name: x-role, value: a}]}]
  directResponseAction: {status: 200}
- matchers: [{regex: '/q/.*', queryParameters: [{name: q}]}]
  directResponseAction: {status: 200}"""

    @rows({
        "another path": ("http://app.test/x", ['route-0-matcher-0: the path does not begin with "/orders"', 'the path does not equal "/admin"',
                                               'the path does not match the expression "/q/.*"']),
        "a method": ("http://app.test/orders/1", ["route-0-matcher-0: the method POST is not among its methods"]),
        "a header": ("http://app.test/admin", ['route-1-matcher-0: the header "x-role" does not fit']),
        "a parameter": ("http://app.test/q/1", ['route-2-matcher-0: the query parameter "q" does not fit']),
        "another host": ("http://other.test/", ['none has the domain of "other.test"; there are app.test, *.app.test']),
    })
    def a_route_that_does_not_fit_is_named_with_its_reason(self, url, parts):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "vs.yaml").write_text(configs.virtual_service(self.ROUTES, domains="[app.test, '*.app.test']"))
            code, out, err = run_sluice("explain", url, "-X", "POST", "--config", folder)
        self.assertEqual(code, 0, err)
        for part in parts:
            self.assertIn(part, out)
        self.assertIn("none fits: 404, flag NR, details route_not_found", out)

    def test_https_is_not_explained_as_if_it_were_served(self):
        with tempfile.TemporaryDirectory() as folder:
            pathlib.Path(folder, "vs.yaml").write_text(DIRECT)
            code, out, err = run_sluice("explain", "https://app.test/", "--config", folder)
        self.assertEqual(code, 0, err)
        self.assertIn("501, details https_target_not_supported", out)
        self.assertNotIn("direct_response", out)


class Start(Case):
    def test_strict_opens_no_port_while_there_are_errors(self):
        """All its ports are taken: an attempt to open one would be exit 3."""
        taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
        for sock in taken:
            self.addCleanup(sock.close)
        gateway, admin, api = (sock.getsockname()[1] for sock in taken)
        with tempfile.TemporaryDirectory() as folder:
            for name, text in {"gateway": Gateway.PLAIN.replace("@{port}", str(gateway)), "vs": DIRECT,
                               "bad": DIRECT.replace("name: all", "name: bad").replace("status", "stauts")}.items():
                pathlib.Path(folder, f"{name}.yaml").write_text(text)
            code, _, err = run_sluice("run", "--strict", "--config", folder, "--admin", f"127.0.0.1:{admin}", "--api", f"127.0.0.1:{api}")
        self.assertEqual(code, 1, err)
        self.assertIn("--strict: not starting with errors", err)
        self.assertNotRegex(err, "(?i)in use|listening")

    def test_a_rejected_gateway_is_not_replaced_by_the_one_on_loopback(self):
        gateway = Gateway({"gateway.yaml": Gateway.PLAIN.replace("@{port}", "many"), "vs.yaml": DIRECT}, wait=False)
        gateway.process.popen.wait(30)
        self.assertRegex(gateway.process.stderr(), r"error config .*rejected.*127\.0\.0\.1:8080.*object=.*Gateway gloo-system/gateway-proxy")
        gateway.stop(1)        # nothing else can serve

    @rows({"command": (["bogus"], "unknown command .bogus"), "command of proxy": (["proxy", "bogus"], "unknown command .bogus"),
           "option": (["get", "--bogus"], "unknown option .--bogus"), "no command": ([], r"(?m)^  run "),
           "misspelt option": (["run", "--confg", "x"],
                               'unknown option "--confg" of sluice run; did you mean --config\\? sluice run --help says more'),
           "misspelt option with its value": (["check", "--stat=x", "f"], 'unknown option "--stat" of sluice check; there are '),
           "option of another command": (["proxy", "url", "--api", "127.0.0.1:1"],
                                         'unknown option "--api" of sluice proxy url; there are .*--admin.*; sluice proxy url --help says more'),
           "misspelt command": (["chek", "x"], 'unknown command "chek" of sluice; did you mean check\\?'),
           "argument too many": (["token", "--key", "k", "a", "b"], 'unknown argument "b" of sluice token; sluice token --help says more')})
    def unknown(self, arguments, words):
        code, _, err = run_sluice(*arguments)
        self.assertEqual(code, 2)
        self.assertRegex(err, words)

    def test_json_logs_are_json(self):
        gateway = self.use(Gateway({"vs.yaml": DIRECT}, arguments=["--log-format", "json"]))
        gateway.fetch("/")
        for line in gateway.process.stderr().splitlines():
            self.assertIn("level", json.loads(line))

    def test_no_connection_and_no_memory_is_left_behind(self):
        backend = self.use(Backend())
        gateway = self.use(Gateway(configs.to_backend(), values={"backend": backend.port}))
        for _ in range(20):
            gateway.fetch("/")
        before = gateway.process.descriptors()
        for _ in range(200):
            gateway.fetch("/")
        began = time.monotonic()
        until(lambda: gateway.process.descriptors() <= before + 2, "the connections to be closed")
        self.assertLess(time.monotonic() - began, 10)
