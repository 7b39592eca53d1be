"""examples/mypaas: every line of its "what must be seen", with the real program and the real kubectl."""

import pathlib
import tempfile
import time

from harness import mypaas, raw
from harness.backend import Backend
from harness.case import Case, rows
from harness.dns_server import DnsServer
from harness.gateway import Gateway, run_sluice
from harness.kubectl import Kubectl
from harness.tokens import Key, b64url, token
from harness.waiting import stays, until

KEY = Key()


class Flow:
    """The example on free ports: two tenants, a DNS server that answers with TTL 0, the gateway."""

    def __init__(self, policy=True, workers=1):
        self.one = Backend("127.0.1.1", default=sensitive)
        self.two = Backend("127.0.1.2", self.one.port, default=sensitive)
        self.dns = DnsServer()
        self.dns.set("tenant-1.mypaas.test", "127.0.1.1", ttl=0)
        self.dns.set("tenant-2.mypaas.test", "127.0.1.2", ttl=0)
        files = mypaas.files(KEY.public_pem, "@{port}", self.one.port, policy)
        self.gateway = Gateway(files, resolver=self.dns.where, workers=workers)
        self.scratch = tempfile.TemporaryDirectory(prefix="sluice-mypaas-")
        self.kubectl = Kubectl(self.gateway.api_port, self.scratch.name)

    def patch(self):
        self.kubectl("-n", "gloo-system", "patch", "gw/gateway-proxy", "--type", "merge", "-p", mypaas.patch())
        until(lambda: self.gateway.status("virtualservices", "httpbin")[0] == "Accepted", "the patch to be in force")

    def get(self, bearer=None, headers=(), path="/"):
        headers = [*headers, *([("Authorization", f"Bearer {bearer}")] if bearer else [])]
        return raw.fetch(self.gateway.port, "GET", path, "api.mypaas.test", headers)

    def reached(self):
        return self.one.accepted + self.two.accepted

    def stop(self):
        try:
            self.gateway.stop()
        finally:
            for part in (self.one, self.two, self.dns):
                part.stop()
            self.scratch.cleanup()

    def evidence(self):
        return self.gateway.evidence()


def sensitive(connection, request):
    connection.answer(200, mypaas.SENSITIVE, [("Content-Type", "text/plain"), ("X-Who", request.header("host"))])


def claims(**changes):
    return token(mypaas.payload(**changes), KEY)


def tampered():
    head, _, signature = claims().split(".")
    return f"{head}.{claims(tenantId='tenant-2').split('.')[1]}.{signature}"


class BeforeThePatch(Case):
    def test_answers_503_and_warns_then_serves_without_a_restart(self):
        flow = self.use(Flow())
        response = flow.get(claims(), path="/before")
        self.assertEqual((response.status, response.body), (503, b""))
        line = flow.gateway.log_line("/before")
        self.assertIn(" 503 NC ", line)
        self.assertIn("cluster_not_found", line)
        state, reason = flow.gateway.status("virtualservices", "httpbin")
        self.assertEqual(state, "Warning", reason)
        self.assertEqual((flow.reached(), flow.dns.queries()), (0, []))

        pid = flow.gateway.process.pid
        flow.patch()
        self.assert_status(flow.get(claims()), 200)
        self.assertEqual(flow.gateway.process.pid, pid)
        self.assertTrue(flow.gateway.process.alive())
        self.assertIn("dynamicForwardProxy", (flow.gateway.folder / "gateway.yaml").read_text())
        self.assertEqual(flow.gateway.status("virtualservices", "httpbin"), ("Accepted", ""))


class AfterThePatch(Case):
    @classmethod
    def setUpClass(cls):
        cls.flow = cls.share(Flow())
        cls.flow.patch()

    def setUp(self):
        self.flow.dns.clear()
        self.flow.one.clear()
        self.flow.two.clear()
        self.before = self.flow.reached()

    def nothing_left(self):
        """No query, no connection; looked at for a moment, because they would come late.

        The tenants' own names may be refreshed at any time, because they were used.
        """
        own = {"tenant-1.mypaas.test", "tenant-2.mypaas.test"}
        stays(lambda: {q.name for q in self.flow.dns.queries()} <= own and self.flow.reached() == self.before,
              "no query, no connection", 0.15)

    def test_the_claim_becomes_header_and_host_and_the_token_stays(self):
        bearer = claims()
        response = self.flow.get(bearer)
        self.assert_status(response, 200)
        seen = self.flow.one.requests[-1]
        port = self.flow.one.port
        self.assertEqual(seen.all("x-mypaas-tenant-id"), ["tenant-1"])
        self.assertEqual(seen.all("x-mypaas-tenant-backend"), [f"tenant-1.mypaas.test:{port}"])
        self.assertEqual(seen.all("host"), [f"tenant-1.mypaas.test:{port}"])
        self.assertEqual(seen.all("authorization"), [f"Bearer {bearer}"])
        self.assertEqual(self.flow.two.requests, [])

    def test_numbers_are_masked_and_all_else_is_unchanged(self):
        self.assertEqual(self.flow.get(claims()).text(), mypaas.MASKED)

    def test_a_second_request_within_a_second_asks_the_dns_server_nothing(self):
        self.assert_status(self.flow.get(claims()), 200)
        began = time.monotonic()
        self.flow.dns.clear()
        self.assert_status(self.flow.get(claims()), 200)
        self.assertEqual(self.flow.dns.queries(), [])
        self.assertLess(time.monotonic() - began, 1)

    def test_every_tenant_has_its_own_destination(self):
        self.assertIn("tenant-2.mypaas.test", self.flow.get(claims(tenantId="tenant-2")).header("x-who"))
        self.assertIn("tenant-1.mypaas.test", self.flow.get(claims(tenantId="tenant-1")).header("x-who"))

    def test_a_tampered_token_passes_without_the_header_and_the_name_is_refused_without_a_packet(self):
        response = self.flow.get(tampered(), path="/tampered")
        self.assertEqual((response.status, response.text()), (503, "DNS resolution failure"))
        line = self.flow.gateway.log_line("/tampered")
        self.assertIn(" 503 DF ", line)
        self.assertIn("dns_resolution_failure{invalid_name}", line)
        self.nothing_left()

    def test_a_clients_own_header_is_removed_with_a_valid_token(self):
        self.assert_status(self.flow.get(claims(), [("x-mypaas-tenant-id", "tenant-2")]), 200)
        self.assertEqual(self.flow.one.requests[-1].all("x-mypaas-tenant-id"), ["tenant-1"])
        self.assertEqual(self.flow.two.requests, [])

    @rows({"no token": (None, [("x-mypaas-tenant-id", "tenant-2")]),
           "no token, upper case": (None, [("X-MYPAAS-TENANT-ID", "tenant-2")]),
           "no token, twice": (None, [("x-mypaas-tenant-id", "tenant-2"), ("x-mypaas-tenant-id", "tenant-1")]),
           "a failed token": ("tampered", [("x-mypaas-tenant-id", "tenant-2")])})
    def a_clients_own_header_is_removed_with(self, bearer, headers):
        response = self.flow.get(tampered() if bearer else None, headers)
        self.assertEqual((response.status, response.text()), (503, "DNS resolution failure"))
        self.nothing_left()

    def test_a_clients_own_destination_header_never_counts(self):
        target = ("x-mypaas-tenant-backend", f"tenant-2.mypaas.test:{self.flow.two.port}")
        self.assert_status(self.flow.get(claims(), [target]), 200)
        self.assertEqual(self.flow.two.requests, [])
        self.assert_status(self.flow.get(None, [target]), 503)
        self.assertEqual(self.flow.two.requests, [])

    @rows({"another host and a path": "x.evil.test:80/", "user info": "a@b", "a fragment": "a#", "percent": "%2e",
           "a line feed": "a\nb", "a carriage return": "a\r\nx: y", "a space": "a b", "a question mark": "a?", "a nul": "a\0b",
           "a backslash": "a\\b", "a port of its own": "x.evil.test:80#", "a tab": "a\tb"})
    def a_tenant_id_that_is_no_name_goes_nowhere(self, value):
        response = self.flow.get(claims(tenantId=value))
        self.assert_status(response, 400)
        self.nothing_left()

    @rows({"two dots": "a..b", "a long label": "a" * 64, "empty": "", "too long": ".".join(["a" * 60] * 5), "a leading dot": ".a"})
    def a_tenant_id_that_no_query_can_carry_goes_nowhere(self, value):
        response = self.flow.get(claims(tenantId=value))
        self.assert_status(response, 503)
        self.nothing_left()

    def test_a_name_that_does_not_exist_is_503_after_asking(self):
        response = self.flow.get(claims(tenantId="nobody"), path="/nobody")
        self.assertEqual((response.status, response.text()), (503, "DNS resolution failure"))
        self.assertTrue(self.flow.dns.queries("nobody.mypaas.test"))
        self.assertIn(" 503 DF ", self.flow.gateway.log_line("/nobody"))


class WithoutThePolicy(Case):
    def test_loopback_destinations_are_refused_by_default_and_opened_by_the_policy(self):
        flow = self.use(Flow(policy=False))
        flow.patch()
        response = flow.get(claims(), path="/refused")
        self.assert_status(response, 403)
        self.assertIn("loopback", response.text())
        self.assertIn("default/loopback", response.text())
        self.assertIn("tenant-1.mypaas.test", response.text())
        self.assertNotIn("127.0.1.1", response.text())
        self.assertIn("destination_ip_prohibited{loopback,default/loopback}", flow.gateway.log_line("/refused"))
        flow.gateway.says("EgressPolicy")
        self.assertEqual(flow.reached(), 0)

        flow.gateway.write("egress-policy.yaml", (mypaas.EXAMPLE / "egress-policy.yaml").read_text())
        until(lambda: flow.get(claims()).status == 200, "the policy to be in force")
        flow.gateway.remove("egress-policy.yaml")
        until(lambda: flow.get(claims()).status == 403, "the policy to be gone")


class Commands(Case):
    def test_the_url_of_the_gateway_is_printed_as_glooctl_does(self):
        flow = self.use(Flow())
        where = {"SLUICE_ADMIN": f"127.0.0.1:{flow.gateway.admin_port}", "SLUICE_API": f"127.0.0.1:{flow.gateway.api_port}"}
        self.assertEqual(run_sluice("proxy", "url", environment=where), (0, f"http://127.0.0.1:{flow.gateway.port}\n", ""))
        self.assertEqual(run_sluice("proxy", "address", environment=where), (0, f"127.0.0.1:{flow.gateway.port}\n", ""))

    def test_the_token_of_the_program_is_the_token_of_openssl(self):
        with tempfile.TemporaryDirectory() as folder:
            payload = pathlib.Path(folder, "payload.json")
            payload.write_text((mypaas.EXAMPLE / "token-payload.json").read_text())
            code, out, err = run_sluice("token", "--key", KEY.path, "--alg", "RS256", payload)
        self.assertEqual((code, err), (0, ""))
        head, body, signature = out.strip().split(".")
        self.assertEqual(signature, b64url(KEY.sign("RS256", f"{head}.{body}".encode())))
