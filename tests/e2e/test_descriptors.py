"""A process with few file descriptors: every use keeps to its share, and what ran out recovers."""

import signal
import threading

from harness import configs, raw
from harness.backend import Backend
from harness.case import Case
from harness.dns_server import DnsServer
from harness.gateway import Gateway
from harness.waiting import until

FEW = 400        # one worker: 120 for the rest, 25 for DNS, 127 for upstreams (of them 96 dynamic), 128 for clients


class Descriptors(Case):
    """Names below many.test and everything else that is no known host are dynamic; static.test has an Upstream."""

    def set_up(self, descriptors=FEW, dns_options="maxHosts: 5000"):
        self.dns, self.backend, self.release = self.use(DnsServer()), self.use(Backend()), threading.Event()
        self.dns.set("*.many.test", "127.0.0.1")
        self.dns.set("*.mute.test", drop=True)
        self.addCleanup(self.release.set)

        def wait(connection, request):
            self.release.wait(20)
            connection.answer(200, b"late")
        self.backend.on("/slow", wait)
        files = configs.dynamic(dns_options)
        files["upstream.yaml"] = configs.BACKEND
        files["static.yaml"] = configs.virtual_service(f"- matchers: [{{prefix: /}}]\n  {configs.TO_BACKEND}",
                                                       domains="[static.test]", name="static")
        self.gateway = self.use(Gateway(files, resolver=self.dns.where, values={"backend": self.backend.port},
                                        descriptors=descriptors))

    def at_once(self, count, host, path):
        """Starts so many requests; the list fills with their responses."""
        results = []
        threads = [threading.Thread(target=lambda: results.append(self.gateway.fetch(path, host=host))) for _ in range(count)]
        for thread in threads:
            thread.start()
        self.addCleanup(lambda: [thread.join() for thread in threads])
        return results

    def share(self, use):
        return self.gateway.metric(rf'^sluice_descriptors_max\{{use="{use}"\}}')

    def test_names_without_end_keep_to_their_share_and_leave_static_routes_theirs(self):
        self.set_up()
        with self.gateway.client() as client:
            for n in range(300):
                client.send(f"GET / HTTP/1.1\r\nHost: h{n}.many.test:{self.backend.port}\r\n\r\n")
                self.assert_status(client.read_response(), 200)
        upstream = self.share("upstream")
        self.assertGreater(upstream, 100)
        self.assertLessEqual(self.gateway.metric(r"^envoy_cluster_upstream_cx_active\{"), upstream * 3 // 4 + 1)
        self.assertGreater(self.gateway.metric(r"^sluice_upstream_connections_given_up_total"), 150)
        self.assertLess(self.gateway.process.descriptors(), FEW)
        results = self.at_once(50, "static.test", "/slow")
        until(lambda: sum(r.path() == "/slow" for r in self.backend.requests) == 50, "all 50 to reach the static host")
        self.release.set()
        until(lambda: len(results) == 50, "their answers")
        self.assertEqual({r.status for r in results}, {200})

    def test_busy_dynamic_connections_are_refused_over_their_share_and_static_ones_are_not(self):
        self.set_up()
        most = int(self.share("upstream") * 3 // 4)
        clients = []
        for n in range(most + 8):
            client = self.gateway.client()
            self.addCleanup(client.close)
            client.send(f"GET /slow HTTP/1.1\r\nHost: h{n}.many.test:{self.backend.port}\r\n\r\n")
            clients.append(client)
            if n < most - 2:
                until(lambda n=n: len(self.backend.requests) > n, "the request to arrive")
        until(lambda: self.gateway.metric(r"^sluice_upstream_connections_overflow_total") >= 6, "refusals")
        self.assertIn(" 503 UO ", self.gateway.log_line(" UO "))
        self.assert_status(self.gateway.fetch("/", host="static.test"), 200)
        self.release.set()
        statuses = [client.read_response().status for client in clients]
        self.assertGreaterEqual(statuses.count(200), most - 1)
        self.assertEqual(set(statuses), {200, 503})

    def test_silent_names_hold_few_sockets(self):
        self.set_up()
        before = self.gateway.process.descriptors()
        clients = []
        for n in range(80):
            client = self.gateway.client()
            self.addCleanup(client.close)
            client.send(f"GET / HTTP/1.1\r\nHost: h{n}.mute.test\r\n\r\n")
            clients.append(client)
        until(lambda: len(self.dns.queries()) >= 160, "every name to be asked for twice")
        self.assertLessEqual(self.gateway.process.descriptors() - before - len(clients), self.share("dns"))
        self.assert_status(self.gateway.fetch("/", host=f"a.many.test:{self.backend.port}"), 200)

    def test_everything_recovers_from_having_had_no_descriptors(self):
        self.set_up(descriptors=90)
        with self.gateway.client() as kept:
            def asks(host, path="/"):
                kept.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")
                return kept.read_response().status
            self.assertEqual(asks("static.test"), 200)
            crowd = []
            for number in range(200):
                client = self.gateway.client()
                self.addCleanup(client.close)
                client.send("GET /head HTTP/1.1\r\nHost: static.test\r\n")     # and no end of it
                crowd.append(client)
                if number % 10 == 0:       # one that has waited for a second would make room
                    self.assertEqual(asks("static.test"), 200)
            # What was open goes on; what needs a descriptor fails, or is put off.
            self.assertEqual(asks("static.test"), 200)
            self.assertIn(asks(f"new.many.test:{self.backend.port}"), (200, 503))
            self.gateway.write("late.yaml", configs.virtual_service(
                "- matchers: [{prefix: /}]\n  directResponseAction: {status: 203}", domains="[late.test]", name="late"))
            self.gateway.process.popen.send_signal(signal.SIGUSR1)
            self.assertEqual(asks("static.test"), 200)
            for client in crowd:
                client.close()
        until(lambda: self.gateway.fetch("/", host="late.test").status == 203, "the configuration that was put off")
        until(lambda: self.gateway.fetch("/", host=f"new.many.test:{self.backend.port}").status == 200, "a new name", 40)
        self.assert_status(self.gateway.fetch("/last", host="static.test"), 200)
        self.assertTrue(self.gateway.log_line("/last"))

    def test_the_soft_limit_is_raised_to_the_hard_one(self):
        self.set_up(descriptors="300:500")
        self.assertEqual(self.share("total"), 500)
