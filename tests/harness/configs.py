"""Pieces of configuration that many tests share; placeholders are those of harness.gateway."""

BACKEND = """\
apiVersion: gloo.solo.io/v1
kind: Upstream
metadata: {name: backend, namespace: gloo-system}
spec:
  static:
    hosts: [{addr: 127.0.0.1, port: @{backend}}]
"""

TO_BACKEND = "routeAction: {single: {upstream: {name: backend, namespace: gloo-system}}}"


def virtual_service(routes, options="", domains="['*']", name="all"):
    """`routes` is YAML for the list of routes, `options` for the virtual host's options; both unindented."""
    def block(text, indent):
        return "".join(" " * indent + line + "\n" for line in text.strip().splitlines())
    return (f"apiVersion: gateway.solo.io/v1\nkind: VirtualService\nmetadata: {{name: {name}, namespace: gloo-system}}\n"
            f"spec:\n  virtualHost:\n    domains: {domains}\n    routes:\n" + block(routes, 4) +
            ("    options:\n" + block(options, 6) if options else ""))


def to_backend(options=""):
    """Everything to the static Upstream `backend` on port @{backend}."""
    return {"upstream.yaml": BACKEND, "vs.yaml": virtual_service(f"- matchers: [{{prefix: /}}]\n  {TO_BACKEND}", options)}


def gateway(http_options="", options="", name="gateway-proxy", port="@{port}"):
    """A Gateway with `httpGateway.options` and listener `options` given as YAML, unindented."""
    def block(text, indent):
        return "".join(" " * indent + line + "\n" for line in text.strip().splitlines())
    return (f"apiVersion: gateway.solo.io/v1\nkind: Gateway\nmetadata: {{name: {name}, namespace: gloo-system}}\n"
            f"spec:\n  bindAddress: 127.0.0.1\n  bindPort: {port}\n" +
            ("  options:\n" + block(options, 4) if options else "") +
            ("  httpGateway:\n    options:\n" + block(http_options, 6) if http_options else "  httpGateway: {}\n"))


LOOPBACK_POLICY = """\
apiVersion: sluice.dev/v1alpha1
kind: EgressPolicy
metadata: {name: lab, namespace: gloo-system}
spec:
  targetRefs: [{group: gateway.solo.io, kind: Gateway, name: gateway-proxy}]
  rules:
  - {name: lab, action: allow, match: {addresses: [loopback]}}
"""


def policy(name, target, rules, kind="VirtualService"):
    """An EgressPolicy for one target; `rules` are YAML in flow style."""
    lines = "".join(f"  - {rule}\n" for rule in rules)
    return (f"apiVersion: sluice.dev/v1alpha1\nkind: EgressPolicy\nmetadata: {{name: {name}, namespace: gloo-system}}\nspec:\n"
            f"  targetRefs: [{{group: gateway.solo.io, kind: {kind}, name: {target}}}]\n  rules:\n{lines}")


def proxy_settings(spec, target="gateway-proxy"):
    """ProxySettings of one Gateway; `spec` is YAML in flow style, without its braces."""
    return ("apiVersion: sluice.dev/v1alpha1\nkind: ProxySettings\nmetadata: {name: settings, namespace: gloo-system}\n"
            f"spec: {{targetRefs: [{{group: gateway.solo.io, kind: Gateway, name: {target}}}], {spec}}}\n")


SCHEMES = proxy_settings("destinations: {scheme: true}")


def dynamic(dns_options="", route="dynamicForwardProxy: {}", policy=True):
    """A forward proxy for whatever the Host names; `dns_options` is YAML below dnsCacheConfig."""
    proxy = "dynamicForwardProxy: {}"
    if dns_options:
        lines = "".join(f"    {line}\n" for line in dns_options.strip().splitlines())
        proxy = "dynamicForwardProxy:\n  dnsCacheConfig:\n" + lines
    files = {"gateway.yaml": gateway(proxy),
             "vs.yaml": virtual_service(f"- matchers: [{{prefix: /}}]\n  routeAction: {{{route}}}")}
    if policy:
        files["policy.yaml"] = LOOPBACK_POLICY
    return files
