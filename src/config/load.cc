#include "config/load.h"

#include <fmt/format.h>
#include <algorithm>
#include <bit>
#include <map>
#include <optional>

#include "base/strings.h"
#include "config/broken_text.h"
#include "config/foreign.h"
#include "config/wrong_place.h"

namespace sluice {
namespace {

using kinds::KindInfo;

// Fields that an API server derives; they say nothing about what the user wants.
constexpr std::string_view kDerivedMetadata[] = {"uid",           "resourceVersion",   "generation",
                                                 "managedFields", "creationTimestamp", "selfLink"};

uint64_t wanted_hash(const Node& object) {
  uint64_t sum = 0;  // of the members, since their order makes no difference
  for (const NodeMember& member : *object.map()) {
    if (member.key == "status") continue;
    Node metadata;
    if (member.key == "metadata") {
      metadata = member.value;
      for (const std::string_view name : kDerivedMetadata) metadata.erase(name);
    }
    sum += hash_of(Node(member.key)) * (hash_of(metadata.is_null() ? member.value : metadata) | 1);
  }
  return sum;
}

// ---- Gloo's flattened form ----

// Gloo keeps flattened objects at <plural>/<namespace>/<name>.yaml; else a field that only one kind has tells it.
const KindInfo* flattened_kind(const Node& object, std::string_view file) {
  const auto parts = split(file, '/');
  if (parts.size() >= 3)
    for (const KindInfo& info : kinds::all_kinds())
      if (info.has_spec && info.plural == parts[parts.size() - 3]) return &info;
  const std::string_view name = flattened_kind_name(object);
  return name.empty() ? nullptr : kinds::kind_named(name);
}

bool is_flattened(const Node& object) {
  return !object.find("kind") && !object.find("apiVersion") && !object.find("spec") && object.find("metadata");
}

Node unflattened(Node object, const KindInfo& kind) {
  Node out = Node::make_map();
  out.set_place(object.place());
  Node spec = Node::make_map();
  spec.set_place(object.place());
  Node::Map& members = *out.map();
  members.push_back({"apiVersion", Node(kind.api_version()), object.place()});
  members.push_back({"kind", Node(kind.kind), object.place()});
  for (NodeMember& member : *object.map()) {
    if (member.key == "metadata")
      members.push_back(std::move(member));
    else if (member.key != "namespacedStatuses" && member.key != "status")
      spec.map()->push_back(std::move(member));
  }
  members.push_back({"spec", std::move(spec), object.place()});
  return out;
}

// ---- One object ----

// Of each kind that has been met: to learn its fields takes longer than to read an object.
using WrongPlaces = std::map<const KindInfo*, WrongPlace>;

class ObjectReader {
 public:
  ObjectReader(std::string_view file, std::span<const OptionField> options, WrongPlaces& elsewhere,
               Diagnostics& diagnostics)
      : context_{.file = std::string(file),
                 .object = {},
                 .diagnostics = &diagnostics,
                 .option_fields = options,
                 .redact = false},
        elsewhere_(elsewhere),
        reader_(context_) {}

  std::shared_ptr<ConfigObject> read(Node object, size_t begin, size_t end) {
    auto out = std::make_shared<ConfigObject>();
    out->file = context_.file;
    out->begin = begin;
    out->end = end;
    if (!object.map()) {
      reader_.wrong_type(object, "an object with apiVersion, kind and metadata");
      return nullptr;
    }
    out->flattened = is_flattened(object);
    if (!find_kind(object, *out)) return nullptr;
    const Node tree = out->flattened ? unflattened(std::move(object), *out->kind) : std::move(object);
    context_.redact = out->kind->kind == "Secret";
    context_.elsewhere = &elsewhere_.try_emplace(out->kind, *out->kind, context_.option_fields).first->second;
    read_metadata(tree, *out);
    if (out->kind->has_spec) check_top_level(tree);
    if (out->key.name.empty()) return nullptr;
    if (out->kind->supported)
      read_spec(tree, *out);
    else
      error_at(tree, "kind", fmt::format("kind {} is not supported yet", out->kind->kind));
    out->rejected = reader_.errors() > 0;
    out->hash = wanted_hash(tree);
    out->document = FrozenNode(tree);
    out->name_place = place_at(tree, "metadata.name");
    if (out->name_place.line == 0) out->name_place = tree.place();
    return out;
  }

 private:
  void error_at(const Node& object, std::string_view key, std::string message, std::string suggestion = {}) {
    const Reader::Step step(reader_, key);
    reader_.error(place_at(object, key), std::move(message), std::move(suggestion));
  }

  // Who the object is as far as it says so, for the messages about it.
  void name_object(const Node& object, std::string_view kind) {
    context_.object = {.kind = std::string(kind),
                       .ns = std::string(object.text_at({"metadata", "namespace"})),
                       .name = std::string(object.text_at({"metadata", "name"}))};
    for (std::string* part : {&context_.object.kind, &context_.object.ns, &context_.object.name})
      *part = printable(*part, 253);
    if (context_.object.ns.empty()) context_.object.ns = kinds::kDefaultNamespace;
  }

  bool find_kind(const Node& object, ConfigObject& out) {
    if (out.flattened) {
      out.kind = flattened_kind(object, context_.file);
      name_object(object, out.kind ? out.kind->kind : "");
      if (!out.kind)
        reader_.error(object.place(),
                      "no apiVersion and kind, and no field that tells the kind: begin with such as apiVersion: "
                      "gateway.solo.io/v1 and kind: VirtualService");
      return out.kind != nullptr;
    }
    const std::string kind(object.text_at({"kind"})), version(object.text_at({"apiVersion"}));
    name_object(object, kind);
    if (kind.empty()) error_at(object, "kind", "is required: such as VirtualService");
    if (version.empty()) error_at(object, "apiVersion", "is required: such as gateway.solo.io/v1");
    if (kind.empty() || version.empty()) return false;
    out.kind = kinds::find_kind(version, kind);
    if (out.kind) return true;
    if (const KindInfo* same_name = kinds::kind_named(kind)) {
      error_at(object, "apiVersion", fmt::format("{} has no kind {}", json_quote(printable(version, 60)), kind),
               same_name->api_version());
    } else {
      error_at(object, "kind", fmt::format("unknown kind {}", json_quote(printable(kind, 60))),
               std::string(kinds::nearest_kind(kind)));
    }
    return false;
  }

  void read_metadata(const Node& tree, ConfigObject& out) {
    const Node* metadata = tree.find("metadata");
    if (!metadata || metadata->is_null()) return error_at(tree, "metadata", "is required: with a name");
    const Reader::Step step(reader_, "metadata");
    read_value(kValueType<kinds::Metadata>, *metadata, &out.metadata, reader_);
    // An object without a good name cannot be told from others: it is not kept, but its other errors are still told.
    const std::string_view name = out.metadata.name;
    const bool usable = kinds::dns_subdomain_error(name).empty() && kinds::dns_label_error(out.metadata.ns).empty();
    out.key = {.kind = std::string(out.kind->kind), .ns = out.metadata.ns, .name = usable ? std::string(name) : ""};
    if (usable) context_.object = out.key;
  }

  void check_top_level(const Node& tree) {
    for (const NodeMember& member : *tree.map())
      if (member.key != "apiVersion" && member.key != "kind" && member.key != "metadata" && member.key != "spec" &&
          member.key != "status")
        unknown_field(member);
  }

  void read_spec(const Node& tree, ConfigObject& out) {
    if (!out.kind->has_spec) return out.kind->read(tree, reader_, out.spec);
    static const Node kEmpty = Node::make_map();
    const Node* spec = tree.find("spec");
    Node absent = kEmpty;
    absent.set_place(tree.place());
    if (!spec || spec->is_null()) spec = &absent;
    if (out.flattened) return out.kind->read(*spec, reader_, out.spec);
    const Reader::Step step(reader_, "spec");
    out.kind->read(*spec, reader_, out.spec);
  }

  void unknown_field(const NodeMember& member) {
    static constexpr std::string_view kFields[] = {"apiVersion", "kind", "metadata", "spec", "status"};
    const Reader::Step step(reader_, member.key);
    reader_.unknown_field(member.key, member.place, std::string(nearest(member.key, kFields).value_or("")));
  }

  ReadContext context_;
  WrongPlaces& elsewhere_;
  Reader reader_;
};

// ---- One file ----

// What a file holds that is somebody else's, each name once.
struct Skipped {
  std::vector<std::string> names;
  Place first;
  std::string remedy;
};

bool is_list(const Node& node) {
  const std::string_view kind = node.text_at({"kind"});
  return kind == "List" || (kind.ends_with("List") && node.find("items"));
}

void note(Diagnostics& diagnostics, const std::string& file, Place place, std::string message) {
  diagnostics.add({.severity = Severity::note, .file = file, .place = place, .message = std::move(message)});
}

void fill_in(PolicyGap& gap, const Diagnostic& why) {
  const uint32_t line = why.place.line;
  const bool named = why.object.kind == "EgressPolicy" && !why.object.name.empty();
  gap.subject = named ? fmt::format("{}{} (line {}) is not in force", gap.second_copy ? "a second " : "",
                                    why.object.to_string(), line)
                      : fmt::format("what may be an EgressPolicy (line {}) cannot be read", line);
  gap.word = named ? why.object.ns + "/" + why.object.name : fmt::format("line {}", line);
  gap.why = why.to_string();
  gap.file = why.file;
}

class FileParser {
 public:
  FileParser(std::string file, std::span<const OptionField> options, WrongPlaces& elsewhere)
      : file_(std::move(file)), options_(options), elsewhere_(elsewhere) {}

  std::shared_ptr<const ParsedFile> parse(std::vector<Document> documents) {
    for (Document& document : documents) load(std::move(document.node), document.begin, document.end);
    if (!skipped_.names.empty())
      note(out_.diagnostics, file_, skipped_.first,
           fmt::format("skipped, as not for sluice: {}", fmt::join(skipped_.names, ", ")) + skipped_.remedy);
    out_.documents.shrink_to_fit();
    return std::make_shared<const ParsedFile>(std::move(out_));
  }

  // The document as it was probably meant, of a file that cannot be parsed.
  ConfigObjectPtr guess(Node document, uint32_t line) {
    add_guess(std::move(document), line);
    return out_.guesses.empty() ? nullptr : std::move(out_.guesses.back());
  }

 private:
  void skip(const Node& node, std::string name) {
    if (skipped_.names.empty()) skipped_.first = node.place();
    if (node.text_at({"kind"}) == "Kustomization" || node.find("patches") || node.find("patchesStrategicMerge"))
      skipped_.remedy = "; `kustomize build FOLDER | sluice check -` checks what it makes";
    if (std::ranges::find(skipped_.names, name) == skipped_.names.end()) skipped_.names.push_back(std::move(name));
  }

  void load(Node node, size_t begin, size_t end) {
    if (is_list(node)) return load_list(node);
    add(std::move(node), begin, end);
  }

  // `kubectl get -o yaml` of several objects: a List, or a VirtualServiceList whose items may go without their kind.
  // They share the document, so none has bytes of its own.
  void load_list(Node& list) {
    Node* items = list.find("items");
    if (!items || !items->list()) {
      const Diagnostic why{.file = file_,
                           .place = items ? items->place() : list.place(),
                           .path = "items",
                           .message = "a List has a list of objects here"};
      out_.diagnostics.add(why);
      note_nameless(why);
      if (auto gap = sketch(list)) add_document(nullptr, std::move(gap), &why);
      return;
    }
    std::string_view kind = list.text_at({"kind"});
    kind.remove_suffix(std::string_view("List").size());
    for (Node& item : *items->list()) {
      if (!kind.empty() && item.map() && !item.find("kind")) {
        item.set("kind", Node(kind));
        if (!item.find("apiVersion")) item.set("apiVersion", Node(list.text_at({"apiVersion"})));
      }
      load(std::move(item), 0, 0);
    }
  }

  void note_nameless(const Diagnostic& why) {
    if (out_.nameless.empty()) out_.nameless = why.to_string();
  }

  void add(Node node, size_t begin, size_t end) {
    if (std::string name = foreign_name(node, file_); !name.empty()) return skip(node, std::move(name));
    const Place place = node.place();
    std::optional<PolicyGap> gap = sketch(node);
    std::optional<Node> guess = guessed(node);
    const size_t told = out_.diagnostics.all().size();
    auto object = ObjectReader(file_, options_, elsewhere_, out_.diagnostics).read(std::move(node), begin, end);
    if (object && !object->rejected) return add_document(std::move(object), std::move(gap), nullptr);
    const Diagnostic why = first_error(told, place);
    if (object) {
      object->error_line = why.place.line;
      if (gap) gap->key = object->key;
    } else {
      note_nameless(why);
      if (guess) add_guess(std::move(*guess), why.place.line);
    }
    if (object || gap) add_document(std::move(object), std::move(gap), &why);
  }

  // `why`: it is not in force.
  void add_document(ConfigObjectPtr object, std::optional<PolicyGap> gap, const Diagnostic* why) {
    ParsedFile::Document& document = out_.documents.emplace_back();
    document.object = std::move(object);
    if (!gap) return;
    if (why) fill_in(*gap, *why);
    document.gap = std::make_shared<const PolicyGap>(std::move(*gap));
  }

  // The document as it was probably meant, where it is none that can be told; nothing for other kinds: only of these
  // two somebody decides by what is not in force.
  std::optional<Node> guessed(const Node& document) const {
    if (!document.map()) return std::nullopt;
    const bool flattened = is_flattened(document);
    const std::string_view kind = document.text_at({"kind"}), version = document.text_at({"apiVersion"});
    const KindInfo* meant = flattened ? flattened_kind(document, file_) : kinds::find_kind(version, kind);
    const bool named = kinds::dns_subdomain_error(document.text_at({"metadata", "name"})).empty();
    if (meant && named) return std::nullopt;
    if (!meant) meant = kinds::kind_named(kinds::nearest_kind(kind));
    if (!meant && document.find({"spec", "virtualHost"})) meant = kinds::kind_named("VirtualService");
    if (!meant && (document.find({"spec", "bindPort"}) || document.find({"spec", "httpGateway"})))
      meant = kinds::kind_named("Gateway");
    if (!meant || (meant->kind != "VirtualService" && meant->kind != "Gateway")) return std::nullopt;
    Node out = document;
    if (!flattened) {
      out.set("kind", Node(meant->kind));
      out.set("apiVersion", Node(meant->api_version()));
    }
    if (named) return out;
    Node metadata = document.find("metadata") ? *document.find("metadata") : Node::make_map();
    metadata.set("name", Node("unnamed"));
    out.set("metadata", std::move(metadata));
    return out;
  }

  void add_guess(Node document, uint32_t line) {
    Diagnostics told_already;
    const auto object = ObjectReader(file_, options_, elsewhere_, told_already).read(std::move(document), 0, 0);
    if (!object) return;
    object->rejected = true;
    object->guessed = true;
    object->error_line = line;
    out_.guesses.push_back(object);
  }

  std::optional<PolicyGap> sketch(const Node& document) const {
    const KindInfo* kind = is_flattened(document) ? flattened_kind(document, file_) : nullptr;
    std::string_view name = kind ? kind->kind : std::string_view();
    // Among policies, or in a file that is called after one.
    if (name.empty() && document.text_at({"kind"}).empty() && may_hold_policy(file_, "")) name = "EgressPolicy";
    return policy_sketch(document, name);
  }

  // Of those from number `told` on; the place of the document when there are more errors than are kept.
  Diagnostic first_error(size_t told, Place place) const {
    for (const Diagnostic& one : out_.diagnostics.all().subspan(told))
      if (one.severity == Severity::error) return one;
    return {.file = file_, .place = place, .message = "has errors"};
  }

  const std::string file_;
  std::span<const OptionField> options_;
  WrongPlaces& elsewhere_;
  Skipped skipped_;
  ParsedFile out_;
};

// ---- All files ----

class Loader {
 public:
  Loader(std::span<const OptionField> options, KustomizePatches patches) : options_(options) {
    for (const auto& [path, of_it] : patches) patches_.insert(of_it.begin(), of_it.end());
    out_.patches = std::move(patches);
  }

  void load(const ConfigFile& file) {
    out_.files.emplace_back();
    if (file.unread) return;
    const uint64_t size = std::max<uint64_t>(file.size, file.bytes.size());
    if (size > kConfigFileBytesMax)
      return broken(file, {},
                    fmt::format("the file has {} bytes, more than the limit of {}", size, kConfigFileBytesMax),
                    /*too_large=*/true);
    bytes_ += size;
    if (bytes_ > kConfigBytesMax)
      return broken(file, {},
                    fmt::format("all files together have more than {} bytes; this one is left out", kConfigBytesMax));
    std::shared_ptr<const ParsedFile> parsed = file.parsed;
    std::vector<Document> documents;
    if (!parsed) {
      auto read = parse_documents(file.bytes);
      if (!read) return broken(file, read.error().place, std::move(read.error().message));
      documents = std::move(*read);
    }
    if (!patches_.empty() && patches_.contains(normal_path(file.path)))
      return note(out_.diagnostics, file.path, {}, "skipped: a patch for Kustomize, no object by itself");
    if (!parsed) parsed = FileParser(file.path, options_, elsewhere_).parse(std::move(documents));
    take_in(file.path, *parsed);
    out_.files.back() = std::move(parsed);
  }

  LoadedConfig take() {
    out_.diagnostics.sort_by_line();
    return std::move(out_);
  }

 private:
  // One that is too large was not looked into: it may hold anything.
  void broken(const ConfigFile& file, Place place, std::string message, bool too_large = false) {
    out_.broken_files.push_back(file.path);
    const Diagnostic why{.severity = Severity::error,
                         .file = file.path,
                         .place = place,
                         .object = {},
                         .path = {},
                         .message = std::move(message),
                         .suggestion = {}};
    out_.diagnostics.add(why);
    if (too_large || may_hold_policy(file.path, file.bytes))
      out_.gaps.push_back(gap_of_file(file.path, place.line, why.to_string()));
    if (auto service = service_in(file.bytes))
      if (auto guess = FileParser(file.path, options_, elsewhere_).guess(*std::move(service), place.line))
        out_.guesses.push_back(std::move(guess));
    if (too_large || may_hold_gateway(file.bytes)) {
      auto gateway = std::make_shared<ConfigObject>();
      gateway->kind = kinds::kind_named("Gateway");
      gateway->key = {.kind = "Gateway",
                      .ns = std::string(kinds::kDefaultNamespace),
                      .name = printable(std::string_view(file.path).substr(file.path.rfind('/') + 1), 255)};
      gateway->file = file.path;
      gateway->rejected = true;
      gateway->guessed = true;
      gateway->error_line = place.line;
      out_.guesses.push_back(std::move(gateway));
    }
  }

  void take_in(const std::string& path, const ParsedFile& parsed) {
    out_.diagnostics.append(parsed.diagnostics);
    if (!parsed.nameless.empty()) out_.files_with_nameless.try_emplace(path, parsed.nameless);
    for (const ParsedFile::Document& document : parsed.documents) take_in(document);
    out_.guesses.insert(out_.guesses.end(), parsed.guesses.begin(), parsed.guesses.end());
  }

  void take_in(const ParsedFile::Document& document) {
    const ConfigObjectPtr& object = document.object;
    if (document.gap && (!object || object->rejected)) out_.gaps.push_back(*document.gap);
    if (!object) return;
    const ConfigObject* first = out_.index.insert(object.get());
    if (first == object.get())
      out_.objects.push_back(object);
    else
      take_in_second(document, *first);
  }

  void take_in_second(const ParsedFile::Document& document, const ConfigObject& first) {
    const ConfigObject& object = *document.object;
    const Diagnostic why{.severity = Severity::error,
                         .file = object.file,
                         .place = object.name_place,
                         .object = object.key,
                         .path = "metadata.name",
                         .message = fmt::format("this object is also in {}:{}, which counts; remove one of the two",
                                                first.file, first.name_place.line),
                         .suggestion = {}};
    out_.diagnostics.add(why);
    if (object.hash == first.hash) return;  // it says the same
    if (document.gap && !object.rejected) {
      PolicyGap& gap = out_.gaps.emplace_back(*document.gap);
      gap.key = object.key;
      gap.second_copy = true;
      fill_in(gap, why);
    }
    auto copy = std::make_shared<ConfigObject>(object);
    copy->rejected = true;
    copy->error_line = why.place.line;
    out_.surplus.push_back(std::move(copy));
  }

  std::span<const OptionField> options_;
  std::set<std::string> patches_;  // normalised
  WrongPlaces elsewhere_;
  LoadedConfig out_;
  uint64_t bytes_ = 0;
};

size_t hash_of_key(const ObjectKey& key) {
  const size_t hash = ObjectKeyHash()(&key);
  return hash ^ (hash >> 32);
}

std::string counted(size_t n, std::string_view what) {
  return n == 0 ? fmt::format("no {}s", what) : fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
}

}  // namespace

size_t ObjectIndex::place_of(const ObjectKey& key, size_t hash) const {
  size_t at = hash & (slots_.size() - 1);
  while (slots_[at].object && (slots_[at].hash != hash || slots_[at].object->key != key))
    at = (at + 1) & (slots_.size() - 1);
  return at;
}

const ConfigObject* ObjectIndex::insert(const ConfigObject* object) {
  if (2 * (count_ + 1) > slots_.size()) reserve(std::max<size_t>(8, 2 * count_));
  const size_t hash = hash_of_key(object->key);
  Slot& slot = slots_[place_of(object->key, hash)];
  if (slot.object) return slot.object;
  slot = {hash, object};
  ++count_;
  return object;
}

bool ObjectIndex::contains(const ObjectKey& key) const {
  return !slots_.empty() && slots_[place_of(key, hash_of_key(key))].object;
}

void ObjectIndex::reserve(size_t objects) {
  const size_t size = std::bit_ceil(2 * objects + 2);
  if (size <= slots_.size()) return;
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(size));
  for (const Slot& slot : old)
    if (slot.object) slots_[place_of(slot.object->key, slot.hash)] = slot;
}

LoadedConfig load_config(std::span<const ConfigFile> files, std::span<const OptionField> option_fields,
                         const KustomizePatches& patches_before) {
  Loader loader(option_fields, kustomize_patches(files, patches_before));
  for (const ConfigFile& file : files) loader.load(file);
  return loader.take();
}

std::vector<ConfigObjectPtr> all_documents(const LoadedConfig& loaded) {
  std::vector<ConfigObjectPtr> out = loaded.objects;
  out.insert(out.end(), loaded.surplus.begin(), loaded.surplus.end());
  out.insert(out.end(), loaded.guesses.begin(), loaded.guesses.end());
  return out;
}

ConfigObjectPtr read_object(Node object, std::string_view file, std::span<const OptionField> option_fields,
                            Diagnostics& diagnostics) {
  WrongPlaces elsewhere;
  return ObjectReader(file, option_fields, elsewhere, diagnostics).read(std::move(object), 0, 0);
}

Node to_flattened(const Node& object) {
  Node out = Node::make_map();
  if (const Node* metadata = object.find("metadata")) out.set("metadata", *metadata);
  if (const Node* spec = object.find("spec"); spec && spec->map())
    for (const NodeMember& member : *spec->map()) out.set(member.key, member.value);
  return out;
}

std::string check_report(const LoadedConfig& config, size_t files) {
  return fmt::format("{}{} in {}: {}, {}\n", config.diagnostics.to_string(), counted(config.objects.size(), "object"),
                     counted(files, "file"), counted(config.diagnostics.errors(), "error"),
                     counted(config.diagnostics.warnings(), "warning"));
}

}  // namespace sluice
