#include "filters/jwt/config.h"

#include "base/header_names.h"
#include "base/strings.h"
#include "http/headers.h"
#include "http/target.h"

namespace sluice::jwt {
namespace {

void read_header_name(Fields& f, std::string& name) {
  if (!f.present("header")) return;
  f.check(valid_header_name(name), "header", "must be a header name: letters, digits and - _ . only");
  name = to_lower(name);
}

// A claim header is taken out of the client's request before tokens are looked for.
void check_token_headers(Fields& f, const Provider& provider) {
  for (size_t i = 0; i < provider.claims_to_headers.size(); ++i) {
    const ClaimToHeader& claim = provider.claims_to_headers[i];
    const auto same = [&claim](const TokenHeader& token) { return same_header(token.header, claim.header); };
    const bool is_default = provider.token_source.headers.empty() && provider.token_source.query_params.empty();
    const bool is_token = std::ranges::any_of(provider.token_source.headers, same) ||
                          (is_default && same_header(claim.header, "authorization"));
    if (!claim.append && is_token) {
      f.error("claimsToHeaders", i,
              fmt::format("header \"{}\" also carries the token, which would be removed before it is read: "
                          "use another header",
                          claim.header));
    }
  }
}

// Its host and path, as they are asked for; the scheme decides nothing, as TLS is the Upstream's affair.
void read_url(Fields& f, RemoteJwks& remote) {
  Arena arena;
  const bool is_plain = std::ranges::all_of(remote.url, [](char c) { return c > ' ' && c < '\x7f'; });
  const bool is_url = is_plain && !remote.url.starts_with('/');
  const auto target = is_url ? parse_target("GET", remote.url, arena) : std::nullopt;
  if (!target) return f.error("url", "expected a URL such as http://id.example.com/keys");
  remote.authority = target->authority;
  remote.path = target->path;
  remote.https = target->scheme == "https";
}

}  // namespace

void bind(Fields& f, TokenHeader& header) {
  f.required("header", header.header, "Request header that carries the token.");
  f.optional("prefix", header.prefix,
             "Text that must begin the value and is cut off, case-sensitive. Without it the whole value is the token.");
  read_header_name(f, header.header);
}

void bind(Fields& f, TokenSource& source) {
  f.optional("headers", source.headers, "Headers to look in.");
  f.optional("queryParams", source.query_params, "Query parameters to look in.");
  f.check(std::ranges::none_of(source.query_params, &std::string::empty), "queryParams", "a name must not be empty");
}

void bind(Fields& f, ClaimToHeader& claim) {
  f.required("claim", claim.claim,
             "Claim to copy. A claim with exactly this name comes first; otherwise dots lead into nested objects.");
  f.required("header", claim.header, "Request header that gets its value.");
  f.optional("append", claim.append, "Add to what the client sent instead of replacing it.");
  f.check(!claim.claim.empty(), "claim", "must not be empty");
  read_header_name(f, claim.header);
  if (claim.header == "host") f.error("header", "must not be 'host', which says where the request goes");
  if (const std::string error = header_change_error(claim.header); !error.empty() && f.good("header"))
    f.error("header", error);
}

void bind(Fields& f, LocalJwks& local) {
  f.required("key", local.key, "A PEM public key, a JWK, or a JWK set.");
  if (!f.reading() || !f.present("key") || !f.good("key")) return;
  auto keys = jose::KeySet::parse(local.key);
  if (!keys) return f.error("key", keys.error().message);
  local.keys = *std::move(keys);
  for (const std::string& skipped : local.keys->skipped()) f.warning("key", "skipped: " + skipped);
}

void bind(Fields& f, AsyncFetch& async) {
  f.optional("fastListener", async.fast_listener,
             "Serve before the keys have been fetched; a request that needs them waits for them.");
}

void bind(Fields& f, RemoteJwks& remote) {
  f.required("url", remote.url,
             "Where the JWK set is; its host and path are asked for. Whether by TLS is the Upstream's affair.");
  f.required("upstreamRef", remote.upstream, "The Upstream that is asked. Without a namespace it is not found.");
  f.optional("cacheDuration", remote.cache_duration,
             "How long keys are used before they are fetched again, a bit before they are that old.");
  f.optional("asyncFetch", remote.async_fetch,
             "Fetch before a request needs the keys; without it the first that does waits for them.");
  if (!f.reading()) return;
  f.check(remote.cache_duration >= 1s, "cacheDuration", "must be at least 1s");
  if (f.present("url") && f.good("url")) read_url(f, remote);
}

void bind(Fields& f, Jwks& jwks) {
  f.optional("local", jwks.local, "Keys written here.");
  f.optional("remote", jwks.remote, "Keys fetched from a URL.");
  f.exactly_one({"local", "remote"});
}

void bind(Fields& f, Provider& provider) {
  f.required("jwks", provider.jwks, "The keys that verify its tokens.");
  f.optional("issuer", provider.issuer, "Must equal the token's `iss`; any issuer when absent.");
  f.optional("audiences", provider.audiences,
             "The token's `aud` must hold one of these; not checked when absent. http(s):// in front and one / at the "
             "end do not count.");
  f.optional("tokenSource", provider.token_source,
             "Where tokens are looked for; default: `Authorization: Bearer ` and query parameter `access_token`.");
  f.optional("keepToken", provider.keep_token, "Leave a valid token in the request to the upstream.");
  f.optional("claimsToHeaders", provider.claims_to_headers, "Claims to copy into request headers.");
  f.optional("clockSkewSeconds", provider.clock_skew_seconds,
             "How far clocks may differ when `exp` and `nbf` are compared; 0 means 60.");
  f.unsupported("attachFailedStatusToMetadata");
  check_token_headers(f, provider);
}

void bind(Fields& f, Check& check) {
  check.written = f.written();
  f.required("providers", check.providers, "By name; a valid token of any one of them is enough.");
  f.optional(
      "validationPolicy", check.validation_policy,
      "REQUIRE_VALID: only with a valid token. ALLOW_MISSING: also without any. ALLOW_MISSING_OR_FAILED: always; "
      "claims are used only from a valid one.");
  f.optional("allowMissingOrFailedJwt", check.allow_missing_or_failed_jwt,
             "Deprecated: true is validationPolicy ALLOW_MISSING_OR_FAILED.");
  f.check(!f.present("providers") || !check.providers.empty(), "providers", "must name at least one provider");
}

void bind(Fields& f, StagedChecks& checks) {
  f.optional("beforeExtAuth", checks.before_ext_auth, "A check before external authorization.");
  f.optional("afterExtAuth", checks.after_ext_auth, "A check behind external authorization.");
}

void bind(Fields& f, RouteSwitch& route) {
  f.optional("disable", route.disable, "Switch the virtual host's check off for this route.");
}

void bind(Fields& f, StagedRouteSwitches& route) {
  f.optional("beforeExtAuth", route.before_ext_auth, "The check before external authorization.");
  f.optional("afterExtAuth", route.after_ext_auth, "The check behind external authorization.");
}

}  // namespace sluice::jwt
