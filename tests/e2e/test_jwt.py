"""Tokens end to end: every algorithm, and a table of attacks none of which may arrive."""

import base64
import json
import time

from harness import configs
from harness.backend import Backend, echo_of
from harness.case import Case, rows
from harness.gateway import Gateway
from harness.tokens import Key, b64url, part, token
from harness.waiting import until

RSA, OTHER_RSA = Key("rsa"), Key("rsa")
EC, EC3, EC5, ED = Key("ec-256"), Key("ec-384"), Key("ec-521"), Key("ed25519")
SECRET = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
NOW = int(time.time())
FORM = "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"


def provider(name, issuer, jwks, more=""):
    block = "".join(f"        {line}\n" for line in jwks.strip().splitlines())
    return (f"{name}:\n  issuer: {issuer}\n  audiences: [front]\n  claimsToHeaders:\n"
            "  - {claim: sub, header: x-sub}\n  - {claim: deep.name, header: x-deep}\n  - {claim: list, header: x-list}\n" +
            more + "  jwks:\n    local:\n      key: |\n" + block)


def jwt(*providers, more=""):
    return "jwt:\n" + more + "  providers:\n" + "".join(f"    {line}\n" for p in providers for line in p.splitlines())


def claims(**changes):
    out = {"iss": "me", "aud": "front", "sub": "user", "exp": NOW + 3600, **changes}
    return {key: value for key, value in out.items() if value is not None}


def key_set(*keys):
    return json.dumps({"keys": list(keys)})


class Tokens(Case):
    options = ""

    @classmethod
    def setUpClass(cls):
        cls.backend = cls.share(Backend())
        cls.gateway = cls.share(Gateway(configs.to_backend(cls.options), values={"backend": cls.backend.port}))

    def get(self, bearer=None, headers=(), path="/"):
        headers = [*headers, *([("Authorization", f"Bearer {bearer}")] if bearer is not None else [])]
        return self.gateway.fetch(path, headers=headers)


class Trailers(Tokens):
    options = jwt(provider("p", "me", RSA.public_pem), more="  allowMissingOrFailedJwt: true\n")

    def test_a_claim_header_cannot_be_forged_in_a_trailer(self):
        with self.gateway.client() as client:
            client.send("POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\nX-Sub: head\r\nTransfer-Encoding: chunked\r\n\r\n"
                        "1\r\nx\r\n0\r\nX-Sub: evil\r\nx-sum: 7\r\n\r\n")
            seen = echo_of(client.read_response())
        self.assertNotIn("x-sub", {name.lower() for name, _ in seen["headers"]})
        self.assertEqual([(name.lower(), value) for name, value in seen["trailers"]], [("x-sum", "7")])


class OneProvider(Tokens):
    options = jwt(provider("p", "me", RSA.public_pem))

    def refuse(self, bearer, text, status=401, headers=(), path="/"):
        arrived = len(self.backend.requests)
        response = self.get(bearer, headers, path)
        self.assertEqual((response.status, response.text()), (status, text))
        self.assertTrue(response.header("www-authenticate", "").startswith("Bearer realm="), response.headers)
        self.assertEqual(response.header("content-type"), "text/plain")
        self.assertEqual(len(self.backend.requests), arrived, "a refused request arrived")

    def test_a_good_token_arrives_as_headers_and_is_removed(self):
        seen = echo_of(self.get(token(claims(deep={"name": "d"}, list=["a", 1]), RSA)))
        self.assertEqual((seen["header"]("x-sub"), seen["header"]("x-deep")), ("user", "d"))
        self.assertEqual(json.loads(base64.b64decode(seen["header"]("x-list"))), ["a", 1])
        self.assertIsNone(seen["header"]("authorization"))

    @rows({alg: alg for alg in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")})
    def a_pem_key_serves_its_family(self, alg):
        self.assert_status(self.get(token(claims(), RSA, alg)), 200)

    def test_no_token_is_missing(self):
        self.refuse(None, "Jwt is missing")
        self.assertIn("jwt_authn_access_denied{Jwt_is_missing}", self.gateway.log_line("jwt_authn_access_denied{Jwt_is_missing}"))

    @rows({
        "another key": (token(claims(), OTHER_RSA), "Jwt verification fails"),
        "HS256 with the public key as secret": (token(claims(), RSA, "HS256"), "Jwt verification fails"),
        "HS512 with the public key as secret": (token(claims(), RSA, "HS512"), "Jwt verification fails"),
        "ES256": (token(claims(), EC, "ES256"), "Jwt verification fails"),
        "EdDSA": (token(claims(), ED, "EdDSA"), "Jwt verification fails"),
        "RS256 that says RS512": (".".join([part({"alg": "RS512"}), *token(claims(), RSA).split(".")[1:]]), "Jwt verification fails"),
        "a PS256 signature that says RS256": (".".join([part({"alg": "RS256", "typ": "JWT"}),
                                                       *token(claims(), RSA, "PS256").split(".")[1:]]), "Jwt verification fails"),
        "no signature": (token(claims(), RSA).rpartition(".")[0] + ".", FORM),
        "another payload": (".".join([token(claims(), RSA).split(".")[0], part(claims(sub="root")), token(claims(), RSA).split(".")[2]]),
                            "Jwt verification fails"),
        "alg none": (f"{part({'alg': 'none'})}.{part(claims())}.AAAA", "Jwt header [alg] is not supported"),
        "alg none without a signature": (f"{part({'alg': 'none'})}.{part(claims())}.", FORM),
        "alg None": (f"{part({'alg': 'None'})}.{part(claims())}.AAAA", "Jwt header [alg] is not supported"),
        "alg empty": (f"{part({'alg': ''})}.{part(claims())}.AAAA", "Jwt header [alg] is not supported"),
        "alg in lower case": (".".join([part({"alg": "rs256"}), *token(claims(), RSA).split(".")[1:]]), "Jwt header [alg] is not supported"),
        "no alg": (f"{part({'typ': 'JWT'})}.{part(claims())}.AAAA", "Jwt header [alg] field is required and must be a string"),
        "alg is a number": (f"{part({'alg': 256})}.{part(claims())}.AAAA", "Jwt header [alg] field is required and must be a string"),
        "kid is a number": (f"{part({'alg': 'RS256', 'kid': 1})}.{part(claims())}.AAAA", "Jwt header [kid] field is not a string"),
    })
    def attack(self, bearer, text):
        self.refuse(bearer, text)

    def test_a_key_in_the_tokens_own_header_is_never_used(self):
        for header in ({"jwk": OTHER_RSA.jwk}, {"jku": "http://127.0.0.1:1/keys"}, {"x5u": "http://127.0.0.1:1/"}):
            self.refuse(token(claims(), OTHER_RSA, **header), "Jwt verification fails")

    @rows({"expired": ({"exp": NOW - 3600}, "Jwt is expired", 401), "not yet valid": ({"nbf": NOW + 3600}, "Jwt not yet valid", 401),
           "another issuer": ({"iss": "you"}, "Jwt issuer is not configured", 401),
           "no issuer": ({"iss": None}, "Jwt issuer is not configured", 401),
           "another audience": ({"aud": "back"}, "Audiences in Jwt are not allowed", 403),
           "audiences without ours": ({"aud": ["back", "side"]}, "Audiences in Jwt are not allowed", 403),
           "no audience": ({"aud": None}, "Audiences in Jwt are not allowed", 403),
           "exp as text": ({"exp": "9999999999"}, "Jwt payload [exp] field is not an integer", 401),
           "a negative exp": ({"exp": -1}, "Jwt payload [exp] field is not a positive 64 bit integer", 401),
           "nbf as text": ({"nbf": "0"}, "Jwt payload [nbf] field is not an integer", 401),
           "aud as number": ({"aud": 1}, "Jwt payload [aud] field is not a string or string list", 401),
           "aud list with a number": ({"aud": ["front", 1]}, "Jwt payload [aud] field is not a string or string list", 401),
           "iss as list": ({"iss": ["me"]}, "Jwt payload [iss] field is not a string", 401),
           "sub as object": ({"sub": {}}, "Jwt payload [sub] field is not a string", 401)})
    def claim(self, changes, text, status):
        self.refuse(token(claims(**changes), RSA), text, status)

    @rows({"within the skew after exp": {"exp": NOW - 20}, "within the skew before nbf": {"nbf": NOW + 40}, "no exp": {"exp": None},
           "a list of audiences": {"aud": ["x", "front"]}, "audience as a url": {"aud": "https://front/"}})
    def allowed_claim(self, changes):
        self.assert_status(self.get(token(claims(**changes), RSA)), 200)

    @rows({"one part": ("abc", FORM), "two parts": ("a.b", FORM), "four parts": ("a.b.c.d", FORM), "five parts": ("a.b.c.d.e", FORM),
           "only dots": ("..", None), "header no base64": ("!!!.e30.AA", "Jwt header is an invalid Base64url encoded"),
           "header padded": (part({"alg": "RS256"}) + "=.e30.AA", "Jwt header is an invalid Base64url encoded"),
           "header no json": (f"{b64url(b'nope')}.e30.AA", "Jwt header is an invalid JSON"),
           "header a list": (f"{b64url(b'[]')}.e30.AA", None),
           "payload no base64": (f"{part({'alg': 'RS256'})}.!!!.AA", "Jwt payload is an invalid Base64url encoded"),
           "payload no json": (f"{part({'alg': 'RS256'})}.{b64url(b'{')}.AA", "Jwt payload is an invalid JSON"),
           "signature no base64": (f"{part({'alg': 'RS256'})}.{part(claims())}.!!", "Jwt signature is an invalid Base64url encoded"),
           "deep json": (f"{part({'alg': 'RS256'})}.{b64url(b'[' * 3000)}.AA", None),
           "over 8 KiB": (token(claims(junk="x" * 9000), RSA), None), "letters beyond ascii": ("\xff\xfe.\xff.\xff", None),
           "a second token after a space": (None, None)})
    def malformed(self, bearer, text):
        if bearer is None:
            bearer = token(claims(), OTHER_RSA) + " " + token(claims(), RSA)
        arrived = len(self.backend.requests)
        response = self.get(bearer)
        self.assertEqual(response.status, 401, f"{response}")
        if text:
            self.assertEqual(response.text(), text)
        self.assertEqual(len(self.backend.requests), arrived)

    @rows({"lower case": "bearer ", "no prefix": "", "another scheme": "Basic ", "prefix in the middle": "x Bearer "})
    def only_the_prefix_counts(self, prefix):
        response = self.get(None, [("Authorization", prefix + token(claims(), RSA))])
        self.assertEqual((response.status, response.text()), (401, "Jwt is missing"))

    def test_the_query_parameter_is_a_source_and_is_removed(self):
        seen = echo_of(self.get(path=f"/p?a=1&access_token={token(claims(), RSA)}&b=2"))
        self.assertEqual(seen["target"], "/p?a=1&b=2")

    def test_a_clients_claim_header_is_always_replaced(self):
        seen = echo_of(self.get(token(claims(sub=None), RSA), [("X-Sub", "root"), ("x-deep", "root")]))
        self.assertEqual((seen["all"]("x-sub"), seen["all"]("x-deep")), ([], []))
        seen = echo_of(self.get(token(claims(), RSA), [("X-Sub", "root"), ("x-sub", "root2")]))
        self.assertEqual(seen["all"]("x-sub"), ["user"])

    @rows({"a line break": "a\r\nx-admin: 1", "a nul": "a\0b", "a line feed": "a\nb"})
    def a_claim_that_no_header_can_carry_refuses_the_request(self, value):
        response = self.get(token(claims(sub=value), RSA))
        self.assertEqual((response.status, response.text()), (400, "the claim sub of the token has bytes that no header can carry"))

    def test_a_remembered_token_is_still_checked_for_its_time(self):
        good = token(claims(exp=int(time.time()) - 57), RSA)      # the skew of 60 s ends in 3 s
        self.assert_status(self.get(good), 200)
        until(lambda: self.get(good).status == 401, "the token to expire", 8)

    def test_two_tokens_of_which_one_is_bad(self):
        response = self.get(None, [("Authorization", f"Bearer {token(claims(), RSA)}"), ("Authorization", "Bearer a.b.c")])
        self.assertEqual(response.status, 401)


class KeySet(Tokens):
    options = jwt(provider("set", "me", key_set(
        {**RSA.jwk, "kid": "r"}, {**OTHER_RSA.jwk, "kid": "r512", "alg": "RS512"}, {**EC.jwk, "kid": "e"}, {**EC3.jwk, "kid": "e3"},
        {**EC5.jwk, "kid": "e5"}, {**ED.jwk, "kid": "d"}, {"kty": "oct", "k": b64url(SECRET), "kid": "h", "alg": "HS256"},
        {"kty": "unknown", "kid": "u"})))

    @rows({"RS256": (RSA, "RS256", "r"), "ES256": (EC, "ES256", "e"), "ES384": (EC3, "ES384", "e3"), "ES512": (EC5, "ES512", "e5"),
           "EdDSA": (ED, "EdDSA", "d"), "HS256": (SECRET, "HS256", "h"), "the key's own alg": (OTHER_RSA, "RS512", "r512")})
    def serves(self, key, alg, kid):
        self.assert_status(self.get(token(claims(), key, alg, kid=kid)), 200)
        self.assert_status(self.get(token(claims(), key, alg)), 200)      # no kid: every key is tried

    @rows({"another key's kid": (RSA, "RS256", "e"), "an unknown kid": (RSA, "RS256", "zz"), "not the key's alg": (OTHER_RSA, "RS256", "r512"),
           "another curve": (EC, "ES256", "e3"), "HS with a public key's kid": (SECRET, "HS256", "r"), "HS384 with a key for HS256": (SECRET, "HS384", "h")})
    def refuses(self, key, alg, kid):
        self.assert_status(self.get(token(claims(), key, alg, kid=kid)), 401)


class SeveralProviders(Tokens):
    options = jwt(provider("one", "one", RSA.public_pem, "  tokenSource: {headers: [{header: x-one, prefix: 'T '}]}\n"),
                  provider("two", "two", EC.public_pem, "  keepToken: true\n"))

    def test_one_success_is_enough(self):
        self.assert_status(self.get(token(claims(iss="two"), EC, "ES256")), 200)
        self.assert_status(self.get(None, [("x-one", "T " + token(claims(iss="one"), RSA))]), 200)

    def test_a_kept_token_arrives(self):
        bearer = token(claims(iss="two"), EC, "ES256")
        self.assertEqual(echo_of(self.get(bearer))["header"]("authorization"), f"Bearer {bearer}")

    def test_a_provider_looks_only_at_its_own_source(self):
        self.assert_status(self.get(token(claims(iss="one"), RSA)), 401)

    def test_the_key_of_one_does_not_serve_the_issuer_of_the_other(self):
        self.assert_status(self.get(token(claims(iss="two"), RSA)), 401)


class Lenient(Case):
    def test_a_route_may_switch_it_off_and_policies_let_failures_through(self):
        backend = self.use(Backend())
        routes = f"""\
- matchers: [{{prefix: /open}}]
  options: {{jwt: {{disable: true}}}}
  {configs.TO_BACKEND}
- matchers: [{{prefix: /}}]
  {configs.TO_BACKEND}"""
        options = jwt(provider("p", "me", RSA.public_pem), more="  allowMissingOrFailedJwt: true\n")
        files = {"upstream.yaml": configs.BACKEND, "vs.yaml": configs.virtual_service(routes, options)}
        gateway = self.use(Gateway(files, values={"backend": backend.port}))
        for bearer in (None, "Bearer a.b.c", f"Bearer {token(claims(), OTHER_RSA)}"):
            headers = [("x-sub", "root")] + ([("Authorization", bearer)] if bearer else [])
            seen = echo_of(gateway.fetch("/", headers=headers))
            self.assertIsNone(seen["header"]("x-sub"))
            self.assertEqual(seen["header"]("authorization"), bearer)     # a failed token stays
        seen = echo_of(gateway.fetch("/open", headers=[("x-sub", "mine"), ("x_sub", "mine"), ("x-other", "mine")]))
        self.assertEqual([seen["header"](name) for name in ("x-sub", "x_sub", "x-other")], [None, None, "mine"])
        seen = echo_of(gateway.fetch("/", headers=[("Authorization", f"Bearer {token(claims(), RSA)}")]))
        self.assertEqual(seen["header"]("x-sub"), "user")
