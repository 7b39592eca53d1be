#include "control/api/api_server.h"

#include <algorithm>

#include "base/strings.h"
#include "control/api/discovery.h"

namespace sluice {
namespace {

// "[::1]:19001" is "::1", "localhost:19001" is "localhost". A port that is none makes the whole invalid: "".
std::string_view host_of(std::string_view authority) {
  if (authority.starts_with('[')) {
    const auto close = authority.find(']');
    if (close == authority.npos) return {};
    const auto rest = authority.substr(close + 1);
    if (!rest.empty() && (rest.front() != ':' || !parse_decimal(rest.substr(1)))) return {};
    return authority.substr(1, close - 1);
  }
  const auto colon = authority.find(':');
  if (colon == authority.npos) return authority;
  return parse_decimal(authority.substr(colon + 1)) ? authority.substr(0, colon) : std::string_view();
}

ApiResponse plain(std::string body, int status = 200) {
  return {.status = status, .content_type = "text/plain; charset=utf-8", .body = std::move(body)};
}

}  // namespace

ApiServer::ApiServer(ObjectStore& store, Database& database, ApiOptions options)
    : store_(store),
      database_(database),
      options_(std::move(options)),
      memory_(options_.bytes_max, options_.bytes_counts) {}

ApiAnswer ApiServer::handle(const ApiRequest& request) {
  auto answered = answer(request);
  if (!answered) return {.response = to_response(answered.error())};
  if (request.method == "HEAD") answered->response.body.clear();
  return std::move(*answered);
}

ApiResponse ApiServer::too_large() {
  return to_response(
      entity_too_large(fmt::format("Request entity too large: limit is {} bytes", ApiRequest::kBodyBytesMax)).error());
}

ApiResponse ApiServer::busy() {
  return to_response(too_many_requests("the requests under way hold as much memory as they may; try again").error());
}

// A page in a browser can make requests to a loopback port: it then sends its Origin, or, after DNS rebinding, the
// Host of its own site.
Status ApiServer::check_caller(const ApiRequest& request) const {
  if (request.has_header("origin"))
    return fail(ErrorKind::denied, "this API does not answer to web pages (Origin is set)");
  if (options_.callers == Callers::with_token) return {};
  const auto host = to_lower(host_of(request.header("host")));
  const bool own = host == "localhost" || host == "127.0.0.1" || host == "::1";
  if (host.empty() || !own)
    return fail(ErrorKind::denied,
                fmt::format("this API does not answer to the host \"{}\": use its own address or localhost",
                            printable(request.header("host"), 80)));
  // Another gateway whose policy opens loopback would bring its clients here.
  if (request.has_header("x-forwarded-proto"))
    return fail(ErrorKind::denied, "this API does not answer through a proxy (X-Forwarded-Proto is set)");
  return {};
}

ApiOutcome<ApiAnswer> ApiServer::answer(const ApiRequest& request) {
  if (auto allowed = check_caller(request); !allowed)
    return std::unexpected(Failure{.code = 403, .reason = "Forbidden", .message = allowed.error().message});
  const auto target = Target::parse(request.target);
  if (!target) return bad_request(target.error().message);
  const bool reads = request.method == "GET" || request.method == "HEAD";

  if (target->path.size() == 1 && (target->path[0] == "healthz" || target->path[0] == "livez") && reads)
    return ApiAnswer{.response = plain("ok")};
  if (target->path.size() == 1 && target->path[0] == "readyz" && reads) {
    const bool ready = !options_.ready || options_.ready();
    return ApiAnswer{.response = ready ? plain("ok") : plain("not ready", 503)};
  }
  if (auto discovered =
          discover(target->path, request.header("accept"), {options_.program_version, options_.option_fields})) {
    if (!reads) return method_not_allowed("only GET here");
    return ApiAnswer{.response = std::move(*discovered)};
  }
  auto resource = TRY(find_resource(*target));
  if (reads) return read(request, target->query, resource);
  // A name that came out empty must not mean all objects.
  if (target->ends_with_slash) return bad_request("the path ends with a slash: the name is missing");
  return write(request, target->query, std::move(resource));
}

ApiOutcome<ApiServer::Resource> ApiServer::find_resource(const Target& target) {
  std::span<const std::string> path = target.path;
  std::string whole;
  for (const std::string& segment : path) whole += "/" + segment;
  std::string group, version;
  if (path.size() >= 3 && path[0] == "api") {
    version = path[1];
    path = path.subspan(2);
  } else if (path.size() >= 4 && path[0] == "apis") {
    group = path[1];
    version = path[2];
    path = path.subspan(3);
  } else {
    return not_found(whole);
  }
  const bool core = group.empty() && version == "v1";
  Resource resource;
  if (core && path[0] == "namespaces" && path.size() <= 2) {
    resource.kind = &kNamespaceKind;
    if (path.size() == 2) resource.name = path[1];
    return resource;
  }
  if (path[0] == "namespaces") {
    if (path.size() < 3) return not_found(whole);
    resource.ns = path[1];
    path = path.subspan(2);
  }
  resource.kind = core && path[0] == "events" ? &kEventKind : find_stored_resource(group, version, path[0]);
  if (!resource.kind || path.size() > 2) return not_found(whole);  // there are no subresources
  if (path.size() == 2) resource.name = path[1];
  if (resource.ns.empty() && !resource.name.empty()) return not_found(whole);
  return resource;
}

}  // namespace sluice
