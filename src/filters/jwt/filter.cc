#include "filters/jwt/filter.h"

#include "base/header_names.h"
#include "base/strings.h"
#include "config/kinds/proxy_settings.h"
#include "filters/jwt/answer.h"
#include "io/loop.h"
#include "pipeline/rerouting.h"

namespace sluice::jwt {
namespace {

constexpr MetricFamily kAllowed{"envoy_http_jwt_authn_allowed", "Requests that the JWT check let through"};
constexpr MetricFamily kDenied{"envoy_http_jwt_authn_denied", "Requests that the JWT check refused"};
constexpr MetricFamily kRemembered{"envoy_http_jwt_authn_jwt_cache_hit", "Tokens that were known to be valid"};
constexpr MetricFamily kVerified{"envoy_http_jwt_authn_jwt_cache_miss",
                                 "Tokens that were not known, and were read and verified"};
constexpr MetricFamily kEntries{"sluice_jwt_cache_entries", "Valid tokens remembered", MetricType::gauge};
const Labels kLabels = {{"envoy_http_conn_manager_prefix", "http"}};

constexpr size_t kFetchesMax = 256;  // at once on a worker, of all URLs

constexpr std::string_view kNamespace = "envoy.filters.http.jwt_authn";
constexpr std::string_view kPayloadKey = "principal";

std::shared_ptr<Remembered> remembered_tokens(const FilterBuild& build) {
  const kinds::JwtCache& cache = build.settings->jwt_cache;
  const jose::VerifiedTokens::Limits limits{.entries_max = cache.entries_max,
                                            .ttl_max = std::chrono::duration_cast<Seconds>(cache.ttl_max)};
  const std::string key = fmt::format("jwt: {} verified tokens for {} s", limits.entries_max, limits.ttl_max.count());
  return build.kept->get<Remembered>(key, [&] {
    return std::make_shared<Remembered>(build.loops,
                                        [limits](Loop&) { return std::make_unique<jose::VerifiedTokens>(limits); });
  });
}

// Without keys where those come from a URL.
jose::ProviderRules rules_of(const Provider& provider) {
  jose::ProviderRules rules{
      .issuer = provider.issuer,
      .audiences = provider.audiences,
      .clock_skew = Seconds(provider.clock_skew_seconds),
      .keys = provider.jwks.local ? provider.jwks.local->keys : std::make_shared<const jose::KeySet>()};
  for (const ClaimToHeader& claim : provider.claims_to_headers) rules.claims.push_back(claim.claim);
  return rules;
}

// Of all that have no key for it.
bool lacks_key(jose::Failure failure) {
  return failure == jose::Failure::no_matching_key || failure == jose::Failure::no_valid_keys;
}

// For access logs, templates and later filters. The payload is not copied: the token lives as long as the entry.
void store_payload(StreamInfo& info, const std::shared_ptr<const jose::VerifiedToken>& token) {
  const MetadataEntry entry{kNamespace, kPayloadKey, token->claims.json(), token};
  for (MetadataEntry& old : info.metadata) {
    if (old.filter_namespace != kNamespace || old.key != kPayloadKey) continue;
    old = entry;
    return;
  }
  info.metadata.push_back(entry);
}

// Several providers, all failed: the most telling failure counts. The last that is about a token of theirs, else that
// the issuer is unknown, else that there is none.
jose::Failure more_telling(jose::Failure sofar, jose::Failure next) {
  if (next == jose::Failure::missing) return sofar;
  if (next == jose::Failure::unknown_issuer && sofar != jose::Failure::missing) return sofar;
  return next;
}

ClaimHeaders claim_headers(const Check* in_force, const Check* of_virtual_host) {
  const auto names = [](const Check* check) {
    std::vector<std::string> out;
    if (!check) return out;
    for (const auto& [name, provider] : check->providers)
      for (const ClaimToHeader& claim : provider.claims_to_headers)
        if (!claim.append && std::ranges::find(out, claim.header) == out.end()) out.push_back(claim.header);
    return out;
  };
  ClaimHeaders headers{names(in_force), names(of_virtual_host)};
  std::erase_if(headers.others,
                [&](const std::string& name) { return std::ranges::find(headers.own, name) != headers.own.end(); });
  return headers;
}

}  // namespace

// --- claim headers ---

Task<Response> ClaimGuard::handle(Request& request, Next next) const {
  if (clear(request)) request.choose_route_again();  // it may have chosen this one
  return next(request);
}

// Before anything else, and whatever the verdict will be (anti-spoofing).
bool ClaimGuard::clear(Request& request) const {
  size_t removed = 0;
  const auto take = [&](const std::string& name) {
    removed += remove_alike(request.headers, name);
    request.keep_from_trailers(name);
  };
  for (const std::string& name : headers_.own) take(name);
  // Once another route's check has run, what stands there is what that check says.
  for (const std::string& name : headers_.others)
    if (!request.rerouting || !cleared_before(request, name)) take(name);
  return removed > 0;
}

bool ClaimGuard::clears(std::string_view name) const {
  const auto is = [name](const std::string& other) { return same_header(other, name); };
  return std::ranges::any_of(headers_.own, is) || std::ranges::any_of(headers_.others, is);
}

bool ClaimGuard::cleared_before(const Request& request, std::string_view name) {
  return request.rerouting->any_ran([name](const Filter& filter) {
    const auto* guard = dynamic_cast<const ClaimGuard*>(&filter);
    return guard && guard->clears(name);
  });
}

// --- the check ---

JwtFilter::JwtFilter(const Check& check, const RemoteKeysByProvider& remote, ClaimHeaders headers,
                     const FilterBuild& build)
    : ClaimGuard(std::move(headers)),
      policy_(check.policy()),
      remembered_(remembered_tokens(build)),
      counters_{build.metrics->metric(kAllowed, kLabels), build.metrics->metric(kDenied, kLabels),
                build.metrics->metric(kRemembered, kLabels), build.metrics->metric(kVerified, kLabels),
                build.metrics->metric(kEntries)} {
  for (const auto& [name, provider] : check.providers) issuers_.push_back(make_issuer(name, provider, remote, build));
}

JwtFilter::Issuer JwtFilter::make_issuer(const std::string& name, const Provider& provider,
                                         const RemoteKeysByProvider& remote, const FilterBuild& build) const {
  jose::ProviderRules rules = rules_of(provider);
  Issuer issuer{.places = token_places(provider.token_source), .keep_token = provider.keep_token};
  if (const auto keys = remote.find(name); keys != remote.end()) {
    issuer.verifiers = std::make_shared<Verifiers>(build.loops, std::move(rules), keys->second);
  } else {
    const std::string key = "jwt: verifiers " + jose::Provider(rules).identity();
    issuer.verifiers =
        build.kept->get<Verifiers>(key, [&] { return std::make_shared<Verifiers>(build.loops, std::move(rules)); });
  }
  for (const ClaimToHeader& claim : provider.claims_to_headers) {
    issuer.claim_headers.push_back({claim.header, claim.append});
  }
  return issuer;
}

Task<Response> JwtFilter::handle(Request& request, Next next) const {
  const bool changed = clear(request);
  Lacking lacking;
  const Verdict verdict = judge(request, lacking);
  if (lacking.keys) [[unlikely]]
    return wait_for_keys(request, next, changed);
  return answer(request, next, verdict, changed);
}

// Judges again with what has come. For each URL once: what is not there then is not there.
Task<Response> JwtFilter::wait_for_keys(Request& request, Next next, bool changed) const {
  for (Lacking lacking;;) {
    lacking.keys = nullptr;
    const Verdict verdict = judge(request, lacking);
    if (!lacking.keys) {
      auto answering = answer(request, next, verdict, changed);
      co_return co_await answering;
    }
    lacking.asked.push_back(lacking.keys);
    auto waiting = lacking.keys->newer(request);
    CO_TRY(co_await waiting);
  }
}

Task<Response> JwtFilter::answer(Request& request, Next next, const Verdict& verdict, bool changed) const {
  if (verdict) {
    if (const std::string_view claim = unusable_claim(*verdict); !claim.empty()) {
      counters_.denied->add();
      return local_reply(request, 400,
                         request.arena.concat(std::string_view("the claim "), claim,
                                              std::string_view(" of the token has bytes that no header can carry")),
                         "jwt_authn_claim_refused");
    }
    changed |= accept(request, *verdict);
  } else if (!passes(verdict.error())) {
    counters_.denied->add();
    return refuse(request, verdict.error());
  }
  counters_.allowed->add();
  // Routes may match on claim headers. Also when one of the client's was removed: it may have chosen this route.
  if (changed) request.choose_route_again();
  return next(request);
}

// A claim with a line break is no mistake: without its header the request would go on as somebody else's.
std::string_view JwtFilter::unusable_claim(const Accepted& accepted) const {
  for (size_t i = 0; i < accepted.tokens.all().size(); ++i)
    if (!accepted.verified[i]->control_bytes_in.empty()) return accepted.verified[i]->control_bytes_in;
  return {};
}

// Provider after provider; one whose keys must be waited for stops it there, so that the first that says yes is the
// same whenever keys come.
JwtFilter::Verdict JwtFilter::judge(const Request& request, Lacking& lacking) const {
  jose::Failure failure = jose::Failure::missing;
  for (const Issuer& issuer : issuers_) {
    Verdict verdict = judge(issuer, request);
    if (verdict) return verdict;
    if (may_wait(issuer, verdict.error(), request, lacking)) {
      lacking.keys = issuer.verifiers->remote();
      return verdict;
    }
    const bool has_no_keys = issuer.verifiers->remote() && verdict.error() == jose::Failure::no_valid_keys;
    failure = more_telling(failure, has_no_keys ? jose::Failure::remote_fetch_failed : verdict.error());
  }
  return std::unexpected(failure);
}

// The token is for this provider, in form and in time: only its key is not there.
bool JwtFilter::may_wait(const Issuer& issuer, jose::Failure failure, const Request& request, const Lacking& lacking) {
  RemoteKeys* const remote = issuer.verifiers->remote();
  if (!remote || !lacks_key(failure)) return false;
  return std::ranges::find(lacking.asked, remote) == lacking.asked.end() && remote->may_help(request);
}

// Every token at the provider's places must be good, the last place first, as in Envoy.
JwtFilter::Verdict JwtFilter::judge(const Issuer& issuer, const Request& request) const {
  Accepted accepted{.issuer = &issuer, .tokens = find_tokens(request, issuer.places)};
  const std::span<const FoundToken> tokens = accepted.tokens.all();
  if (tokens.empty()) return std::unexpected(jose::Failure::missing);
  if (accepted.tokens.too_many()) return std::unexpected(jose::Failure::bad_format);
  const int64_t now = unix_seconds(request.loop.wall());
  for (size_t i = tokens.size(); i-- > 0;) {
    auto verified = verify(issuer, tokens[i].text, now);
    if (!verified) return std::unexpected(verified.error());
    accepted.verified[i] = *std::move(verified);
  }
  return accepted;
}

std::expected<std::shared_ptr<const jose::VerifiedToken>, jose::Failure> JwtFilter::verify(const Issuer& issuer,
                                                                                           std::string_view token,
                                                                                           int64_t now) const {
  jose::Verifier& verifier = issuer.verifiers->here();
  jose::VerifiedTokens& remembered = remembered_->here();
  if (auto known = remembered.find(verifier.provider(), token, now)) {
    counters_.remembered->add();
    return known;
  }
  counters_.verified->add();
  auto verified = verifier.verify(token, now);
  if (!verified) return verified;
  remembered.remember(verifier.provider(), token, *verified, now);
  counters_.entries->set(static_cast<int64_t>(remembered.size()));
  return verified;
}

// Returns whether headers were set.
bool JwtFilter::accept(Request& request, const Accepted& accepted) const {
  const Issuer& issuer = *accepted.issuer;
  bool changed = false;
  for (size_t i = accepted.tokens.all().size(); i-- > 0;) {
    const jose::VerifiedToken& token = *accepted.verified[i];
    for (size_t claim = 0; claim < issuer.claim_headers.size(); ++claim) {
      if (token.header_values[claim].empty()) continue;
      const ClaimHeader& header = issuer.claim_headers[claim];
      const std::string_view value = request.arena.copy(token.header_values[claim]);
      // The name is the snapshot's, which the exchange holds.
      header.append ? request.headers.add(header.name, value) : request.headers.set(header.name, value);
      changed = true;
    }
    store_payload(request.info, accepted.verified[i]);
  }
  for (const FoundToken& token : accepted.tokens.all()) {
    if (!issuer.keep_token)
      take_token(request, *token.place);
    else if (token.taken)
      put_back(request, *token.taken);
  }
  return changed;
}

bool JwtFilter::passes(jose::Failure failure) const {
  switch (policy_) {
    case ValidationPolicy::require_valid: return false;
    case ValidationPolicy::allow_missing: return failure == jose::Failure::missing;
    case ValidationPolicy::allow_missing_or_failed: return true;
  }
  return false;
}

}  // namespace sluice::jwt

namespace sluice {
namespace {

using namespace jwt;

// The checks that are in force on a route; null: none at that stage.
struct Checks {
  const Check* before = nullptr;
  const Check* after = nullptr;
};

const Check* pointer(const std::optional<Check>& check) {
  return check ? &*check : nullptr;
}
bool switched_off(const std::optional<RouteSwitch>& route) {
  return route && route->disable;
}

// Of options that exclude one another (option_fields()) there is one at most.
Checks of_virtual_host(const OptionSet& options) {
  const auto* plain = options.get<Check>("jwt");
  const auto* staged = options.get<StagedChecks>("jwtStaged");
  if (plain) return {.after = plain};
  if (staged) return {pointer(staged->before_ext_auth), pointer(staged->after_ext_auth)};
  return {};
}

// Most specific wins whole, stage by stage (gloo-policies 1.4, 3.1).
void apply_route(const OptionSet& options, Checks& checks) {
  const auto* plain = options.get<RouteSwitch>("jwt");
  const auto* staged = options.get<StagedRouteSwitches>("jwtStaged");
  const auto* providers = options.get<StagedChecks>("jwtProvidersStaged");
  if (plain && plain->disable) checks.after = nullptr;
  if (staged && switched_off(staged->before_ext_auth)) checks.before = nullptr;
  if (staged && switched_off(staged->after_ext_auth)) checks.after = nullptr;
  if (providers && providers->before_ext_auth) checks.before = pointer(providers->before_ext_auth);
  if (providers && providers->after_ext_auth) checks.after = pointer(providers->after_ext_auth);
}

class JwtFactory final : public FilterFactory {
 public:
  std::string_view name() const override { return "jwt"; }
  std::vector<Stage> stages() const override { return {Stage::jwt_before, Stage::jwt_after}; }

  std::vector<OptionField> option_fields() const override {
    constexpr std::string_view kOneOfThem = "jwt, jwtStaged and jwtProvidersStaged of a route exclude one another";
    return {option_field<Check>("jwt", OptionLevel::virtual_host, "Checks JSON Web Tokens, behind external auth.")
                .excluding({"jwtStaged"}, "jwt is jwtStaged.afterExtAuth"),
            option_field<StagedChecks>("jwtStaged", OptionLevel::virtual_host,
                                       "Checks JSON Web Tokens before and behind external auth."),
            option_field<RouteSwitch>("jwt", OptionLevel::route, "Switches the check behind external auth off."),
            option_field<StagedRouteSwitches>("jwtStaged", OptionLevel::route, "Switches the checks off, each alone.")
                .excluding({"jwt"}, kOneOfThem),
            option_field<StagedChecks>("jwtProvidersStaged", OptionLevel::route,
                                       "The route's own checks; each replaces the virtual host's of its stage.")
                .excluding({"jwt", "jwtStaged"}, kOneOfThem)};
  }

  Result<std::vector<StagedFilter>> build(const FilterBuild& build) const override {
    Checks of_host;
    if (build.virtual_host) of_host = of_virtual_host(*build.virtual_host);
    Checks checks = of_host;
    if (build.route) apply_route(*build.route, checks);
    std::vector<StagedFilter> filters;
    TRY(add(filters, Stage::jwt_before, checks.before, of_host.before, build));
    TRY(add(filters, Stage::jwt_after, checks.after, of_host.after, build));
    return filters;
  }

  std::vector<MetricFamily> metrics() const override {
    std::vector<MetricFamily> all = JwksMetrics::families();
    all.insert(all.end(), {kAllowed, kDenied, kRemembered, kVerified, kEntries});
    return all;
  }

 private:
  static Status add(std::vector<StagedFilter>& filters, Stage stage, const Check* check, const Check* of_virtual_host,
                    const FilterBuild& build) {
    ClaimHeaders headers = claim_headers(check, of_virtual_host);
    const std::string names = join(headers.others, ",");
    if (check) {
      const kinds::JwtCache& cache = build.settings->jwt_cache;
      std::string made_of;
      const RemoteKeysByProvider remote = TRY(remote_keys(*check, build, made_of));
      const std::string kind = fmt::format("jwt {} {} {}{}", cache.entries_max, cache.ttl_max.count(), names, made_of);
      const auto make = [&] { return std::make_shared<JwtFilter>(*check, remote, std::move(headers), build); };
      filters.push_back({stage, build.share<JwtFilter>(kind, check->written, make)});
    } else if (!names.empty()) {
      const auto make = [&] { return std::make_shared<ClaimGuard>(std::move(headers)); };
      filters.push_back({stage, build.share<ClaimGuard>("jwt claim headers", names, make)});
    }
    return {};
  }

  // `made_of`: the Upstreams that they come from.
  static Result<RemoteKeysByProvider> remote_keys(const Check& check, const FilterBuild& build, std::string& made_of) {
    RemoteKeysByProvider found;
    for (const auto& [name, provider] : check.providers) {
      if (!provider.jwks.remote) continue;
      const RemoteJwks& remote = *provider.jwks.remote;
      auto upstream = build.references->upstream(remote.upstream);
      if (!upstream)
        return std::unexpected(
            std::move(upstream).error().in(fmt::format("jwt: providers.{}.jwks.remote.upstreamRef", name)));
      made_of += ", " + upstream->made_of;
      if (remote.https && !upstream->tls && build.warnings)
        build.warnings->push_back(fmt::format(
            "jwt: providers.{}.jwks.remote.url: https does not make the fetch use TLS: only the Upstream does, "
            "by sslConfig with a CA; without that the keys come in plain text, and whoever is on the way can "
            "change them",
            name));
      if (upstream->any_certificate_will_do && build.warnings)
        build.warnings->push_back(
            fmt::format("jwt: providers.{}.jwks.remote.upstreamRef: the Upstream takes any certificate, so whoever is "
                        "on the way can "
                        "change the keys: its sslConfig needs a CA, and verifySubjectAltName",
                        name));
      found[name] = keys_of(remote, *upstream, build);
      if (build.preparations && remote.async_fetch)
        (*build.preparations)[found[name]] |= !remote.async_fetch->fast_listener;
    }
    return found;
  }

  // Equal ones are fetched once.
  static std::shared_ptr<RemoteKeys> keys_of(const RemoteJwks& remote, const UpstreamEnd& upstream,
                                             const FilterBuild& build) {
    const std::string key =
        fmt::format("jwt: keys {} for {} by {}", remote.url, remote.cache_duration.count(), upstream.made_of);
    return build.kept->get<RemoteKeys>(key, [&] {
      const HttpClient client(upstream.end, ClientMetrics(*build.metrics, "jwks"),
                              {.calls_max = kFetchesMax, .bodies = build.body_budget});
      return RemoteKeys::create({remote.url, remote.authority, remote.path, remote.cache_duration}, client, build.loops,
                                build.workers, JwksMetrics(*build.metrics));
    });
  }
};

}  // namespace

const FilterFactory& jwt_filter() {
  static const JwtFactory factory;
  return factory;
}

}  // namespace sluice
