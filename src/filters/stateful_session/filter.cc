#include "filters/stateful_session/filter.h"

#include "base/encoding.h"

namespace sluice::stateful_session {
namespace {

constexpr MetricFamily kRequests{"sluice_stateful_session_requests_total",
                                 "Requests of statefulSession that an endpoint was looked for, by what became of their "
                                 "session: begun, kept, moved to another endpoint, or refused."};

// "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535" in Base64, and more.
constexpr size_t kSessionBytesMax = 80;

std::string_view trimmed(std::string_view text, std::string_view what) {
  const size_t first = text.find_first_not_of(what);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(what) - first + 1);
}

// The first of that name, without quotes (RFC 6265 5.4).
std::optional<std::string_view> cookie(const Headers& headers, std::string_view name) {
  for (const HeaderField& field : headers) {
    if (field.known != Known::cookie) continue;
    for (std::string_view rest = field.value; !rest.empty();) {
      const size_t end = std::min(rest.find(';'), rest.size());
      const std::string_view pair = trimmed(rest.substr(0, end), " \t");
      rest.remove_prefix(std::min(end + 1, rest.size()));
      const size_t equals = pair.find('=');
      if (equals != std::string_view::npos && pair.substr(0, equals) == name)
        return trimmed(pair.substr(equals + 1), "\"");
    }
  }
  return std::nullopt;
}

// RFC 6265 5.1.4.
bool is_below(std::string_view path, std::string_view above) {
  return path.starts_with(above) && (path.size() == above.size() || above.ends_with('/') || path[above.size()] == '/');
}

// What Envoy says as well: an address and its port.
std::optional<SocketAddress> endpoint_of(std::string_view session) {
  if (session.size() > kSessionBytesMax) return std::nullopt;
  const auto text = base64_decode(session);
  if (!text) return std::nullopt;
  const auto endpoint = Endpoint::parse(*text);
  if (!endpoint) return std::nullopt;
  return SocketAddress::of(*endpoint);
}

class Factory final : public FilterFactory {
 public:
  std::string_view name() const override { return "stateful_session"; }
  std::vector<Stage> stages() const override { return {Stage::stateful_session}; }
  std::vector<OptionField> option_fields() const override {
    return {option_field<Options>("statefulSession", OptionLevel::listener,
                                  "A client's requests go to the endpoint that its first one went to.")};
  }

  Result<std::vector<StagedFilter>> build(const FilterBuild& build) const override {
    const auto* options = build.listener ? build.listener->get<Options>("statefulSession") : nullptr;
    if (!options) return std::vector<StagedFilter>{};
    const auto make = [&] { return std::make_shared<StatefulSessionFilter>(*options, *build.metrics); };
    return std::vector<StagedFilter>{
        {Stage::stateful_session, build.share<StatefulSessionFilter>("stateful session", options->written, make)}};
  }
  std::vector<MetricFamily> metrics() const override { return {kRequests}; }
};

}  // namespace

SessionMetrics::SessionMetrics(Metrics& metrics)
    : begun(metrics.metric(kRequests, {{"session", "begun"}})),
      kept(metrics.metric(kRequests, {{"session", "kept"}})),
      moved(metrics.metric(kRequests, {{"session", "moved"}})),
      refused(metrics.metric(kRequests, {{"session", "refused"}})) {}

StatefulSessionFilter::StatefulSessionFilter(const Options& options, Metrics& metrics)
    : options_(options), metrics_(metrics) {
  if (!options_.cookie_based) return;
  const Cookie& cookie = options_.cookie_based->cookie;
  if (cookie.ttl > Nanos(0)) cookie_attributes_ += fmt::format("; Max-Age={}", cookie.ttl / 1s);
  if (!cookie.path.empty()) cookie_attributes_ += fmt::format("; Path={}", cookie.path);
  cookie_attributes_ += "; HttpOnly";
}

bool StatefulSessionFilter::concerns(const Request& request) const {
  if (!options_.cookie_based) return true;
  const std::string& path = options_.cookie_based->cookie.path;
  return path.empty() || is_below(request.path_without_query(), path);
}

std::optional<std::string_view> StatefulSessionFilter::session_of(const Request& request) const {
  if (options_.cookie_based) return cookie(request.headers, options_.cookie_based->cookie.name);
  return request.headers.get(options_.header_based->header_name);
}

Task<Response> StatefulSessionFilter::handle(Request& request, Next next) const {
  if (!concerns(request)) return next(request);
  if (const auto session = session_of(request))
    if (const auto address = endpoint_of(*session))
      request.endpoint_wish = request.arena.make<EndpointWish>(EndpointWish{*address, options_.strict});
  return follow(request, next);
}

Task<Response> StatefulSessionFilter::follow(Request& request, Next next) const {
  const EndpointWish* wish = request.endpoint_wish;
  auto rest = next(request);
  Response response = CO_TRY(co_await rest);
  if (response.local) {
    if (wish && wish->strict && request.info.outcome.kind == OutcomeKind::no_healthy_upstream) metrics_.refused->add();
    co_return response;
  }
  const bool keeps = wish && request.info.upstream_host == wish->address.to_string();
  (keeps ? metrics_.kept : wish ? metrics_.moved : metrics_.begun)->add();
  if (!keeps) tell(request, *response.headers);
  co_return response;
}

// Where it went.
void StatefulSessionFilter::tell(Request& request, Headers& headers) const {
  Arena& arena = request.arena;
  const std::string session = base64_encode(request.info.upstream_host);
  if (!options_.cookie_based) {
    headers.set(options_.header_based->header_name, arena.copy(session));
    request.keep_from_response_trailers(options_.header_based->header_name);
    return;
  }
  const std::string_view secure = request.scheme == "https" ? "; Secure" : "";
  headers.add("set-cookie", arena.concat(std::string_view(options_.cookie_based->cookie.name), std::string_view("="),
                                         std::string_view(session), std::string_view(cookie_attributes_), secure));
  request.keep_from_response_trailers("set-cookie");
}

}  // namespace sluice::stateful_session

namespace sluice {

const FilterFactory& stateful_session_filter() {
  static const stateful_session::Factory factory;
  return factory;
}

}  // namespace sluice
