"""Which route a request takes, and what a route does to it."""

import json
import pathlib
import re
import tempfile

from harness import configs
from harness.backend import Backend, echo_of
from harness.case import Case, rows
from harness.gateway import Gateway
from harness.waiting import until


def direct(matcher, name, more=""):
    return f"- matchers: [{{{matcher}}}]\n  directResponseAction: {{status: 200, body: {name}}}\n" + (f"  options: {more}\n" if more else "")


class Matching(Case):
    @classmethod
    def setUpClass(cls):
        routes = (direct("exact: /exact", "exact") + direct("prefix: /nocase, caseSensitive: false", "nocase") +
                  direct("prefix: /m, methods: [PUT, DELETE]", "methods") + direct("regex: '/r/[0-9]+'", "regex") +
                  direct("prefix: /h, headers: [{name: x-a, value: one}]", "header") +
                  direct("prefix: /h, headers: [{name: x-b}]", "present") +
                  direct("prefix: /h, headers: [{name: x-c, value: 'v[0-9]', regex: true}]", "header-regex") +
                  direct("prefix: /h, headers: [{name: x-d, invertMatch: true}, {name: x-e}]", "absent") +
                  direct("prefix: /q, queryParameters: [{name: k, value: v}]", "query") +
                  direct("prefix: /q, queryParameters: [{name: only}]", "query-present") +
                  direct("prefix: /q, queryParameters: [{name: num, value: '[0-9]+', regex: true}]", "query-regex") +
                  "- matchers: [{exact: /two}, {exact: /deux}]\n  directResponseAction: {status: 200, body: two}\n" +
                  direct("prefix: /", "rest"))
        hosts = {"any": "['*']", "exact": "[a.test]", "suffix": "['*.a.test']", "longer": "['*.b.a.test']", "prefix": "['www.*']"}
        files = {"vs.yaml": configs.virtual_service(routes, domains="[routes.test]", name="routes")}
        for name, domains in hosts.items():
            files[f"{name}.yaml"] = configs.virtual_service(direct("prefix: /", name), domains=domains, name=name)
        cls.gateway = cls.share(Gateway(files))

    @rows({"exact": ("/exact", "exact"), "exact with query": ("/exact?a=b", "exact"), "not exact": ("/exact/", "rest"),
           "case": ("/NoCaSe/x", "nocase"), "prefix is plain text": ("/nocasexyz", "nocase"), "regex": ("/r/12", "regex"),
           "regex with query": ("/r/12?x", "regex"), "regex must match all": ("/r/12/", "rest"), "second of two matchers": ("/deux", "two"),
           "query": ("/q?k=v", "query"), "query, first value only": ("/q?k=x&k=v", "rest"), "query present": ("/q?only", "query-present"),
           "query present with a value": ("/q?only=1", "query-present"), "query regex": ("/q?num=12", "query-regex"),
           "query regex must match all": ("/q?num=12a", "rest"), "query is case-sensitive": ("/q?K=v", "rest"), "nothing": ("/", "rest")})
    def path(self, path, name):
        self.assertEqual(self.gateway.fetch(path, host="routes.test").text(), name)

    @rows({"value": ([("X-A", "one")], "header"), "another value": ([("x-a", "two")], "rest"), "present and empty": ([("x-b", "")], "present"),
           "regex": ([("x-c", "v1")], "header-regex"), "regex must match all": ([("x-c", "v1x")], "rest"),
           "joined values": ([("x-a", "one"), ("x-a", "two")], "rest"), "absent": ([("x-e", "1")], "absent"),
           "not absent": ([("x-e", "1"), ("x-d", "1")], "rest")})
    def header(self, headers, name):
        self.assertEqual(self.gateway.fetch("/h", host="routes.test", headers=headers).text(), name)

    @rows({"PUT": ("PUT", "methods"), "DELETE": ("DELETE", "methods"), "GET": ("GET", "rest"), "put": ("put", "rest")})
    def method(self, method, name):
        self.assertEqual(self.gateway.fetch("/m", host="routes.test", method=method).text(), name)

    @rows({"exact": ("a.test", "exact"), "case": ("A.TEST", "exact"), "suffix": ("x.a.test", "suffix"), "longer suffix": ("x.b.a.test", "longer"),
           "prefix": ("www.z.test", "prefix"), "suffix before prefix": ("www.a.test", "suffix"), "with a port": ("a.test:80", "any"),
           "wildcard needs a part": (".a.test", None), "other": ("z.test", "any")})
    def domain(self, host, name):
        response = self.gateway.fetch("/", host=host)
        if name is None:
            self.assertIn(response.status, (200, 400))
            self.assertNotEqual(response.text(), "suffix")
        else:
            self.assertEqual(response.text(), name)

    @rows({"dots": ("/x/../exact", "exact"), "escaped dots": ("/x/%2e%2e/exact", "exact"), "single dot": ("/./exact", "exact"),
           "dots with parameters": ("/x/..;a=1/exact", "exact"), "with escaped dots": ("/x/%2e%2e;/exact", "exact"),
           "dots and escaped slashes": ("/x%2f..%2fexact", "exact")})
    def paths_are_normalised_before_matching(self, path, name):
        self.assertEqual(self.gateway.fetch(path, host="routes.test").text(), name)


class Actions(Case):
    @classmethod
    def setUpClass(cls):
        cls.one, cls.two = cls.share(Backend()), cls.share(Backend())
        second = configs.BACKEND.replace("name: backend", "name: second").replace("@{backend}", "@{second}")
        ref = "{{upstream: {{name: {}, namespace: gloo-system}}}}"
        routes = f"""\
- matchers: [{{prefix: /old}}]
  redirectAction: {{hostRedirect: new.test, pathRedirect: /new, responseCode: FOUND}}
- matchers: [{{prefix: /https}}]
  redirectAction: {{httpsRedirect: true, stripQuery: true}}
- matchers: [{{prefix: /swap}}]
  redirectAction: {{prefixRewrite: /other}}
- matchers: [{{prefix: /strip}}]
  redirectAction: {{hostRedirect: good.test, regexRewrite: {{pattern: {{regex: ^/strip}}, substitution: ''}}}}
- matchers: [{{prefix: /slashless}}]
  options: {{prefixRewrite: x}}
  {configs.TO_BACKEND}
- matchers: [{{prefix: /files}}]
  options: {{prefixRewrite: /public/}}
  {configs.TO_BACKEND}
- matchers: [{{prefix: /direct}}]
  directResponseAction: {{status: 418, body: short and stout}}
  options:
    headerManipulation:
      responseHeadersToAdd: [{{header: {{key: x-pot, value: tea}}}}]
- matchers: [{{prefix: /multi}}]
  routeAction:
    multi:
      destinations:
      - {{destination: {ref.format('backend')}, weight: 3}}
      - {{destination: {ref.format('second')}, weight: 1}}
- matchers: [{{prefix: /only}}]
  routeAction:
    multi:
      destinations:
      - {{destination: {ref.format('backend')}, weight: 0}}
      - {{destination: {ref.format('second')}, weight: 1}}
- matchers: [{{prefix: /api/}}]
  options: {{prefixRewrite: /v2/}}
  {configs.TO_BACKEND}
- matchers: [{{prefix: /host}}]
  options: {{hostRewrite: inner.test}}
  {configs.TO_BACKEND}
- matchers: [{{prefix: /headers}}]
  options:
    headerManipulation:
      requestHeadersToAdd:
      - {{header: {{key: x-add, value: '%PROTOCOL% 100%%'}}, append: true}}
      - {{header: {{key: x-set, value: route}}, append: false}}
      requestHeadersToRemove: [x-gone]
      responseHeadersToAdd: [{{header: {{key: x-answer, value: route}}, append: true}}]
      responseHeadersToRemove: [x-secret]
  {configs.TO_BACKEND}
- matchers: [{{prefix: /transform}}]
  options:
    stagedTransformations:
      regular:
        requestTransforms:
        - matcher: {{prefix: /transform/json}}
          requestTransformation:
            transformationTemplate:
              headers: {{x-name: {{text: '{{{{ user.name }}}}'}}}}
              body: {{text: '{{"upper": "{{{{ upper(user.name) }}}}"}}'}}
        - requestTransformation:
            transformationTemplate:
              passthrough: {{}}
              extractors: {{id: {{header: ':path', regex: '.*id=([0-9]+).*', subgroup: 1}}}}
              headers:
                x-id: {{text: '{{{{ id }}}}'}}
                x-sub: {{text: '{{{{ substring(header("x-long"), 0, 3) }}}}'}}
                x-b64: {{text: '{{{{ base64_encode("hi") }}}}'}}
                x-cond: {{text: '{{% if header("x-a") == "1" %}}yes{{% else %}}no{{% endif %}}'}}
                x-empty: {{text: ''}}
              headersToRemove: [x-remove]
              headersToAppend: [{{key: x-list, value: {{text: two}}}}]
        responseTransforms:
        - responseTransformation:
            transformationTemplate: {{passthrough: {{}}, headers: {{x-from: {{text: '{{{{ request_header(":path") }}}}'}}}}}}
  {configs.TO_BACKEND}
- matchers: [{{prefix: /}}]
  {configs.TO_BACKEND}"""
        virtual_host = """\
headerManipulation:
  requestHeadersToAdd: [{header: {key: x-set, value: host}, append: false}]"""
        cls.gateway = cls.share(Gateway(
            {"upstream.yaml": configs.BACKEND, "second.yaml": second, "vs.yaml": configs.virtual_service(routes, virtual_host)},
            values={"backend": cls.one.port, "second": cls.two.port}))

    def seen(self, path, **keywords):
        response = self.gateway.fetch(path, **keywords)
        self.assert_status(response, 200)
        return echo_of(response)

    @rows({"host and path": ("/old/x?q=1", 302, "http://new.test/new?q=1"), "https": ("/https/x?q=1", 301, "https://api.test/https/x"),
           "prefix": ("/swap/x?q=1", 301, "http://api.test/other/x?q=1")})
    def redirect(self, path, status, location):
        response = self.gateway.fetch(path)
        self.assertEqual((response.status, response.header("location"), response.body), (status, location, b""))

    def test_a_rewrite_never_makes_the_path_a_part_of_the_host(self):
        self.assertEqual(self.gateway.fetch("/strip/x?q").header("location"), "http://good.test/x?q")
        response = self.gateway.fetch("/strip@evil.test/x")
        self.assertEqual((response.status, response.header("location")), (400, None))
        self.assertIn("does not begin with", response.text())

    @rows({"no slash": ("/slashless", "does not begin with"), "out of a folder": ("/files../secret", "dot segment"),
           "with parameters": ("/files..;a/secret", "dot segment")})
    def rewrites_that_break_the_path_are_refused(self, path, why):
        self.one.clear()
        response = self.gateway.fetch(path)
        self.assertEqual(response.status, 400)
        self.assertIn(why, response.text())
        self.assertEqual(self.one.requests, [])

    def test_a_direct_response(self):
        response = self.gateway.fetch("/direct")
        self.assertEqual((response.status, response.text(), response.header("x-pot")), (418, "short and stout", "tea"))

    def test_weights_are_shares(self):
        before = (len(self.one.requests), len(self.two.requests))
        for _ in range(200):
            self.assert_status(self.gateway.fetch("/multi"), 200)
        one, two = len(self.one.requests) - before[0], len(self.two.requests) - before[1]
        self.assertEqual(one + two, 200)
        self.assertTrue(110 <= one <= 185, f"{one} of 200 went to the destination with weight 3 of 4")
        before = len(self.one.requests)
        for _ in range(20):
            self.gateway.fetch("/only")
        self.assertEqual(len(self.one.requests), before)

    def test_a_prefix_is_rewritten(self):
        seen = self.seen("/api/x?q=1")
        self.assertEqual((seen["target"], seen["header"]("x-envoy-original-path")), ("/v2/x?q=1", "/api/x?q=1"))

    def test_the_host_is_rewritten(self):
        self.assertEqual(self.seen("/host")["header"]("host"), "inner.test")

    def test_headers_are_added_set_and_removed(self):
        self.one.on("/headers", lambda c, r: c.answer(200, "", [("x-secret", "1"), ("x-answer", "own")]))
        response = self.gateway.fetch("/headers", headers=[("x-add", "own"), ("x-gone", "1"), ("x-set", "own")])
        self.assertEqual((response.all("x-answer"), response.all("x-secret")), (["own", "route"], []))
        seen = self.one.seen("/headers")[-1]
        self.assertEqual((seen.all("x-add"), seen.all("x-gone")), (["own", "HTTP/1.1 100%"], []))
        self.assertEqual(seen.all("x-set"), ["host"])       # the less specific level is evaluated last

    def test_templates_over_headers(self):
        seen = self.seen("/transform?id=42", headers=[("x-long", "abcdef"), ("x-a", "1"), ("x-empty", "was"), ("x-remove", "was"), ("x-list", "one")])
        self.assertEqual([seen["header"](name) for name in ("x-id", "x-sub", "x-b64", "x-cond")], ["42", "abc", "aGk=", "yes"])
        self.assertEqual((seen["all"]("x-empty"), seen["all"]("x-remove"), seen["all"]("x-list")), ([], [], ["one", "two"]))

    def test_templates_over_the_body(self):
        seen = self.seen("/transform/json", method="POST", body=b'{"user": {"name": "ann"}}')
        self.assertEqual((seen["header"]("x-name"), seen["body"], seen["header"]("content-length")), ("ann", '{"upper": "ANN"}', "16"))

    @rows({"no json": b"nope", "a missing variable": b'{"user": {}}', "a list": b"[]"})
    def a_template_that_fails_is_400(self, body):
        response = self.gateway.fetch("/transform/json", method="POST", body=body)
        self.assertEqual(response.status, 400)
        self.assertTrue(response.text().startswith("bad request: "), response.text())

    def test_a_response_template_sees_the_request(self):
        self.assertEqual(self.gateway.fetch("/transform?id=1").header("x-from"), "/transform?id=1")

    def test_what_an_envoy_adds_is_there(self):
        response = self.gateway.fetch("/plain")
        seen = echo_of(response)
        self.assertEqual(seen["header"]("x-forwarded-proto"), "http")
        self.assertRegex(seen["header"]("x-request-id"), "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
        self.assertEqual(seen["header"]("x-envoy-expected-rq-timeout-ms"), "15000")
        self.assertEqual(response.header("server"), "envoy")
        self.assertTrue(re.fullmatch(r"\d+", response.header("x-envoy-upstream-service-time")))
        self.assertIsNone(response.header("via"))


class AccessLogs(Case):
    def test_text_and_json_files_with_the_common_operators(self):
        backend = self.use(Backend())
        with tempfile.TemporaryDirectory() as folder:
            options = f"""\
accessLoggingService:
  accessLog:
  - fileSink: {{path: {folder}/text.log, stringFormat: "%REQ(:METHOD)% %REQ(X-A?X-B):3% %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %ROUTE_NAME%\\n"}}
  - fileSink:
      path: {folder}/json.log
      jsonFormat: {{code: '%RESPONSE_CODE%', none: '%REQ(X-NONE)%', both: '%PROTOCOL%/%RESPONSE_CODE_DETAILS%', in: {{host: '%REQ(:AUTHORITY)%'}}}}"""
            files = {"gateway.yaml": configs.gateway(options=options), **configs.to_backend()}
            gateway = self.use(Gateway(files, values={"backend": backend.port}))
            gateway.fetch("/", method="POST", headers=[("x-b", "abcdef")], body=b"12345")
            line = until(lambda: pathlib.Path(folder, "text.log").read_text(), "the text line")
            self.assertRegex(line, "^POST abc 200 - 5 .*\n$")
            entry = json.loads(until(lambda: pathlib.Path(folder, "json.log").read_text(), "the JSON line"))
            self.assertEqual(entry, {"code": 200, "none": None, "both": "HTTP/1.1/via_upstream", "in": {"host": "api.test"}})
            self.assertEqual(gateway.log_lines(), [], "the default log is off when the Gateway names its own")
