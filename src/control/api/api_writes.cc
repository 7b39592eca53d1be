// POST, PUT, PATCH and DELETE.
//
// Every change is made to the body of an object, checked as a whole, and given to the database; the store, and so every
// watcher, sees it when it is on disk.
#include <algorithm>
#include <random>

#include "base/strings.h"
#include "control/api/api_server.h"
#include "control/api/discovery.h"
#include "control/api/object_path.h"
#include "control/api/request_body.h"

namespace sluice {
namespace {

constexpr size_t kWarningsMax = 20;
constexpr size_t kUnknownFieldsMax = 1000;
constexpr size_t kObjectMemoryMax = size_t{32} << 20;  // more than what the limits of a body allow

// Kubernetes knows what its own kinds are by the path alone, and clients count on it; a custom resource must say it.
void fill_in_type(const Kind& kind, Node& body) {
  if (!is_core(kind) || !body.map()) return;
  const auto given = [&body](std::string_view field, std::string_view other) {
    const auto text = body.text_at({field});
    return std::string(text.empty() ? other : text);
  };
  if (!body.text_at({"kind"}).empty() && !body.text_at({"apiVersion"}).empty()) return;
  Node filled =
      Node::make_map({{"apiVersion", given("apiVersion", kind.api_version())}, {"kind", given("kind", kind.kind)}});
  filled.set_place(body.place());
  for (NodeMember& member : *body.map())
    if (!filled.find(member.key)) filled.map()->push_back(std::move(member));
  body = std::move(filled);
}

// A body for this URL: kind and apiVersion must fit; a namespace that is absent is filled in.
ApiOutcome<void> check_address(const Kind& kind, std::string_view ns, Node& body) {
  if (!body.map()) return bad_request("the object must be a map");
  fill_in_type(kind, body);
  if (body.text_at({"kind"}) != kind.kind || body.text_at({"apiVersion"}) != kind.api_version())
    return bad_request(fmt::format("the object is \"{}\" of \"{}\", this is the place for \"{}\" of \"{}\"",
                                   printable(body.text_at({"kind"}), 80), printable(body.text_at({"apiVersion"}), 80),
                                   kind.kind, kind.api_version()));
  Node* metadata = body.find("metadata");
  if (!metadata || !metadata->map()) return bad_request("the object has no metadata");
  const auto own = metadata->text_at({"namespace"});
  if (own.empty()) {
    metadata->set("namespace", ns);
  } else if (own != ns) {
    return bad_request(
        fmt::format("the namespace of the provided object ({}) does not match the namespace sent on the request ({})",
                    printable(own, 80), ns));
  }
  return {};
}

std::string random_suffix() {
  static constexpr std::string_view kLetters = "bcdfghjklmnpqrstvwxz2456789";  // as Kubernetes: no words come of these
  std::random_device random;
  std::string suffix;
  for (int i = 0; i < 5; ++i) suffix += kLetters[random() % kLetters.size()];
  return suffix;
}

// RFC 7234 5.5, as Kubernetes sends it: 299 - "text".
std::string warning_field(std::string_view text) {
  std::string field = "299 - \"";
  for (const char c : printable(text, 1000)) {
    if (c == '"' || c == '\\') field += '\\';
    field += c;
  }
  return field + '"';
}

// What Kubernetes would act on and nothing here does: better said than kept without effect.
void refuse_what_has_no_effect(const Node& body, Diagnostics& diagnostics) {
  for (const auto field : {"finalizers", "ownerReferences"}) {
    if (const Node* value = body.find({"metadata", field}))
      diagnostics.add(
          {.place = value->place(), .path = fmt::format("metadata.{}", field), .message = "not supported yet"});
  }
  if (const Node* fixed = body.find("immutable"); fixed && *fixed == Node(true))
    diagnostics.add({.place = fixed->place(), .path = "immutable", .message = "true is not supported yet"});
}

ApiOutcome<void> check_preconditions(const Kind& kind, const StoredObject& there, std::string_view uid,
                                     std::string_view version) {
  if (!uid.empty() && uid != there.uid)
    return conflict(kind, there.key.name,
                    fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}",
                                printable(uid, 80), there.uid));
  if (!version.empty() && version != fmt::to_string(there.version))
    return conflict(kind, there.key.name,
                    "the object has been modified; please apply your changes to the latest version and try again");
  return {};
}

}  // namespace

ApiOutcome<ApiAnswer> ApiServer::write(const ApiRequest& request, const Query& query, Resource resource) {
  if (resource.kind == &kNamespaceKind && resource.name.empty() && request.method == "POST")
    return create_namespace(request);
  if (resource.kind == &kNamespaceKind || resource.kind == &kEventKind)
    return method_not_allowed(
        fmt::format("{} are read-only here: a namespace is there when an object is in it", resource.kind->plural));
  Write write{.request = request, .query = query, .resource = std::move(resource)};
  for (const auto mode : query.all("dryRun")) {
    if (mode != "All")
      return bad_request(
          fmt::format("dryRun: Unsupported value: \"{}\": supported values: \"All\"", printable(mode, 40)));
    write.dry_run = true;
  }
  if (const auto mode = query.get("fieldValidation"); mode == "Warn") {
    write.unknown_fields = Write::Unknown::warn;
  } else if (mode == "Ignore") {
    write.unknown_fields = Write::Unknown::ignore;
  } else if (!mode.empty() && mode != "Strict") {
    return bad_request("fieldValidation: supported values: \"Ignore\", \"Strict\", \"Warn\"");
  }
  const bool collection = write.resource.name.empty();
  if (request.method == "POST" && collection && !write.resource.ns.empty()) return create(write);
  // As in Kubernetes: nobody deletes in all namespaces by leaving one word out.
  if (request.method == "DELETE" && collection && !write.resource.ns.empty()) return remove_all(write);
  if (request.method == "PUT" && !collection) return update(write);
  if (request.method == "PATCH" && !collection) return patch(write);
  if (request.method == "DELETE" && !collection) return remove(write);
  return method_not_allowed("the server does not allow this method on the requested resource");
}

// Installers create the namespace before what comes into it, and go on where it is there.
ApiOutcome<ApiAnswer> ApiServer::create_namespace(const ApiRequest& request) const {
  Node body = TRY(parse_body(request));
  fill_in_type(kNamespaceKind, body);
  if (body.text_at({"kind"}) != kNamespaceKind.kind) return bad_request("the object is no Namespace");
  const auto name = body.text_at({"metadata", "name"});
  for (const View& one : namespaces())
    if (one.tree().text_at({"metadata", "name"}) == name) return already_exists(kNamespaceKind, name);
  return method_not_allowed(fmt::format(
      "namespaces are read-only here: \"{}\" is there as soon as an object is in it; leave its creation out",
      printable(name, 80)));
}

ApiOutcome<ApiAnswer> ApiServer::create(Write& write) {
  const Kind& kind = *write.resource.kind;
  Node body = TRY(parse_body(write.request));
  TRY(check_address(kind, write.resource.ns, body));
  Node& metadata = body.child("metadata");
  if (!metadata.text_at({"resourceVersion"}).empty())
    return bad_request("resourceVersion should not be set on objects to be created");
  if (metadata.text_at({"name"}).empty()) {
    const std::string prefix(metadata.text_at({"generateName"}));
    if (prefix.empty())
      return invalid_object(
          kind, "", {{"FieldValueRequired", "Required value: name or generateName is required", "metadata.name"}});
    metadata.set("name", prefix + random_suffix());
  }
  metadata.erase("generateName");
  write.resource.name = metadata.text_at({"name"});
  if (store_.find(write.resource.key())) return already_exists(kind, write.resource.name);
  return store(write, std::move(body), 201);
}

ApiOutcome<ApiAnswer> ApiServer::update(Write& write) {
  const StoredObject* there = store_.find(write.resource.key());
  if (!there) return not_found(*write.resource.kind, write.resource.name);
  Node body = TRY(parse_body(write.request));
  TRY(check_address(*write.resource.kind, write.resource.ns, body));
  return store_changed(write, *there, std::move(body));
}

ApiOutcome<ApiAnswer> ApiServer::patch(Write& write) {
  // Before the object is looked for: who tries a kind of patch that is not to be had goes on with another, also to
  // create.
  const PatchType type = TRY(patch_type(*write.resource.kind, write.request));
  const StoredObject* there = store_.find(write.resource.key());
  if (!there) return not_found(*write.resource.kind, write.resource.name);
  Node body = TRY(apply_patch(type, *write.resource.kind, write.resource.name, write.request, there->view().tree()));
  TRY(check_address(*write.resource.kind, write.resource.ns, body));
  return store_changed(write, *there, std::move(body));
}

// `body` may carry the metadata of the view it was made from: what it says of uid and version must still hold.
ApiOutcome<ApiAnswer> ApiServer::store_changed(Write& write, const StoredObject& there, Node body) {
  const Kind& kind = *write.resource.kind;
  if (body.text_at({"metadata", "name"}) != write.resource.name)
    return bad_request(fmt::format("the name of the object ({}) does not match the name on the URL ({})",
                                   printable(body.text_at({"metadata", "name"}), 80), write.resource.name));
  TRY(check_preconditions(kind, there, body.text_at({"metadata", "uid"}),
                          body.text_at({"metadata", "resourceVersion"})));
  return store(write, std::move(body), 200);
}

// Reads the body as its kind. Fields that do not exist are dropped first where the client asked for that.
ApiOutcome<ConfigObjectPtr> ApiServer::understand(Write& write, Node& body) const {
  normalize(body);
  for (;;) {
    Diagnostics diagnostics(kUnknownFieldsMax);
    ConfigObjectPtr object = read_object(body, "", options_.option_fields, diagnostics);
    refuse_what_has_no_effect(body, diagnostics);
    if (object && !object->rejected && diagnostics.errors() == 0 && options_.check)
      options_.check(*object, diagnostics);
    bool dropped = false;
    // With more, each round of dropping would read all of the object again.
    const std::span droppable = diagnostics.full() ? std::span<const Diagnostic>() : diagnostics.all();
    for (const Diagnostic& one : droppable) {
      const bool unknown = one.severity == Severity::error && one.message.starts_with("unknown field");
      if (!unknown || write.unknown_fields == Write::Unknown::refuse || !erase_path(body, one.path)) continue;
      dropped = true;
      if (write.unknown_fields == Write::Unknown::warn)
        write.warnings.push_back(fmt::format("unknown field \"{}\"", one.path));
    }
    if (dropped) continue;
    if (diagnostics.errors() > 0 || !object || object->rejected)
      return invalid_object(*write.resource.kind, write.resource.name, diagnostics);
    for (const Diagnostic& one : diagnostics.all())
      write.warnings.push_back(one.path.empty() ? one.sentence() : one.path + ": " + one.sentence());
    return object;
  }
}

ApiOutcome<ApiAnswer> ApiServer::store(Write& write, Node body, int status) {
  const Kind& kind = *write.resource.kind;
  // Patches could make an object grow beyond what anybody could send.
  if (memory_of(body) > kObjectMemoryMax) return entity_too_large("the object would be too large");
  const ConfigObjectPtr object = TRY(understand(write, body));
  const StoredObject* there = store_.find(write.resource.key());
  ObjectStore::Preview after = store_.preview(object, write.request.now);
  if (!write.dry_run && (!there || after.changed)) {
    if (auto written = database_.put(object, write.request.now); !written)
      return write_failed(kind, write.resource.name, written.error());
    const StoredObject* stored = store_.find(write.resource.key());
    if (stored) after.object = *stored;
  }
  const Representation as = TRY(Representation::choose(write.request, write.query));
  ApiAnswer answer{
      .response = {.status = status, .body = represent(as, kind, View(std::move(after.object)), write.request.now)}};
  for (const std::string& warning : std::span(write.warnings).first(std::min(write.warnings.size(), kWarningsMax)))
    answer.response.headers.emplace_back("warning", warning_field(warning));
  return answer;
}

// The DeleteOptions in the body, if there are any. Nothing here depends on another object, so that every propagation
// policy means the same.
ApiOutcome<void> ApiServer::read_delete_options(Write& write, const StoredObject* there) {
  if (trim(write.request.body).empty()) return {};
  const Node options = TRY(parse_body(write.request));
  const auto kind = options.text_at({"kind"});
  if (!options.map() || (!kind.empty() && kind != "DeleteOptions"))
    return bad_request("the body of a DELETE must be DeleteOptions");
  if (const Node* dry_run = options.find("dryRun"); dry_run && dry_run->list() && !dry_run->list()->empty())
    write.dry_run = true;
  if (!there) return {};
  return check_preconditions(*write.resource.kind, *there, options.text_at({"preconditions", "uid"}),
                             options.text_at({"preconditions", "resourceVersion"}));
}

ApiOutcome<ApiAnswer> ApiServer::remove(Write& write) {
  const Kind& kind = *write.resource.kind;
  const StoredObject* there = store_.find(write.resource.key());
  if (!there) return not_found(kind, write.resource.name);
  TRY(read_delete_options(write, there));
  const Node status = success_status(kind, write.resource.name, there->uid);
  if (!write.dry_run) {
    if (auto erased = database_.erase(write.resource.key()); !erased)
      return write_failed(kind, write.resource.name, erased.error());
  }
  return ApiAnswer{.response = {.body = to_json(status) + "\n"}};
}

// Answers with the list of what was deleted. Stops at the first file that cannot be changed: what was in those before
// it is gone.
ApiOutcome<ApiAnswer> ApiServer::remove_all(Write& write) {
  const Kind& kind = *write.resource.kind;
  Selection selection{.ns = write.resource.ns};
  auto labels = LabelSelector::parse(write.query.get("labelSelector"));
  auto fields = FieldSelector::parse(write.query.get("fieldSelector"));
  if (!labels) return bad_request("labelSelector: " + labels.error().message);
  if (!fields) return bad_request("fieldSelector: " + fields.error().message);
  if (!fields->unsupported_field().empty())
    return bad_request(fmt::format("field label not supported: {}", printable(fields->unsupported_field(), 80)));
  selection.labels = std::move(*labels);
  selection.fields = std::move(*fields);
  TRY(read_delete_options(write, nullptr));
  ListPage page{.items = select(kind, selection)};
  if (!write.dry_run) {
    const ObjectStore::Batch batch(store_);  // one new snapshot for all
    std::vector<ObjectKey> keys;
    keys.reserve(page.items.size());
    for (const View& view : page.items) keys.push_back(key_of(view.tree()));
    if (auto erased = database_.erase_all(keys); !erased) return write_failed(kind, "", erased.error());
  }
  page.version = fmt::to_string(store_.version());
  return ApiAnswer{.response = {.body = represent_list({}, kind, page, write.request.now)}};
}

}  // namespace sluice
