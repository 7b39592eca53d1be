"""Keys and JSON web tokens, made with openssl, for good tokens and for every kind of bad one."""

import base64
import functools
import hashlib
import hmac
import json
import pathlib
import subprocess
import tempfile

_SCRATCH = tempfile.TemporaryDirectory(prefix="sluice-keys-")


def b64url(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _openssl(*arguments, data=None):
    return subprocess.run(["openssl", *map(str, arguments)], input=data, check=True, capture_output=True).stdout


class Key:
    """A private key in a file: kinds rsa, rsa-1024, ec-256, ec-384, ec-521, ed25519."""

    def __init__(self, kind="rsa"):
        self.kind = kind
        Key.made = getattr(Key, "made", 0) + 1
        self.path = pathlib.Path(_SCRATCH.name, f"{kind}-{Key.made}.pem")
        if kind.startswith("rsa"):
            bits = kind.partition("-")[2] or "2048"
            options = ["-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}"]
        elif kind.startswith("ec"):
            options = ["-algorithm", "EC", "-pkeyopt", f"ec_paramgen_curve:P-{kind.partition('-')[2]}"]
        else:
            options = ["-algorithm", "ed25519"]
        _openssl("genpkey", *options, "-out", self.path)

    @functools.cached_property
    def public_pem(self):
        return _openssl("pkey", "-in", self.path, "-pubout").decode()

    @functools.cached_property
    def jwk(self):
        """The public key as a JWK without kid and alg."""
        der = _openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")
        if self.kind.startswith("rsa"):
            text = _openssl("rsa", "-in", self.path, "-noout", "-modulus").decode().strip().partition("=")[2]
            return {"kty": "RSA", "n": b64url(bytes.fromhex(text)), "e": "AQAB"}
        if self.kind == "ed25519":
            return {"kty": "OKP", "crv": "Ed25519", "x": b64url(der[-32:])}
        bits = int(self.kind.partition("-")[2])
        size = (bits + 7) // 8
        return {"kty": "EC", "crv": f"P-{bits}", "x": b64url(der[-2 * size:-size]), "y": b64url(der[-size:])}

    def sign(self, alg, data):
        digest = f"-sha{alg[2:]}"
        if alg.startswith("RS"):
            return _openssl("dgst", digest, "-sign", self.path, data=data)
        if alg.startswith("PS"):
            return _openssl("dgst", digest, "-sign", self.path, "-sigopt", "rsa_padding_mode:pss", "-sigopt",
                            "rsa_pss_saltlen:digest", data=data)
        if alg.startswith("ES"):
            size = {"256": 32, "384": 48, "512": 66}[alg[2:]]
            return _raw_ecdsa(_openssl("dgst", digest, "-sign", self.path, data=data), size)
        if alg == "EdDSA":
            with tempfile.NamedTemporaryFile(dir=_SCRATCH.name) as file:
                file.write(data)
                file.flush()
                return _openssl("pkeyutl", "-sign", "-inkey", self.path, "-rawin", "-in", file.name)
        raise ValueError(alg)


def _raw_ecdsa(der, size):
    """openssl gives SEQUENCE {INTEGER r, INTEGER s}; JOSE wants both at full length."""
    at = 3 if der[1] & 0x80 else 2
    numbers = []
    for _ in range(2):
        length = der[at + 1]
        numbers.append(int.from_bytes(der[at + 2:at + 2 + length], "big").to_bytes(size, "big"))
        at += 2 + length
    return b"".join(numbers)


def part(value):
    """A section of a token: a dict as JSON, text and bytes as they are."""
    if isinstance(value, dict):
        value = json.dumps(value)
    return b64url(value if isinstance(value, bytes) else value.encode())


def token(payload, key, alg="RS256", **header):
    """A signed token; `key` is a Key, or bytes for HS*."""
    text = f"{part({'alg': alg, 'typ': 'JWT', **header})}.{part(payload)}"
    if alg.startswith("HS"):
        secret = key if isinstance(key, bytes) else key.public_pem.encode()
        signature = hmac.new(secret, text.encode(), getattr(hashlib, f"sha{alg[2:]}")).digest()
    else:
        signature = key.sign(alg, text.encode())
    return f"{text}.{b64url(signature)}"
