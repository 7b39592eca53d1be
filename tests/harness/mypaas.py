"""The example of examples/mypaas, as a folder ready to run: its placeholder filled, its ports chosen."""

import json
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples/mypaas"
SENSITIVE = "ssn 123-45-6789, card 4111-1111-1111-1111, order 12345\n"
MASKED = "ssn XXX-XX-X789, card XXXX-XXXX-XXXX-1111, order 12345\n"


def fill_key(text, pem):
    """Puts a PEM block where @PUBLIC_KEY@ stands, each line indented like the placeholder."""
    def block(match):
        return "\n".join(match.group(1) + line for line in pem.strip().splitlines())
    return re.sub(r"^([ \t]*)@PUBLIC_KEY@$", block, text, flags=re.M)


def files(public_pem, gateway_port=8080, tenant_port=18081, policy=True):
    """name -> text of the folder to serve."""
    names = ["virtualservice.yaml", "gateway.yaml"] + (["egress-policy.yaml"] if policy else [])
    out = {}
    for name in names:
        text = fill_key((EXAMPLE / name).read_text(), public_pem)
        out[name] = text.replace("bindPort: 8080", f"bindPort: {gateway_port}").replace(":18081", f":{tenant_port}")
    return out


def tls_files(public_pem):
    """name -> text of the example with TLS."""
    folder = ROOT / "examples/mypaas-tls"
    return {name: fill_key((folder / name).read_text(), public_pem) for name in ("gateway.yaml", "virtualservice.yaml")}


def patch():
    return (EXAMPLE / "gateway-patch.yaml").read_text()


def payload(**changes):
    return {**json.loads((EXAMPLE / "token-payload.json").read_text()), **changes}
