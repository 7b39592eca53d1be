// GET: one object, a list (by pages), or a watch.
#include <algorithm>
#include <set>

#include "base/encoding.h"
#include "base/strings.h"
#include "config/documents.h"
#include "control/api/api_server.h"
#include "control/api/discovery.h"

namespace sluice {
namespace {

constexpr uint64_t kPageMax = 100'000;
constexpr Nanos kWatchTimeoutDefault = 30min;
constexpr int64_t kWatchSecondsMax = int64_t{24} * 3600;

ApiOutcome<Selection> selection_of(const Query& query, const Kind& kind, std::string_view ns) {
  Selection selection{.ns = std::string(ns)};
  auto labels = LabelSelector::parse(query.get("labelSelector"));
  if (!labels) return bad_request("unable to parse requirement: labelSelector: " + labels.error().message);
  auto fields = FieldSelector::parse(query.get("fieldSelector"));
  if (!fields) return bad_request("invalid field selector: " + fields.error().message);
  // `kubectl describe` selects events by many fields; there are none anyway.
  if (const auto unknown = fields->unsupported_field(); !unknown.empty() && &kind != &kEventKind)
    return bad_request(fmt::format("field label not supported: {}", printable(unknown, 80)));
  selection.labels = std::move(*labels);
  selection.fields = std::move(*fields);
  return selection;
}

// A place in a list: the last object that was sent, and the version of the first page, from which a client may watch.
struct Continue {
  std::string version, ns, name;

  std::string token() const {
    return base64url_encode(to_json(Node::make_map({{"v", version}, {"ns", ns}, {"name", name}})));
  }
  static ApiOutcome<Continue> parse(std::string_view token) {
    const auto text = base64url_decode(token);
    const auto node = text ? parse_json(*text) : std::unexpected(SyntaxError());
    if (!node || !node->map()) return bad_request("continue key is not valid");
    Continue at{std::string(node->text_at({"v"})), std::string(node->text_at({"ns"})),
                std::string(node->text_at({"name"}))};
    if (!parse_decimal(at.version) || at.name.empty()) return bad_request("continue key is not valid");
    return at;
  }
  bool before(const Node& view) const {
    return std::pair(std::string_view(ns), std::string_view(name)) <
           std::pair(view.text_at({"metadata", "namespace"}), view.text_at({"metadata", "name"}));
  }
};

ApiOutcome<uint64_t> number_parameter(const Query& query, std::string_view name, uint64_t fallback) {
  const auto text = query.get(name);
  if (text.empty()) return fallback;
  const auto number = parse_decimal(text);
  if (!number)
    return bad_request(fmt::format("{}: Invalid value: \"{}\": expected a whole number", name, printable(text, 40)));
  return *number;
}

ApiOutcome<bool> boolean_parameter(const Query& query, std::string_view name) {
  const auto value = query.boolean(name);
  if (!value)
    return bad_request(
        fmt::format("{}: Invalid value: \"{}\": expected true or false", name, printable(query.get(name), 40)));
  return *value;
}

// A list is always of now. That fits every request but one for exactly an older state, or for one that is not there
// yet.
ApiOutcome<void> check_list_version(const Query& query, uint64_t now) {
  const uint64_t wanted = TRY(number_parameter(query, "resourceVersion", 0));
  const auto match = query.get("resourceVersionMatch");
  if (!match.empty() && match != "Exact" && match != "NotOlderThan")
    return bad_request("resourceVersionMatch: expected Exact or NotOlderThan");
  if (!match.empty() && query.get("resourceVersion").empty())
    return bad_request(
        "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided");
  if (match == "Exact" && wanted == 0)
    return bad_request("resourceVersionMatch: Exact is forbidden for resourceVersion 0");
  if (match == "Exact" && wanted != now)
    return gone(fmt::format("The provided resource version {} is not available", wanted));
  if (wanted > now)
    return std::unexpected(Failure{.code = 504,
                                   .reason = "Timeout",
                                   .message = fmt::format("Too large resource version: {}, current: {}", wanted, now),
                                   .causes = {{"ResourceVersionTooLarge", "Too large resource version", ""}},
                                   .retry_after_seconds = 1});
  return {};
}

std::unexpected<Failure> invalid_watch(std::string_view field, std::string_view why) {
  return std::unexpected(
      Failure{.code = 422,
              .reason = "Invalid",
              .message = fmt::format("ListOptions.meta.k8s.io \"\" is invalid: {}: Forbidden: {}", field, why),
              .group = "meta.k8s.io",
              .kind = "ListOptions",
              .causes = {{"FieldValueForbidden", fmt::format("Forbidden: {}", why), std::string(field)}}});
}

// `sendInitialEvents` asks for a bookmark behind the initial events: without bookmarks a client would wait for ever.
ApiOutcome<bool> wants_initial_events(const Query& query, bool bookmarks) {
  const auto match = query.get("resourceVersionMatch");
  if (!query.has("sendInitialEvents")) {
    if (!match.empty())
      return invalid_watch("resourceVersionMatch",
                           "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
    return false;
  }
  const bool wanted = TRY(boolean_parameter(query, "sendInitialEvents"));
  if (match != "NotOlderThan")
    return invalid_watch("resourceVersionMatch",
                         "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
  if (wanted && !bookmarks) return invalid_watch("sendInitialEvents", "sendInitialEvents needs allowWatchBookmarks");
  return wanted;
}

View namespace_view(std::string_view name, WallTime created, uint64_t version) {
  Node metadata = Node::make_map({{"name", name},
                                  {"uid", uid_of(fmt::format("Namespace/{}", name))},
                                  {"resourceVersion", fmt::to_string(version)},
                                  {"creationTimestamp", format_iso_seconds(created)}});
  metadata.child("labels").set("kubernetes.io/metadata.name", name);
  return View(Node::make_map({{"apiVersion", "v1"},
                              {"kind", "Namespace"},
                              {"metadata", std::move(metadata)},
                              {"status", Node::make_map({{"phase", "Active"}})}}));
}

}  // namespace

ApiOutcome<ApiAnswer> ApiServer::read(const ApiRequest& request, const Query& query, const Resource& resource) {
  const Representation as = TRY(Representation::choose(request, query));
  if (!resource.name.empty()) return get(as, request, resource);
  if (TRY(boolean_parameter(query, "watch"))) return watch(as, request, query, resource);
  return list(as, request, query, resource);
}

ApiOutcome<ApiAnswer> ApiServer::get(const Representation& as, const ApiRequest& request, const Resource& resource) {
  View view;
  if (resource.kind == &kNamespaceKind) {
    for (View& one : namespaces())
      if (one.tree().text_at({"metadata", "name"}) == resource.name) view = std::move(one);
  } else if (const StoredObject* object = store_.find(resource.key())) {
    view = object->view();
  }
  if (!view) return not_found(*resource.kind, resource.name);
  return ApiAnswer{.response = {.body = represent(as, *resource.kind, view, request.now)}};
}

ApiOutcome<ApiAnswer> ApiServer::list(const Representation& as, const ApiRequest& request, const Query& query,
                                      const Resource& resource) {
  const Selection selection = TRY(selection_of(query, *resource.kind, resource.ns));
  TRY(check_list_version(query, store_.version()));
  const uint64_t limit = TRY(number_parameter(query, "limit", 0));
  ListPage page{.items = select(*resource.kind, selection), .version = fmt::to_string(store_.version())};
  if (const auto token = query.get("continue"); !token.empty()) {
    const Continue at = TRY(Continue::parse(token));
    std::erase_if(page.items, [&at](const View& view) { return !at.before(view.tree()); });
    page.version = at.version;
  }
  const uint64_t page_size = limit == 0 ? kPageMax : std::min(limit, kPageMax);
  if (page.items.size() > page_size) {
    // Kubernetes says how many are left only where no selector is in the way.
    if (selection.labels.empty() && selection.fields.empty())
      page.remaining = static_cast<int64_t>(page.items.size() - page_size);
    page.items.resize(page_size);
    const Node last = page.items.back().tree();
    page.next = Continue{page.version, std::string(last.text_at({"metadata", "namespace"})),
                         std::string(last.text_at({"metadata", "name"}))}
                    .token();
  }
  return ApiAnswer{.response = {.body = represent_list(as, *resource.kind, page, request.now)}};
}

ApiOutcome<ApiAnswer> ApiServer::watch(const Representation& as, const ApiRequest& request, const Query& query,
                                       const Resource& resource) {
  if (*watches_ >= options_.watches_max) return too_many_requests("too many watches");
  WatchOptions options{.kind = resource.kind, .as = as, .version = store_.version()};
  options.selection = TRY(selection_of(query, *resource.kind, resource.ns));
  options.bookmarks = TRY(boolean_parameter(query, "allowWatchBookmarks"));
  options.initial_events_end = TRY(wants_initial_events(query, options.bookmarks));
  const uint64_t seconds = TRY(number_parameter(query, "timeoutSeconds", 0));
  options.ends_at = request.steady_now + (seconds == 0 ? kWatchTimeoutDefault
                                                       : Nanos(Seconds(std::min<uint64_t>(seconds, kWatchSecondsMax))));
  const uint64_t version = TRY(number_parameter(query, "resourceVersion", 0));
  const bool quiet = resource.kind == &kNamespaceKind || resource.kind == &kEventKind;
  if (version != 0 && !options.initial_events_end) {
    options.version = version;
  } else if (quiet) {
    options.initial = select(*resource.kind, options.selection);
  } else {
    options.list_first = true;
  }
  auto stream = quiet ? WatchStream::create_quiet(store_, std::move(options), request.steady_now)
                      : WatchStream::create(store_, std::move(options), request.steady_now);
  ++*watches_;
  stream->on_end([open = watches_] { --*open; });
  return ApiAnswer{.watch = std::move(stream)};
}

std::vector<View> ApiServer::select(const Kind& kind, const Selection& selection) const {
  std::vector<View> views;
  if (&kind == &kEventKind) return views;
  if (&kind == &kNamespaceKind) {
    views = namespaces();
  } else {
    for (const StoredObject* object : store_.list(kind.kind, selection.ns)) views.push_back(object->view());
  }
  std::erase_if(views, [&selection](const View& view) { return !selection.matches(view); });
  return views;
}

std::vector<View> ApiServer::namespaces() const {
  std::map<std::string_view, WallTime> found{{"default", store_.started()},
                                             {kinds::kDefaultNamespace, store_.started()}};
  for (const StoredObject* object : store_.list()) {
    WallTime& created = found.try_emplace(object->key.ns, object->created).first->second;
    created = std::min(created, object->created);
  }
  std::vector<View> views;
  views.reserve(found.size());
  for (const auto& [name, created] : found) views.push_back(namespace_view(name, created, store_.version()));
  return views;
}

}  // namespace sluice
