"""What bad configuration gets: every error at once, with its file, line, path, and a suggestion."""

import pathlib
import re
import tempfile
import time

from harness import configs
from harness.case import Case, rows
from harness.gateway import Gateway, run_sluice
from harness.waiting import free_ports

GOOD = """\
apiVersion: gateway.solo.io/v1
kind: VirtualService
metadata: {name: all, namespace: gloo-system}
spec:
  virtualHost:
    domains: ['*']
    routes:
    - matchers: [{prefix: /}]
      directResponseAction: {status: 200}
      options: {timeout: 5s}
"""
GATEWAY = """\
apiVersion: gateway.solo.io/v1
kind: Gateway
metadata: {name: gateway-proxy, namespace: gloo-system}
spec:
  bindAddress: 127.0.0.1
  bindPort: 8080
  httpGateway: {}
"""


class Check(Case):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="sluice-check-")
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)

    def check(self, *files):
        for number, text in enumerate(files):
            (self.folder / f"{number}.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        code, out, err = run_sluice("check", self.folder)
        return code, out + err

    def test_good_files_are_good(self):
        code, text = self.check(GOOD, GATEWAY)
        self.assertEqual(code, 0, text)

    @rows({
        "unknown field": (GOOD.replace("timeout: 5s", "timout: 5s"), r'0\.yaml:10: .*gloo-system/all: .*options\.timout: unknown field; did you mean "timeout"'),
        "duration": (GOOD.replace("5s", "5 secs"), r'0\.yaml:10: .*options\.timeout: expected a duration such as .*got "5 secs"'),
        "negative duration": (GOOD.replace("5s", "-5s"), r"0\.yaml:10: .*timeout"),
        "wrong type": (GOOD.replace("status: 200", "status: many"), r"0\.yaml:9: .*directResponseAction\.status: "),
        "out of range": (GOOD.replace("status: 200", "status: 99"), r"0\.yaml:9: .*status: .*99"),
        "a map for a list": (GOOD.replace("['*']", "{a: b}"), r"0\.yaml:6: .*domains: expected a list"),
        "a list for a map": (GOOD.replace("{status: 200}", "[status]"), r"0\.yaml:9: .*directResponseAction: "),
        "no action": (GOOD.replace("      directResponseAction: {status: 200}\n", ""), r"route must specify an action"),
        "two actions": (GOOD.replace("      directResponseAction", "      redirectAction: {}\n      directResponseAction"), r"0\.yaml:\d+: .*(directResponseAction|redirectAction)"),
        "no path in the matcher": (GOOD.replace("{prefix: /}", "{methods: [GET]}"), r"0\.yaml:8: .*matchers\[0\]: .*prefix, exact, regex"),
        "bad regex": (GOOD.replace("prefix: /", "regex: '[a'"), r"0\.yaml:8: .*matchers\[0\]\.regex: "),
        "look-ahead": (GOOD.replace("prefix: /", "regex: '(?=a)'"), r"0\.yaml:8: .*regex: "),
        "unknown kind": (GOOD.replace("kind: VirtualService", "kind: VirtualServce"), r'0\.yaml:2: .*did you mean "VirtualService"'),
        "unknown version": (GOOD.replace("solo.io/v1", "solo.io/v9"), r"0\.yaml:1: .*v9"),
        "no name": (GOOD.replace("name: all, ", ""), r"0\.yaml:3: .*name"),
        "bad name": (GOOD.replace("name: all", "name: A_ll"), r"0\.yaml:3: .*A_ll"),
        "not supported yet": (GOOD.replace("options: {timeout: 5s}", "options: {cors: {allowOrigin: [a]}}"), r"0\.yaml:10: .*options\.cors: .*not supported yet"),
        "delegate": (GOOD.replace("directResponseAction: {status: 200}", "delegateAction: {ref: {name: x, namespace: y}}"), r"0\.yaml:9: .*delegateAction: .*not supported yet"),
        "tls": (GOOD + "  sslConfig: {secretRef: {name: a, namespace: b}, sniDomains: ['a.*']}\n", r'0\.yaml:11: .*sslConfig\.sniDomains\[0\]: "a\.\*" is no name'),
        "bad template": (GOOD.replace("{timeout: 5s}", "{stagedTransformations: {regular: {requestTransforms: [{requestTransformation: {transformationTemplate: {headers: {a: {text: '{{ nope( }}'}}}}}]}}}"), r"0\.yaml:10: .*headers\.a\.text: "),
        "unknown function": (GOOD.replace("{timeout: 5s}", "{stagedTransformations: {regular: {requestTransforms: [{requestTransformation: {transformationTemplate: {headers: {a: {text: '{{ headr(\"x\") }}'}}}}}]}}}"), r"0\.yaml:10: .*headr"),
        "bad key": (GOOD + "    options: {jwt: {providers: {p: {jwks: {local: {key: nonsense}}}}}}\n", r"0\.yaml:11: .*providers\.p\.jwks\.local\.key: "),
        "private key": (GOOD + "    options: {jwt: {providers: {p: {jwks: {local: {key: '-----BEGIN PRIVATE KEY-----'}}}}}}\n", r"0\.yaml:11: .*key: "),
        "bad dlp regex": (GOOD.replace("{timeout: 5s}", "{dlp: {actions: [{customAction: {name: a, regex: ['(']}}]}}"), r"0\.yaml:10: .*regex"),
        "mask that breaks JSON": (GOOD.replace("{timeout: 5s}", "{dlp: {actions: [{customAction: {regexActions: [{regex: a}], maskChar: '\\'}}]}}"), r"0\.yaml:10: .*maskChar: must not be"),
        "tab": (GOOD + "\t# c\n\tx: y\n", r"0\.yaml:1\d: a tab in front of the text"),
        "template of a chart": (GOOD.replace("timeout: 5s", "timeout: {{ .Values.timeout }}"), r"0\.yaml:10: a template .*render a chart of Helm first"),
        "no-break space": (GOOD.replace("      options:", "\u00a0     options:"), r"0\.yaml:(9|10): .*no-break space"),
        "no-break space in a name": (GOOD.replace("timeout:", "'\u00a0timeout':"), r"0\.yaml:10: .*unknown field; there is a no-break space"),
        "name beside metadata": (GOOD.replace("metadata: {name: all, namespace: gloo-system}", "metadata:\nname: all"), r"0\.yaml:4: .*name: unknown field; it belongs into metadata"),
        "field in the wrong place": (GOOD.replace("domains: ['*']", "domains: ['*']\n    timeout: 5s"), r"0\.yaml:7: .*virtualHost\.timeout: unknown field; it belongs into spec\.virtualHost\.routes\[\]\.options"),
        "host header": (GOOD.replace("timeout: 5s", "headerManipulation: {requestHeadersToAdd: [{header: {key: host, value: a}}]}"), r"0\.yaml:10: .*host cannot be changed here: hostRewrite is for the host"),
        "flattened Settings": ("metadata: {name: default}\ndiscoveryNamespace: gloo-system\n", r"0\.yaml:1: .*Settings is not supported yet"),
        "jwt twice": (GOOD + "    options:\n      jwt: {providers: {p: {jwks: {local: {key: '{\"kty\":\"oct\",\"k\":\"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlYw\"}'}}}}}\n      jwtStaged: {}\n", r"0\.yaml:12: .*options\.jwt: cannot stand beside jwtStaged"), "open bracket": ("a: [b\n", r"0\.yaml:\d+: "), "duplicate key": (GOOD + "spec: {}\n", r'0\.yaml:11: duplicate key "spec".*line 4'),
        "not utf-8": (GOOD.encode().replace(b"name: all", b"name: \xff"), r"0\.yaml: not UTF-8"),
        "deep": ("[" * 100 + "]" * 100, r"0\.yaml:1: .*deep"), "an alias to itself": ("a: &a [*a]\n", r"0\.yaml:1: "),
        "scalar": ("hello\n", r"0\.yaml:1: "), "an unknown alias": ("a: *b\n", r"0\.yaml:1: "),
        "gateway without address": (GATEWAY.replace("  bindAddress: 127.0.0.1\n", ""), r"bindAddress: .*127\.0\.0\.1.*::"),
        "gateway, bad address": (GATEWAY.replace("127.0.0.1", "300.0.0.1"), r"0\.yaml:5: .*bindAddress: .*300\.0\.0\.1"),
        "gateway, bad port": (GATEWAY.replace("8080", "80800"), r"0\.yaml:6: .*bindPort: .*80800"),
        "policy, class": (configs.LOOPBACK_POLICY.replace("[loopback]", "[lopback]"), r"rules\[0\]\.match\.addresses\[0\]: .*lopback.*did you mean .loopback."),
        "policy, network": (configs.LOOPBACK_POLICY.replace("[loopback]", "[10.0.0.0/33]"), r"addresses.*10\.0\.0\.0/33"),
        "policy, never opened": (configs.LOOPBACK_POLICY.replace("[loopback]", "[loopback, 224.0.0.0/4]"), r"0\.yaml:\d+: EgressPolicy .*: spec\.rules\[0\]\.match\.addresses\[1\]: .*224\.0\.0\.0/4.*never opened"),
        "policy, never opened when wrapped": (configs.LOOPBACK_POLICY.replace("[loopback]", "['::ffff:224.0.0.0/100']"), r"addresses\[0\]: .*never opened"),
        "policy, bits behind the prefix": (configs.LOOPBACK_POLICY.replace("[loopback]", "[10.1.0.0/8]"), r"addresses\[0\]: .*did you mean .10\.0\.0\.0/8."),
        "policy, cluster": (configs.LOOPBACK_POLICY.replace("[loopback]", "[cluster]"), r"addresses\[0\]: .*cluster.*not supported yet"),
        "policy, action": (configs.LOOPBACK_POLICY.replace("allow", "alow"), r'action: .*alow.*'),
        "upstream without hosts": (configs.BACKEND.replace("[{addr: 127.0.0.1, port: @{backend}}]", "[]"), r"hosts"),
        "upstream without port": (configs.BACKEND.replace(", port: @{backend}", ""), r"hosts\[0\]\.port: is required"),
        "upstream with tls": (configs.BACKEND.replace("@{backend}", "443") + "  sslConfig: {sds: {}}\n", r"sslConfig\.sds: .*cannot be had here"),
        "upstream, another type": ("apiVersion: gloo.solo.io/v1\nkind: Upstream\nmetadata: {name: a, namespace: b}\nspec: {kube: {serviceName: x}}\n", r"kube: .*not supported yet"),
    })
    def error(self, text, pattern):
        code, said = self.check(text)
        self.assertEqual(code, 1, said)
        self.assertTrue(any(re.search(pattern, line) for line in said.splitlines()), f"nothing like {pattern} in:\n{said}")
        self.assertNotRegex(said, r"AddressSanitizer|Assertion|terminate called|runtime error")

    def test_every_bad_log_format_stands_at_its_line_though_the_gateway_serves_nothing(self):
        code, said = self.check(GATEWAY + """\
  options:
    accessLoggingService:
      accessLog:
      - fileSink: {path: /dev/stdout, stringFormat: '%NOPE% %ALSO_NOPE%'}
      - fileSink: {path: /dev/stdout}
      - fileSink:
          path: /dev/stdout
          jsonFormat:
            a: '%'
            b: {c: [x, '%WORSE%']}
""")
        self.assertEqual(code, 1, said)
        path = r"Gateway gloo-system/gateway-proxy: spec\.options\.accessLoggingService\.accessLog"
        self.assertRegex(said, r"0\.yaml:11: " + path + r"\[0\]\.fileSink\.stringFormat: unknown operator %NOPE%")
        self.assertRegex(said, r"0\.yaml:11: " + path + r"\[0\]\.fileSink\.stringFormat: unknown operator %ALSO_NOPE%")
        self.assertRegex(said, r"0\.yaml:16: " + path + r"\[2\]\.fileSink\.jsonFormat\.a: a lone %")
        self.assertRegex(said, r"0\.yaml:17: " + path + r"\[2\]\.fileSink\.jsonFormat\.b\.c\[1\]: unknown operator %WORSE%")

    def test_a_virtual_service_that_no_gateway_selects_is_looked_at(self):
        gateway = GATEWAY.replace("httpGateway: {}", "httpGateway: {virtualServiceSelector: {team: x}}")
        service = GOOD.replace("{timeout: 5s}", "{headerManipulation: {requestHeadersToAdd: [{header: {key: a, value: '%NOPE%'}}]}}")
        code, said = self.check(service, gateway)
        self.assertEqual(code, 1, said)
        self.assertIn("unknown operator %NOPE%", said)
        code, said = self.check(GOOD, gateway)
        self.assertEqual(code, 0, said)

    def test_a_kind_of_upstream_that_is_not_supported_yet_is_one_error(self):
        code, said = self.check(configs.BACKEND.replace("@{backend}", "80") + "  kube: {serviceName: x}\n")
        self.assertEqual(code, 1, said)
        self.assertRegex(said, r"kube: not supported yet")
        self.assertNotIn("only one of", said)

    def test_headers_and_secrets_stand_at_their_lines_all_at_once(self):
        code, said = self.check(GOOD.replace("options: {timeout: 5s}", """options:
        headerManipulation:
          responseHeadersToAdd:
          - header: {key: a, value: '%NOPE%'}
          - header: {key: b, value: '100%'}
          requestHeadersToAdd:
          - headerSecretRef: {name: gone, namespace: gloo-system}"""))
        self.assertEqual(code, 1, said)
        path = r"0\.yaml:%d: VirtualService gloo-system/all: spec\.virtualHost\.routes\[0\]\.options\.headerManipulation\.%s: %s"
        self.assertRegex(said, path % (13, r"responseHeadersToAdd\[0\]\.header\.value", "unknown operator %NOPE%"))
        self.assertRegex(said, path % (14, r"responseHeadersToAdd\[1\]\.header\.value", "a lone %"))
        self.assertRegex(said, path % (16, r"requestHeadersToAdd\[0\]\.headerSecretRef", r"list did not find secret gloo-system\.gone"))

    def test_what_is_rejected_is_told_from_what_is_not_there(self):
        upstream = configs.BACKEND.replace("@{backend}", "0")
        name = re.search(r"name: ([\w-]+)", upstream).group(1)
        service = GOOD.replace("directResponseAction: {status: 200}", f"routeAction: {{single: {{upstream: {{name: {name}}}}}}}")
        _, said = self.check(service, upstream)
        self.assertRegex(said, rf"{name} }} exists but is rejected \(.*1\.yaml:\d+\)")
        self.assertNotIn("not found", said)

    def test_an_access_log_is_tried_without_making_it(self):
        log = self.folder / "made.log"
        gateway = GATEWAY + "  options:\n    accessLoggingService:\n      accessLog:\n      - fileSink: {path: /nonexistent/x}\n" \
            f"      - fileSink: {{path: {log}}}\n"
        code, said = self.check(GOOD, gateway)
        self.assertEqual(code, 0, said)
        self.assertRegex(said, r"1\.yaml:11: Gateway .*accessLog\[0\]\.fileSink\.path: warning: cannot write the access log /nonexistent/x: No such file")
        self.assertNotIn("made.log", said)
        self.assertFalse(log.exists())

    def test_a_gateway_without_services_or_port_is_told(self):
        _, said = self.check(GATEWAY.replace("  bindPort: 8080\n", ""))
        self.assertRegex(said, r"0\.yaml:5: .*bindPort: warning: is not set: the system chooses a free port")
        self.assertRegex(said, r"0\.yaml:1: .*warning: it selects no VirtualService, so no port is opened")

    def test_all_errors_of_all_files_come_at_once(self):
        code, said = self.check(GOOD.replace("timeout", "timout").replace("status: 200", "status: many"), GATEWAY.replace("8080", "0x"))
        self.assertEqual(code, 1)
        for pattern in (r"0\.yaml:9: ", r"0\.yaml:10: ", r"1\.yaml:6: "):
            self.assertRegex(said, pattern)

    def test_an_object_in_two_files_is_named_in_both(self):
        code, said = self.check(GOOD, GOOD)
        self.assertEqual(code, 1)
        self.assertIn("0.yaml", said)
        self.assertIn("1.yaml", said)

    def test_a_domain_in_two_virtual_services_is_a_clash(self):
        code, said = self.check(GOOD, GOOD.replace("name: all", "name: other"), GATEWAY)
        self.assertEqual(code, 1)
        self.assertIn("domain conflict", said)

    def test_a_dangling_reference_is_a_warning_and_no_error(self):
        code, said = self.check(GOOD.replace("directResponseAction: {status: 200}", "routeAction: {single: {upstream: {name: a, namespace: b}}}"), GATEWAY)
        self.assertEqual(code, 0, said)
        self.assertIn("*v1.Upstream { b.a } not found", said)

    def test_an_oversized_file_is_refused_at_once(self):
        (self.folder / "big.yaml").write_bytes(b"# " + b"x" * (9 << 20) + b"\n")
        began = time.monotonic()
        code, said = self.check(GOOD)
        self.assertLess(time.monotonic() - began, 2)
        self.assertEqual(code, 1)
        self.assertIn("big.yaml", said)
        self.assertIn("8388608", said)

    def test_a_bomb_of_aliases_is_refused_at_once(self):
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"] + [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 10) + "]" for n in range(1, 10)]
        began = time.monotonic()
        code, said = self.check("\n".join(lines) + "\n")
        self.assertEqual(code, 1)
        self.assertLess(time.monotonic() - began, 5)
        self.assertRegex(said, r"0\.yaml:\d+: more than 1000000 values")

    def test_folders_below_are_read_and_what_is_not_ours_is_skipped(self):
        """A folder as GitOps has it: a chart's values, other programs' objects, folders in folders."""
        for path, text in {"values.yaml": "replicas: 3\n", "Chart.yaml": "apiVersion: v2\nname: a\nversion: 1.0.0\n",
                           "apps/web/deploy.yaml": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n",
                           "apps/web/routes/vs.yaml": GOOD, "edge/gateway.yaml": GATEWAY,
                           ".github/workflow.yaml": "x: [\n"}.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(text)
        code, said = self.check()
        self.assertEqual(code, 0, said)
        self.assertIn("2 objects in 5 files: no errors", said)
        self.assertRegex(said, r"deploy\.yaml:1: note: skipped, as not for sluice: apps/v1 Deployment")
        (self.folder / "apps/web/routes/vs.yaml").write_text(GOOD.replace("timeout", "timout"))
        self.assertEqual(self.check()[0], 1)

    def test_helms_output_is_read_from_standard_input(self):
        rendered = "---\n# Source: edge/templates/service.yaml\napiVersion: v1\nkind: Service\nmetadata:\n  name: a\n" \
            f"---\n# Source: edge/templates/empty.yaml\n---\n# Source: edge/templates/vs.yaml\n{GOOD}"
        code, said, _ = run_sluice("check", "-", stdin=rendered)
        self.assertEqual(code, 0, said)
        self.assertIn("-:3: note: skipped, as not for sluice: v1 Service", said)
        self.assertIn("1 object in 1 file: no errors", said)

    def test_kustomizes_patches_are_no_objects(self):
        for path, text in {"base/vs.yaml": GOOD, "base/kustomization.yaml": "resources: [vs.yaml]\n",
                           "prod/kustomization.yaml": "resources: [../base]\npatches: [{path: patch.yaml}]\n",
                           "prod/patch.yaml": GOOD.replace("options: {timeout: 5s}", "options: {timeout: 9s}")}.items():
            (self.folder / path).parent.mkdir(exist_ok=True)
            (self.folder / path).write_text(text)
        code, said = self.check()
        self.assertEqual(code, 0, said)
        self.assertRegex(said, r"prod/patch\.yaml: note: skipped: a patch for Kustomize")
        self.assertIn("kustomize build FOLDER | sluice check -", said)

    def test_a_file_that_is_named_holds_something(self):
        path = self.folder / "values.yaml"
        path.write_text("replicas: 3\n")
        code, said, _ = run_sluice("check", path)
        self.assertEqual(code, 1, said)
        self.assertIn(f"{path}: holds no object that sluice reads", said)
        code, said, _ = run_sluice("check", "-", stdin="")
        self.assertEqual(code, 1, said)
        self.assertEqual(run_sluice("check", self.folder)[0], 0)
        path.rename(self.folder / "values.txt")
        code, said, _ = run_sluice("check", self.folder)
        self.assertEqual(code, 1, said)
        self.assertIn(f"{self.folder}: holds no .yaml, .yml or .json file", said)

    def test_documents_come_from_standard_input(self):
        self.assertEqual(run_sluice("check", "-", stdin=GOOD)[0], 0)
        code, out, err = run_sluice("check", "-", stdin=GOOD.replace("timeout", "timout"))
        self.assertEqual(code, 1)
        self.assertIn("timout", out + err)

    @rows({"a path that is not there": ("check", "/nonexistent/x.yaml"), "a folder that is not there": ("run", "--config", "/nonexistent")})
    def a_missing_file_is(self, *arguments):
        code, out, err = run_sluice(*arguments)
        self.assertIn(code, (1, 3))
        self.assertIn("/nonexistent", out + err)

    @rows({"nothing": (), "an unknown command": ("rnu",), "an unknown option": ("run", "--wrokers", "1"), "a bad number": ("run", "--workers", "many"),
           "a bad address": ("run", "--admin", "nowhere"), "a bad level": ("run", "--log-level", "loud"), "no path": ("check",)})
    def usage(self, *arguments):
        code, out, err = run_sluice(*arguments)
        self.assertEqual(code, 2, out + err)
        self.assertTrue(err.strip())

    @rows({"proxy url": ("proxy", "url"), "get": ("get", "vs")})
    def nobody_there_is_exit_4(self, *arguments):
        admin, api = free_ports(2)
        code, out, err = run_sluice(*arguments, environment={"SLUICE_ADMIN": f"127.0.0.1:{admin}", "SLUICE_API": f"127.0.0.1:{api}"})
        self.assertEqual(code, 4, out + err)
        self.assertIn("127.0.0.1:", err)


class Start(Case):
    BAD = GOOD.replace("timeout", "timout").replace("name: all", "name: bad").replace("'*'", "bad.test")

    def test_what_is_valid_serves_and_all_errors_are_logged(self):
        gateway = self.use(Gateway({"bad.yaml": self.BAD, "good.yaml": GOOD}))
        self.assert_status(gateway.fetch("/"), 200)
        gateway.says(r'error .*bad\.yaml:10.*did you mean "timeout"')

    def test_strict_ends_with_1(self):
        gateway = Gateway({"bad.yaml": self.BAD, "good.yaml": GOOD}, arguments=["--strict"], wait=False)
        gateway.process.popen.wait(30)
        gateway.stop(1)

    def test_nothing_that_can_serve_ends_with_1(self):
        gateway = Gateway({"gateway.yaml": GATEWAY.replace("8080", "x")}, wait=False)
        gateway.process.popen.wait(30)
        gateway.stop(1)
