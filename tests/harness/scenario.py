#!/usr/bin/env python3
"""Runs one scenario of tests/scenarios against the program: `scenario.py FILE REPORT`. Needs Debian's python3-yaml.

A scenario is an example that stays true: a configuration, some traffic, and what must be seen.

    about: one sentence
    config: |                         # the documents of one file; @{port} is the Gateway's port
      ...
    backends: {backend: {...}}        # name -> path -> {status, headers, body}; its port is @{name}; what is not named echoes
    dns: {tenant.test: 127.0.0.1}     # name -> address, or {rcode: SERVFAIL}
    tokens: {good: {sub: ann}}        # name -> claims, signed with the key whose PEM is @{public_key}; @{token:good}
                                      # a backend's body may be @{key_set}: the same key as a JWK set
    traffic:
    - send: {method, path, host, headers: {name: value}, body}
      expect:
        status: 200
        headers: {name: value}        # null: absent
        body: text                    # or {contains: text}, or {json: {...}} for a part of an object
        upstream: {backend: name, method, target, headers: {name: value}, body}    # what the destination got; null: nothing
        log: [text, ...]              # all in one line of the access log

Without a Gateway in the configuration a plain one is added.
"""

import json
import pathlib
import re
import sys
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import yaml  # noqa: E402

from harness import raw  # noqa: E402
from harness.backend import Backend, echo  # noqa: E402
from harness.dns_server import DnsServer  # noqa: E402
from harness.gateway import Gateway  # noqa: E402
from harness.tokens import Key, token  # noqa: E402
from harness.waiting import until  # noqa: E402

STEP_KEYS, EXPECT_KEYS = {"name", "send", "expect"}, {"status", "headers", "body", "upstream", "log"}
KEYS = {"about", "config", "backends", "dns", "tokens", "traffic"}


def same(what, wanted, got):
    if wanted != got:
        raise AssertionError(f"{what}: wanted {wanted!r}, got {got!r}")


def known(what, given, keys):
    unknown = set(given) - keys
    if unknown:
        raise AssertionError(f"{what}: unknown keys {sorted(unknown)}")


class Scenario:
    def __init__(self, file):
        self.spec = yaml.safe_load(file.read_text())
        known(file.name, self.spec, KEYS)
        self.parts = []
        self.sent = 0      # requests so far: each has one line in the access log

    def run(self):
        spec, values = self.spec, {}
        key = Key() if "tokens" in spec else None
        self.backends = {}
        for name, paths in (spec.get("backends") or {}).items():
            backend = self.backends[name] = self.use(Backend(default=echo))
            values[name] = backend.port
            for path, answer in (paths or {}).items():
                if answer.get("body") == "@{key_set}":
                    answer = {**answer, "body": json.dumps({"keys": [key.jwk]})}
                backend.on(path, canned(answer))
        dns = self.use(DnsServer())
        for name, answer in (spec.get("dns") or {}).items():
            dns.set(name, **answer) if isinstance(answer, dict) else dns.set(name, answer)
        self.tokens = {name: token(claims, key) for name, claims in (spec.get("tokens") or {}).items()}
        config = spec["config"]
        if key:
            config = re.sub(r"^( *)@\{public_key\}$",
                            lambda m: "\n".join(m.group(1) + line for line in key.public_pem.strip().splitlines()), config, flags=re.M)
        if "kind: Gateway" not in config:
            config = Gateway.PLAIN + "---\n" + config
        self.gateway = self.use(Gateway({"gateway.yaml": config}, resolver=dns.where, values=values))
        for number, step in enumerate(spec["traffic"]):
            known(f"traffic[{number}]", step, STEP_KEYS)
            try:
                self.step(step)
            except AssertionError as error:
                raise AssertionError(f"traffic[{number}] {step.get('name', '')}: {error}") from None

    def use(self, part):
        self.parts.append(part)
        return part

    def stop(self):
        for part in reversed(self.parts):
            part.stop()

    def fill(self, text):
        """Placeholders in what is sent and expected."""
        def one(match):
            name = match.group(1)
            return self.tokens[name[6:]] if name.startswith("token:") else str(self.gateway.values[name])
        return re.sub(r"@\{([\w:-]+)\}", one, str(text))

    def step(self, step):
        send, expect = step["send"], step["expect"]
        known("expect", expect, EXPECT_KEYS)
        before = {name: len(backend.requests) for name, backend in self.backends.items()}
        self.sent += 1
        body = send.get("body")
        headers = [(name, self.fill(value)) for name, value in (send.get("headers") or {}).items()]
        response = raw.fetch(self.gateway.port, send.get("method", "GET"), self.fill(send.get("path", "/")),
                             self.fill(send.get("host", "api.test")), headers, self.fill(body).encode() if body is not None else None)
        if "status" in expect:
            same("status", expect["status"], response.status)
        self.compare_headers("header", expect.get("headers"), response.header)
        if "body" in expect:
            self.compare_body(expect["body"], response.text())
        if "upstream" in expect:
            self.compare_upstream(expect["upstream"], before)
        if "log" in expect:
            words = [self.fill(word) for word in expect["log"]]
            line = until(lambda: (self.gateway.log_lines()[self.sent - 1:] or [None])[0], "the access-log line")
            for word in words:
                if word not in line:
                    raise AssertionError(f"log: {word!r} is not in {line!r}")

    def compare_headers(self, what, wanted, get):
        for name, value in (wanted or {}).items():
            same(f"{what} {name}", None if value is None else self.fill(value), get(name))

    def compare_body(self, wanted, text):
        if isinstance(wanted, dict):
            if "contains" in wanted and self.fill(wanted["contains"]) not in text:
                raise AssertionError(f"body: {wanted['contains']!r} is not in {text!r}")
            for name, value in wanted.get("json", {}).items():
                same(f"body, {name}", value, json.loads(text).get(name))
        else:
            same("body", self.fill(wanted) if wanted else "", text)

    def compare_upstream(self, wanted, before):
        arrived = {name: backend.requests[before[name]:] for name, backend in self.backends.items()}
        if wanted is None:
            same("requests that reached a destination", [], [name for name, requests in arrived.items() if requests])
            return
        known("upstream", wanted, {"backend", "method", "target", "headers", "body"})
        name = wanted.get("backend") or next(iter(self.backends))
        same("requests that reached the destination", 1, len(arrived[name]))
        request = arrived[name][0]
        for field in ("method", "target"):
            if field in wanted:
                same(f"upstream {field}", self.fill(wanted[field]), getattr(request, field))
        self.compare_headers("upstream header", wanted.get("headers"), request.header)
        if "body" in wanted:
            same("upstream body", self.fill(wanted["body"]), request.body.decode())


def canned(answer):
    def behaviour(connection, _):
        headers = list((answer.get("headers") or {}).items())
        connection.answer(answer.get("status", 200), answer.get("body", ""), headers)
    return behaviour


def main():
    file, report = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    scenario, case = Scenario(file), {"name": file.stem, "result": "passed", "reason": ""}
    try:
        scenario.run()
    except Exception as error:  # whatever it is, the scenario failed
        case["result"] = "failed"
        print(error if isinstance(error, AssertionError) else traceback.format_exc())
        for part in scenario.parts:
            if hasattr(part, "evidence"):
                print(part.evidence())
    try:
        scenario.stop()
    except AssertionError as error:
        case["result"] = "failed"
        print(error)
    report.write_text(json.dumps([case]))
    return 0 if case["result"] == "passed" else 1


if __name__ == "__main__":
    sys.exit(main())
