#include "config/node.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>

#include "base/strings.h"

namespace sluice {

Node::Node(bool value) : value_(value) {}
Node::Node(int value) : value_(int64_t{value}) {}
Node::Node(unsigned value) : value_(int64_t{value}) {}
Node::Node(int64_t value) : value_(value) {}
Node::Node(uint64_t value) {
  if (value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
    value_ = static_cast<int64_t>(value);
  else
    value_ = value;
}
// 1.0 and 1e3 are whole: JSON does not tell them apart, so neither do we.
Node::Node(double value) {
  constexpr double kExact = 9007199254740992;  // 2^53
  if (std::trunc(value) == value && std::abs(value) <= kExact)
    value_ = static_cast<int64_t>(value);
  else
    value_ = value;
}
Node::Node(std::string value) : value_(std::move(value)) {}
Node::Node(std::string_view value) : value_(std::string(value)) {}
Node::Node(const char* value) : value_(std::string(value)) {}
Node::Node(List value) : value_(std::move(value)) {}
Node::Node(Map value) : value_(std::move(value)) {}
Node::Node(const Node&) = default;
Node& Node::operator=(const Node&) = default;
Node::~Node() = default;

Node Node::make_list() {
  return Node(List());
}
Node Node::make_map() {
  return Node(Map());
}
Node Node::make_map(std::initializer_list<std::pair<std::string_view, Node>> members) {
  Node out = make_map();
  for (const auto& [key, value] : members) out.set(key, value);
  return out;
}

std::string_view Node::type_name() const {
  static constexpr std::string_view kNames[] = {"null",     "true or false", "a whole number", "a whole number",
                                                "a number", "text",          "a list",         "a map"};
  return kNames[value_.index()];
}

const Node* Node::find(std::string_view key) const {
  const Map* members = map();
  if (!members) return nullptr;
  const auto it = std::ranges::find(*members, key, &NodeMember::key);
  return it == members->end() ? nullptr : &it->value;
}

Node* Node::find(std::string_view key) {
  return const_cast<Node*>(std::as_const(*this).find(key));
}

const Node* Node::find(std::initializer_list<std::string_view> keys) const {
  const Node* at = this;
  for (const std::string_view key : keys)
    if (at) at = at->find(key);
  return at;
}

std::string_view Node::text_at(std::initializer_list<std::string_view> keys) const {
  const Node* at = find(keys);
  const std::string* found = at ? at->text() : nullptr;
  return found ? std::string_view(*found) : std::string_view();
}

Node& Node::set(std::string_view key, Node value) {
  if (!map()) value_ = Map();
  if (Node* there = find(key)) return *there = std::move(value);
  return map()->emplace_back(NodeMember{std::string(key), std::move(value), {}}).value;
}

bool Node::erase(std::string_view key) {
  Map* members = map();
  return members && std::erase_if(*members, [&](const NodeMember& m) { return m.key == key; }) > 0;
}

Node& Node::child(std::string_view key) {
  if (Node* there = find(key)) {
    if (!there->map()) *there = make_map();
    return *there;
  }
  return set(key, make_map());
}

bool operator==(const Node& a, const Node& b) {
  if (a.value_.index() != b.value_.index()) return false;
  const auto* members = a.map();
  if (!members) return a.value_ == b.value_;
  // The order of keys is for people; it makes no difference.
  return members->size() == b.map()->size() && std::ranges::all_of(*members, [&](const NodeMember& m) {
           const Node* other = b.find(m.key);
           return other && m.value == *other;
         });
}

bool operator==(const NodeMember& a, const NodeMember& b) {
  return a.key == b.key && a.value == b.value;
}

namespace {

uint64_t mix(uint64_t hash, uint64_t value) {
  hash ^= value;
  hash *= 0x9E3779B97F4A7C15;
  return hash ^ (hash >> 29);
}

uint64_t hash_bytes(std::string_view bytes) {
  uint64_t hash = 0xCBF29CE484222325;  // FNV-1a
  for (const char c : bytes) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return hash;
}

}  // namespace

uint64_t hash_of(const Node& node) {
  if (const auto* value = node.boolean()) return mix(1, *value);
  if (const auto* value = node.integer()) return mix(2, static_cast<uint64_t>(*value));
  if (const auto* value = node.big_integer()) return mix(3, *value);
  if (const auto* value = node.real()) return mix(4, std::bit_cast<uint64_t>(*value));
  if (const auto* value = node.text()) return mix(5, hash_bytes(*value));
  if (const auto* value = node.list()) {
    uint64_t hash = 6;
    for (const Node& element : *value) hash = mix(hash, hash_of(element));
    return hash;
  }
  if (const auto* value = node.map()) {
    uint64_t sum = 7;  // a sum, since order makes no difference
    for (const NodeMember& member : *value) sum += mix(hash_bytes(member.key), hash_of(member.value));
    return mix(8, sum);
  }
  return 9;
}

void merge_patch(Node& target, const Node& patch) {
  const Node::Map* members = patch.map();
  if (!members) {
    target = patch;
    return;
  }
  if (!target.map()) target = Node::make_map();
  for (const NodeMember& member : *members) {
    if (member.value.is_null()) {
      target.erase(member.key);
    } else {
      Node* there = target.find(member.key);
      merge_patch(there ? *there : target.set(member.key, Node()), member.value);
    }
  }
}

namespace {

// Takes one step off the front of a path: `.key`, `key`, `["a key"]` or `[3]`.
struct PathStep {
  std::string key;
  std::optional<uint64_t> index;
};

std::optional<PathStep> next_step(std::string_view& path) {
  if (path.starts_with('.')) path.remove_prefix(1);
  if (path.starts_with("[\"")) {
    const size_t end = path.find("\"]", 2);
    if (end == std::string_view::npos) return std::nullopt;
    PathStep step{.key = std::string(path.substr(2, end - 2)), .index = {}};
    path.remove_prefix(end + 2);
    return step;
  }
  if (path.starts_with('[')) {
    const size_t end = path.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    PathStep step{.key = {}, .index = parse_decimal(path.substr(1, end - 1))};
    path.remove_prefix(end + 1);
    return step.index ? std::optional(step) : std::nullopt;
  }
  const size_t end = std::min(path.find_first_of(".["), path.size());
  PathStep step{.key = std::string(path.substr(0, end)), .index = {}};
  path.remove_prefix(end);
  return step;
}

}  // namespace

Place place_at(const Node& root, std::string_view path) {
  const Node* at = &root;
  Place place = root.place();
  while (!path.empty()) {
    const auto step = next_step(path);
    if (!step) break;
    if (step->index) {
      const Node::List* list = at->list();
      if (!list || *step->index >= list->size()) break;
      at = &(*list)[*step->index];
      place = at->place();
      continue;
    }
    const Node::Map* members = at->map();
    if (!members) break;
    const auto it = std::ranges::find(*members, step->key, &NodeMember::key);
    if (it == members->end()) break;
    at = &it->value;
    place = it->place;
  }
  return place;
}

}  // namespace sluice
