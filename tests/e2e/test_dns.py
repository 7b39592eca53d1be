"""Names that are resolved while the request waits: how often, for how long, and what failures do to others."""

import itertools
import json
import threading
import time

from harness import configs, raw
from harness.backend import Backend
from harness.case import Case, rows
from harness.dns_server import DnsServer
from harness.gateway import Gateway
from harness.waiting import free_port, until


def who(connection, request):
    connection.answer(200, connection.socket.getsockname()[0])


class Names(Case):
    """A forward proxy whose destinations are 127.0.0.2 and 127.0.0.3 on one port."""

    def set_up(self, dns_options="", workers=1, **keywords):
        self.dns = self.use(DnsServer())
        self.two = self.use(Backend("127.0.0.2", default=who))
        self.three = self.use(Backend("127.0.0.3", self.two.port, default=who))
        self.gateway = self.use(Gateway(configs.dynamic(dns_options), resolver=self.dns.where, workers=workers, **keywords))

    def get(self, name, path="/", timeout=15.0):
        return raw.fetch(self.gateway.port, path=path, host=f"{name}:{self.two.port}", timeout=timeout)

    def at_once(self, count, name):
        results = []
        threads = [threading.Thread(target=lambda: results.append(self.get(name))) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    @rows({"one worker": 1, "two workers": 2})
    def a_hundred_requests_for_one_name_are_one_query_with(self, workers):
        self.set_up(workers=workers)
        self.dns.set("slow.test", "127.0.0.2", delay=0.5)
        results = self.at_once(100, "slow.test")
        self.assertEqual({(r.status, r.text()) for r in results}, {(200, "127.0.0.2")})
        self.assertEqual([q.type for q in self.dns.queries("slow.test")], ["A"])

    def test_aaaa_is_asked_only_when_there_is_no_a(self):
        self.set_up()
        self.dns.set("four.test", "127.0.0.2", aaaa=["::1"])
        self.dns.set("none.test")
        self.assert_status(self.get("four.test"), 200)
        self.assertEqual([q.type for q in self.dns.queries("four.test")], ["A"])
        self.assert_status(self.get("none.test"), 503)
        self.assertEqual([q.type for q in self.dns.queries("none.test")], ["A", "AAAA"])

    @rows({"V4_ONLY": ("V4_ONLY", {"A"}), "AUTO": ("AUTO", {"A", "AAAA"}), "ALL": ("ALL", {"A", "AAAA"})})
    def family(self, family, types):
        self.set_up(f"dnsLookupFamily: {family}")
        self.dns.set("a.test", "127.0.0.2")
        self.assert_status(self.get("a.test"), 200)
        self.assertEqual({q.type for q in self.dns.queries("a.test")}, types)

    def test_v6_only_reaches_an_ipv6_destination(self):
        self.set_up("dnsLookupFamily: V6_ONLY")
        six = self.use(Backend("::1", default=who))
        self.dns.set("six.test", aaaa=["::1"])
        response = raw.fetch(self.gateway.port, host=f"six.test:{six.port}")
        self.assertEqual((response.status, response.text()), (200, "::1"))
        self.assertEqual({q.type for q in self.dns.queries()}, {"AAAA"})

    def test_an_answer_is_kept_for_its_ttl_and_a_withdrawn_address_is_not_used_again(self):
        self.set_up()
        self.dns.set("moving.test", "127.0.0.2", ttl=1)       # the floor of 5 s holds
        began = time.monotonic()
        self.assertEqual(self.get("moving.test").text(), "127.0.0.2")
        self.dns.set("moving.test", "127.0.0.3", ttl=60)
        while time.monotonic() - began < 4:
            self.assertEqual(self.get("moving.test").text(), "127.0.0.2")
            threading.Event().wait(0.1)
        until(lambda: self.get("moving.test").text() == "127.0.0.3", "the new address", 8)
        for _ in range(20):
            self.assertEqual(self.get("moving.test").text(), "127.0.0.3")
        self.assertLessEqual(len(self.dns.queries("moving.test", "A")), 3)

    @rows({"servfail": {"rcode": "SERVFAIL"}, "refused": {"rcode": "REFUSED"}, "no such name": {"rcode": "NXDOMAIN"}, "no address": {}})
    def a_failure_is_remembered(self, fields):
        self.set_up()
        self.dns.set("bad.test", **fields)
        for _ in range(10):
            response = self.get("bad.test", path="/bad")
            self.assertEqual((response.status, response.text()), (503, "DNS resolution failure"))
        line = self.gateway.log_line("/bad")
        self.assertIn(" 503 DF ", line)
        self.assertIn("dns_resolution_failure{", line)
        self.assertLessEqual(len(self.dns.queries("bad.test", "A")), 3, "the failure was not remembered")

    def test_a_name_that_recovers_is_served_again(self):
        self.set_up()
        self.dns.set("back.test", rcode="SERVFAIL")
        self.assert_status(self.get("back.test"), 503)
        self.dns.set("back.test", "127.0.0.2")
        until(lambda: self.get("back.test").status == 200, "the name to be tried again", 8)

    def test_a_server_that_never_answers_ends_in_503_after_the_query_timeout(self):
        self.set_up("dnsQueryTimeout: 0.5s")
        self.dns.set("mute.test", drop=True)
        began = time.monotonic()
        response = self.get("mute.test", path="/mute")
        self.assertEqual((response.status, response.text()), (503, "DNS resolution failure"))
        self.assertLess(time.monotonic() - began, 4)
        self.assertIn("resolve_timeout", self.gateway.log_line("/mute"))

    @rows({"a second try runs": 1.3, "a third try runs": 3.3})
    def an_answer_is_used_when_it_comes_though(self, delay):
        self.set_up()
        self.dns.set("late.test", "127.0.0.2", delay=delay)
        began = time.monotonic()
        response = self.get("late.test")
        took = time.monotonic() - began
        self.assertEqual((response.status, response.text()), (200, "127.0.0.2"))
        self.assertGreaterEqual(took, delay)
        self.assertLess(took, delay + 0.8, "the answer to the first try was not taken")

    def test_slow_and_failing_names_delay_nobody_else(self):
        self.set_up()
        self.dns.set("slow.test", "127.0.0.2", delay=2)
        self.dns.set("mute.test", drop=True)
        self.dns.set("quick.test", "127.0.0.3")
        slow = [threading.Thread(target=self.get, args=(name,)) for name in ("slow.test", "mute.test") for _ in range(10)]
        for thread in slow:
            thread.start()
        until(lambda: len(self.dns.queries()) >= 2, "the slow names to be asked for")
        began = time.monotonic()
        for _ in range(10):
            self.assertEqual(self.get("quick.test").text(), "127.0.0.3")
        self.assertLess(time.monotonic() - began, 1.5)
        for thread in slow:
            thread.join()

    @rows({"one worker": 1, "two workers": 2})
    def strangers_take_nothing_from_a_name_in_use_with(self, workers):
        """More silent names than maxHosts, until the name in use has been asked for again twice."""
        self.set_up("maxHosts: 16", workers=workers)
        self.dns.set("hot.test", "127.0.0.2", ttl=1)          # the floor of 5 s holds
        self.dns.set("*.mute.test", drop=True)
        self.assert_status(self.get("hot.test"), 200)
        clients, answers = [], []

        def asked_again_while_strangers_come():
            client = self.gateway.client()
            self.addCleanup(client.close)
            client.send(f"GET / HTTP/1.1\r\nHost: h{len(clients)}.mute.test\r\n\r\n")
            clients.append(client)
            if len(clients) % 10 == 0:
                answers.append(self.get("hot.test").status)
            return len(clients) > 100 and len(self.dns.queries("hot.test", "A")) >= 3
        until(asked_again_while_strangers_come, "hot.test to be asked for again twice while strangers wait", 60)
        self.assertEqual(set(answers), {200})
        asked = [query.at for query in self.dns.queries("hot.test", "A")]
        gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
        self.assertGreater(min(gaps), 4, "it was forgotten, or asked for by strangers")
        self.assertTrue(self.gateway.log_line("dns_cache_overflow"), "the strangers never reached their bound")

    def test_names_and_questions_are_counted_as_envoy_counts_them(self):
        self.set_up("dnsQueryTimeout: 1.5s")
        self.dns.set("a.test", "127.0.0.2")
        self.dns.set("fails.test", rcode="SERVFAIL")
        self.dns.set("mute.test", drop=True)
        for name in ("a.test", "a.test", "none.test", "fails.test", "mute.test"):
            self.get(name)
        cache = {name: self.gateway.metric(f"^envoy_dns_cache_dynamic_{name}$") for name in (
            "dns_query_attempt", "dns_query_success", "dns_query_failure", "dns_query_timeout", "host_added",
            "host_removed", "host_address_changed", "host_overflow", "dns_rq_pending_overflow", "num_hosts")}
        self.assertEqual(cache, {"dns_query_attempt": 4, "dns_query_success": 1, "dns_query_failure": 3, "dns_query_timeout": 1,
                                 "host_added": 4, "host_removed": 0, "host_address_changed": 1, "host_overflow": 0,
                                 "dns_rq_pending_overflow": 0, "num_hosts": 4})
        cares = {name: self.gateway.metric(f"^envoy_dns_cares_{name}$") for name in (
            "resolve_total", "pending_resolutions", "not_found", "get_addr_failure", "timeouts")}
        self.assertEqual(cares, {"resolve_total": 5, "pending_resolutions": 0, "not_found": 1, "get_addr_failure": 2, "timeouts": 1})
        self.assertEqual(self.gateway.metric("^sluice_dns_(requests_waiting|sockets_active)$"), 0)

    def test_a_client_that_leaves_does_not_end_the_lookup_of_others(self):
        self.set_up()
        self.dns.set("slow.test", "127.0.0.2", delay=0.6)
        with self.gateway.client() as impatient:
            impatient.send(f"GET / HTTP/1.1\r\nHost: slow.test:{self.two.port}\r\n\r\n")
            until(lambda: self.dns.queries("slow.test"), "the query")
            impatient.reset()
            self.assert_status(self.get("slow.test"), 200)
        self.assertEqual(len(self.dns.queries("slow.test", "A")), 1)

    def test_an_alias_is_followed_within_the_answer(self):
        self.set_up()
        self.dns.set("real.test", "127.0.0.3")
        self.dns.set("alias.test", cname="real.test")
        self.assertEqual(self.get("alias.test").text(), "127.0.0.3")

    def test_a_loop_of_aliases_is_answered_at_once(self):
        self.set_up()
        self.dns.set("loop.test", cname="loop.test")
        response = self.get("loop.test", path="/loop")
        self.assertEqual((response.status, response.text()), (503, "DNS resolution failure"))
        self.assertIn("dns_resolution_failure{cname_loop}", self.gateway.log_line("/loop"))
        self.assertEqual([q.type for q in self.dns.queries()], ["A", "AAAA"], "it was not answered by the first answers")

    def test_a_truncated_answer_is_asked_for_again_over_tcp(self):
        self.set_up()
        self.dns.set("large.test", "127.0.0.2", truncate=True)
        self.assert_status(self.get("large.test"), 200)
        self.assertEqual([q.transport for q in self.dns.queries("large.test", "A")], ["udp", "tcp"])

    @rows({"upper case": "NAME.Test", "a trailing dot": "name.test."})
    def one_name_has_one_entry_with(self, spelling):
        self.set_up()
        self.dns.set("name.test", "127.0.0.2")
        self.assert_status(self.get("name.test"), 200)
        self.assert_status(self.get(spelling), 200)
        self.assertEqual(len(self.dns.queries(type="A")), 1)

    def test_an_address_needs_no_query(self):
        self.set_up()
        self.assertEqual(self.get("127.0.0.3").text(), "127.0.0.3")
        six = self.use(Backend("::1", default=who))
        self.assertEqual(raw.fetch(self.gateway.port, host=f"[::1]:{six.port}").text(), "::1")
        self.assertEqual(self.dns.queries(), [])

    def test_a_full_cache_lets_go_of_names_nobody_waits_for(self):
        self.set_up("maxHosts: 2")
        self.dns.set("*.many.test", "127.0.0.2")
        for n in range(6):
            self.assert_status(self.get(f"h{n}.many.test"), 200)

    def test_a_connect_that_fails_takes_another_address_of_the_name(self):
        self.set_up()
        self.dns.set("partly.test", "127.0.0.9", "127.0.0.2")      # nobody listens on the first
        for _ in range(4):
            self.assertEqual(self.get("partly.test").text(), "127.0.0.2")

    def test_names_share_no_connections(self):
        self.set_up()
        self.dns.set("a.test", "127.0.0.2")
        self.dns.set("b.test", "127.0.0.2")
        for _ in range(3):
            for name in ("a.test", "b.test"):
                self.assert_status(self.get(name), 200)
        hosts = {}
        for request in self.two.requests:
            hosts.setdefault(request.connection, set()).add(request.header("host"))
        self.assertEqual(len(self.two.requests), 6)
        self.assertTrue(all(len(names) == 1 for names in hosts.values()), hosts)

    def test_the_search_list_is_never_used(self):
        self.set_up()
        self.assert_status(self.get("single"), 503)
        self.assertEqual({q.name for q in self.dns.queries()}, {"single"})


class WithoutAServer(Case):
    def test_an_absent_dns_server_is_503_for_names_and_nothing_for_the_rest(self):
        backend = self.use(Backend())
        gateway = self.use(Gateway(configs.dynamic("dnsQueryTimeout: 1s"), resolver=f"127.0.0.1:{free_port(also_udp=True)}"))
        response = gateway.fetch("/absent", host=f"a.test:{backend.port}")
        self.assertEqual((response.status, response.text()), (503, "DNS resolution failure"))
        self.assertIn(" 503 DF ", gateway.log_line("/absent"))
        self.assert_status(gateway.fetch("/", host=f"127.0.0.1:{backend.port}"), 200)


class OwnServers(Case):
    def test_the_gateways_resolvers_come_before_the_default_ones(self):
        own, default, backend = self.use(DnsServer()), self.use(DnsServer()), self.use(Backend())
        own.set("a.test", "127.0.0.1")
        options = f"caresDns: {{resolvers: [{{socketAddress: {{address: 127.0.0.1, portValue: {own.port}}}}}]}}"
        gateway = self.use(Gateway(configs.dynamic(options), resolver=default.where))
        self.assert_status(gateway.fetch("/", host=f"a.test:{backend.port}"), 200)
        self.assertEqual((len(own.queries()), default.queries()), (1, []))


class StaticNames(Case):
    def test_the_name_of_a_static_host_that_is_nothing_is_told_of_without_a_request(self):
        dns, backend = self.use(DnsServer()), self.use(Backend())
        dns.set("gone.test", rcode="NXDOMAIN", soa_ttl=1)
        files = configs.to_backend()
        files["upstream.yaml"] = files["upstream.yaml"].replace("addr: 127.0.0.1", "addr: gone.test")
        gateway = self.use(Gateway(files, resolver=dns.where, values={"backend": backend.port}))

        def status():
            return gateway.status("upstreams", "backend", "gloo.solo.io/v1")
        until(lambda: status()[0] == "Warning", "the status to tell of it")
        self.assertIn(f"host gone.test:{backend.port} cannot be resolved: name_does_not_exist", status()[1])
        gateway.says("warn upstream the name of a static host cannot be resolved.*gone.test.*name_does_not_exist")
        hosts = json.loads(gateway.admin("/clusters").body)["backend_gloo-system"]["hosts"]
        self.assertEqual(hosts, [{"host": f"gone.test:{backend.port}", "weight": 1, "state": "unresolved",
                                  "failure": "name_does_not_exist"}])
        response = gateway.fetch("/gone")
        self.assertEqual((response.status, response.text()), (503, "no healthy upstream"))

        dns.set("gone.test", "127.0.0.1")
        until(lambda: status()[0] == "Accepted", "the status to tell that it is back")
        self.assert_status(gateway.fetch("/"), 200)
        hosts = json.loads(gateway.admin("/clusters").body)["backend_gloo-system"]["hosts"]
        self.assertEqual((hosts[0]["state"], hosts[0]["addresses"]), ("resolved", ["127.0.0.1"]))
        lines = [line for line in gateway.process.stderr().splitlines() if " upstream the name of a static host" in line]
        self.assertEqual(len(lines), 2, lines)
