"""Destinations that a request names but must not reach (SSRF)."""

import re

from harness import configs, raw
from harness.backend import Backend
from harness.case import Case, rows
from harness.dns_server import DnsServer
from harness.gateway import Gateway, run_sluice
from harness.waiting import until

CLASSES = {
    "127.0.0.1": "loopback", "127.255.255.254": "loopback", "10.0.0.1": "private", "172.16.0.1": "private", "172.31.255.255": "private",
    "192.168.0.1": "private", "100.64.0.1": "shared", "169.254.1.1": "link-local", "169.254.169.254": "metadata",
    "169.254.170.2": "metadata", "168.63.129.16": "metadata", "100.100.100.200": "metadata", "0.0.0.0": "unspecified",
    "0.1.2.3": "unspecified", "224.0.0.1": "multicast", "239.255.255.255": "multicast", "240.0.0.1": "reserved",
    "255.255.255.255": "reserved", "192.0.2.1": "documentation", "198.51.100.1": "documentation", "203.0.113.9": "documentation",
    "198.18.0.1": "benchmarking", "192.0.0.1": "ietf", "192.88.99.1": "relay",
    "::1": "loopback", "::": "unspecified", "fc00::1": "private", "fe80::1": "link-local", "fd00:ec2::254": "metadata",
    "ff02::1": "multicast", "2001:db8::1": "documentation", "100::1": "discard", "::ffff:127.0.0.1": None, "::ffff:10.0.0.1": None,
    "64:ff9b::7f00:1": None, "2002:7f00:1::1": None, "::127.0.0.1": None, "64:ff9b::a9fe:a9fe": None, "4000::1": "reserved",
}


class ByDefault(Case):
    @classmethod
    def setUpClass(cls):
        cls.dns = cls.share(DnsServer())
        cls.backend = cls.share(Backend())
        cls.gateway = cls.share(Gateway(configs.dynamic(policy=False), resolver=cls.dns.where))

    def refused(self, host, word, path):
        response = raw.fetch(self.gateway.port, path=path, host=host)
        self.assert_status(response, 403)
        self.assertEqual(response.header("content-type"), "text/plain")
        if word:
            self.assertIn(f"default/{word}", response.text())
        line = self.gateway.log_line(f"{path} ")
        self.assertIn("destination_ip_prohibited{", line)
        return response

    @rows({address: (address, word) for address, word in CLASSES.items()})
    def literal(self, address, word):
        host = f"[{address}]" if ":" in address else address
        self.refused(f"{host}:{self.backend.port}", word, "/literal-" + address.replace(":", "_"))
        self.assertEqual(self.backend.accepted, 0)

    @rows({address: (address, word) for address, word in CLASSES.items()})
    def name(self, address, word):
        label = "x" + address.replace(":", "-").replace(".", "-")
        if ":" in address:
            self.dns.set(f"{label}.test", aaaa=[address])
        else:
            self.dns.set(f"{label}.test", address)
        response = self.refused(f"{label}.test:{self.backend.port}", word, f"/name-{label}")
        self.assertIn(f"{label}.test", response.text())
        self.assertNotIn(address if len(address) > 3 else "\0", response.text())
        self.assertEqual(self.backend.accepted, 0)

    @rows({"hex": "0x7f000001", "a number": "2130706433", "octal": "0177.0.0.1", "two parts": "127.1", "three parts": "127.0.1",
           "leading zeros": "127.000.000.001", "hex parts": "0x7f.0.0.1", "a zone": "[fe80::1%25eth0]", "future": "[v1.a]",
           "no closing bracket": "[::1", "port zero": "a.test:0", "port too large": "a.test:65536", "a signed port": "a.test:+80",
           "user info": "a@127.0.0.1", "a backslash": "a.test\\b", "percent": "127.0.0.1%2f", "two dots at the end": "a.test..",
           "a last label of digits": "a.123", "a last label in hex": "a.0x7f", "full width": "１２７.0.0.1"})
    def odd_host_is_400_without_a_query(self, host):
        self.dns.clear()
        with self.gateway.client() as client:
            client.send(b"GET / HTTP/1.1\r\nHost: " + host.encode() + b"\r\n\r\n")
            self.assert_status(client.read_response(), 400)
        self.assertEqual(self.dns.queries(), [])

    def test_one_bad_address_of_several_is_never_connected_to(self):
        self.dns.set("mixed.test", "203.0.113.1", "127.0.0.1")
        for _ in range(4):
            self.assert_status(raw.fetch(self.gateway.port, host=f"mixed.test:{self.backend.port}"), 403)
        self.assertEqual(self.backend.accepted, 0)


class TheRemedyOfTheLog(Case):
    def test_it_opens_the_address_and_no_other_of_its_class(self):
        dns, backend = self.use(DnsServer()), self.use(Backend())
        other = self.use(Backend("127.0.0.7", backend.port))
        gateway = self.use(Gateway(configs.dynamic(policy=False), resolver=dns.where))
        dns.set("inner.test", "127.0.0.1")
        where = f"inner.test:{backend.port}"
        self.assert_status(raw.fetch(gateway.port, host=where), 403)
        said = gateway.says("opens it")
        rule = re.search(r"targetRefs to Gateway gateway-proxy and a rule (\{.*\}) opens it", said).group(1)
        self.assertIn("addresses: [127.0.0.1]", rule)
        gateway.write("policy.yaml", f"""\
apiVersion: sluice.dev/v1alpha1
kind: EgressPolicy
metadata: {{name: opened, namespace: gloo-system}}
spec:
  targetRefs: [{{group: gateway.solo.io, kind: Gateway, name: gateway-proxy}}]
  rules:
  - {rule}
""")
        until(lambda: raw.fetch(gateway.port, host=where).status == 200, "the opened destination")
        self.assert_status(raw.fetch(gateway.port, host=f"127.0.0.7:{backend.port}"), 403)
        self.assertEqual(other.accepted, 0)


class WithAPolicy(Case):
    @classmethod
    def setUpClass(cls):
        cls.dns, cls.backend = cls.share(DnsServer()), cls.share(Backend())
        cls.other = cls.share(Backend("127.0.0.7", cls.backend.port))
        files = configs.dynamic(policy=False)
        files["policy.yaml"] = """\
apiVersion: sluice.dev/v1alpha1
kind: EgressPolicy
metadata: {name: lab, namespace: gloo-system}
spec:
  targetRefs: [{group: gateway.solo.io, kind: Gateway, name: gateway-proxy}]
  rules:
  - {name: lab, action: allow, match: {addresses: [loopback, link-local]}}
  - {name: not-seven, action: deny, match: {addresses: [127.0.0.7/32]}}
  - {name: watched, action: shadow, match: {addresses: [127.0.0.0/8]}}
"""
        cls.gateway = cls.share(Gateway(files, resolver=cls.dns.where))

    def get(self, host, path="/"):
        return raw.fetch(self.gateway.port, path=path, host=host)

    def test_a_class_word_opens_the_class(self):
        self.assert_status(self.get(f"127.0.0.1:{self.backend.port}"), 200)

    def test_a_longer_prefix_wins_over_the_class(self):
        response = self.get(f"127.0.0.7:{self.backend.port}")
        self.assert_status(response, 403)
        self.assertIn("refused by rule lab/not-seven of an EgressPolicy", response.text())
        self.assertEqual(self.other.accepted, 0)
        self.gateway.says("remedy=.the rule lab/not-seven of an EgressPolicy denies it")

    def test_a_shadow_rule_is_logged_counted_and_explained(self):
        where = f"127.0.0.1:{self.backend.port}"
        before = self.gateway.metric("^sluice_dynamic_destination_shadow_refused_total")
        self.assert_status(self.get(where), 200)
        self.assertEqual(self.gateway.metric("^sluice_dynamic_destination_shadow_refused_total"), before + 1)
        self.gateway.says(f"a shadow rule would refuse a destination destination={where} class=loopback rule=lab/watched")
        out = run_sluice("explain", f"http://{where}/", "--config", self.gateway.folder)[1]
        self.assertIn("allowed by rule lab/lab; the shadow rule lab/watched would refuse it", out)

    @rows({"metadata": "169.254.169.254", "metadata v6": "[fd00:ec2::254]", "unspecified": "0.0.0.0", "private": "10.0.0.1"})
    def other_classes_stay_closed(self, host):
        self.assert_status(self.get(f"{host}:{self.backend.port}"), 403)

    def test_own_ports_are_refused_whatever_a_policy_opens(self):
        self.dns.set("self.test", "127.0.0.1")
        for port in (self.gateway.port, self.gateway.admin_port, self.gateway.api_port):
            for host in ("127.0.0.1", "127.0.0.9", "self.test"):
                response = self.get(f"{host}:{port}", path="/config_dump")
                self.assert_status(response, 403)


class BesideAnother(Case):
    """Another sluice on the machine: a policy that opens loopback does not hand its clients the other's admin and API."""

    def test_admin_and_api_of_another_refuse_who_comes_through(self):
        other = self.use(Gateway({"vs.yaml": configs.virtual_service("- matchers: [{prefix: /}]\n  directResponseAction: {status: 200}")}))
        gateway = self.use(Gateway(configs.dynamic()))
        for method, port, path in (("POST", other.admin_port, "/drain"), ("GET", other.admin_port, "/config_dump"),
                                   ("DELETE", other.api_port, "/apis/gateway.solo.io/v1/namespaces/gloo-system/virtualservices/all")):
            response = raw.fetch(gateway.port, method, path, f"127.0.0.1:{port}")
            self.assert_status(response, 403)
            self.assertIn("proxy", response.text())
        self.assert_status(other.fetch("/"), 200)


class WithABadPolicy(Case):
    BAD = configs.LOOPBACK_POLICY.replace("name: lab, namespace", "name: bad, namespace").replace("[loopback]", "[@{range}]")

    @rows({"multicast": "224.0.0.0/4", "unspecified": "0.0.0.0/32", "unspecified v6": "'::/128'", "multicast v6": "'ff00::/8'", "wrapped": "'::ffff:224.0.0.0/100'"})
    def the_policy_is_refused_and_what_it_is_for_closes(self, text):
        backend = self.use(Backend())
        files = configs.dynamic()
        gateway = self.use(Gateway(files | {"bad.yaml": self.BAD.replace("@{range}", text)}))
        gateway.says(r"error .*bad\.yaml:7: EgressPolicy gloo-system/bad: spec\.rules\[0\]\.match\.addresses\[0\]: .*never opened")
        self.assert_status(raw.fetch(gateway.port, host=f"127.0.0.1:{backend.port}"), 403)
        self.assertEqual(backend.accepted, 0)
