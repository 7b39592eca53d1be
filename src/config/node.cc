#include "config/node.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <random>

#include "base/strings.h"

namespace sluice {
namespace {

constexpr size_t kSmallMap = 16;  // up to here keys are compared one by one

uint64_t fold(uint64_t a, uint64_t b) {
  const auto product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// Of a key, with a seed of this process: nobody can choose keys that all fall on one place.
uint64_t seeded_hash(std::string_view key) {
  static const uint64_t seed = [] {
    std::random_device random;
    return (uint64_t{random()} << 32) | random();
  }();
  constexpr uint64_t kOdd = 0x9E3779B97F4A7C15;
  uint64_t hash = seed ^ key.size();
  for (; key.size() >= 8; key.remove_prefix(8)) {
    uint64_t word;
    std::memcpy(&word, key.data(), 8);
    hash = fold(hash ^ word, kOdd);
  }
  uint64_t rest = 0;
  std::memcpy(&rest, key.data(), key.size());
  return fold(hash ^ rest, kOdd ^ seed);
}

}  // namespace

// Positions of members by the hash of their key: open addressing with linear probing, at most half full.
class NodeMap::Index {
 public:
  explicit Index(const std::vector<NodeMember>& members) { fill(members); }

  const uint32_t* find(const std::vector<NodeMember>& members, std::string_view key) const {
    for (size_t at = home(key); slots_[at] != kFree; at = next(at))
      if (members[slots_[at]].key == key) return &slots_[at];
    return nullptr;
  }
  // Of the last of the members.
  void add(const std::vector<NodeMember>& members) {
    if (members.size() * 2 > slots_.size()) return fill(members);
    put(members.back().key, static_cast<uint32_t>(members.size() - 1));
  }

 private:
  static constexpr uint32_t kFree = std::numeric_limits<uint32_t>::max();

  size_t mask() const { return slots_.size() - 1; }
  size_t home(std::string_view key) const { return seeded_hash(key) & mask(); }
  size_t next(size_t at) const { return (at + 1) & mask(); }

  void put(std::string_view key, uint32_t position) {
    size_t at = home(key);
    while (slots_[at] != kFree) at = next(at);
    slots_[at] = position;
  }
  void fill(const std::vector<NodeMember>& members) {
    slots_.assign(std::bit_ceil(members.size() * 4), kFree);
    for (uint32_t i = 0; i < members.size(); ++i) put(members[i].key, i);
  }

  std::vector<uint32_t> slots_;
};

NodeMap::NodeMap() = default;
NodeMap::NodeMap(const NodeMap& other)
    : members_(other.members_), index_(other.index_ ? std::make_unique<Index>(*other.index_) : nullptr) {}
NodeMap::NodeMap(NodeMap&& other) noexcept = default;
NodeMap& NodeMap::operator=(const NodeMap& other) {
  if (this != &other) *this = NodeMap(other);
  return *this;
}
NodeMap& NodeMap::operator=(NodeMap&&) noexcept = default;
NodeMap::~NodeMap() = default;

const NodeMember* NodeMap::find(std::string_view key) const {
  if (index_) {
    const uint32_t* position = index_->find(members_, key);
    return position ? &members_[*position] : nullptr;
  }
  const auto it = std::ranges::find(members_, key, &NodeMember::key);
  return it == members_.end() ? nullptr : &*it;
}

NodeMember* NodeMap::find(std::string_view key) {
  return const_cast<NodeMember*>(std::as_const(*this).find(key));
}

NodeMember& NodeMap::push_back(NodeMember member) {
  members_.push_back(std::move(member));
  if (index_)
    index_->add(members_);
  else if (members_.size() > kSmallMap)
    make_index();
  return members_.back();
}

bool NodeMap::erase(std::string_view key) {
  const NodeMember* member = find(key);
  if (!member) return false;
  members_.erase(members_.begin() + (member - members_.data()));
  if (index_) make_index();  // a pass over all: whoever takes many out has a bound on it (kJsonPatchWorkMax)
  return true;
}

void NodeMap::make_index() {
  index_ = members_.size() > kSmallMap ? std::make_unique<Index>(members_) : nullptr;
}

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
  const NodeMember* member = members ? members->find(key) : nullptr;
  return member ? &member->value : nullptr;
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
  return map()->push_back({std::string(key), std::move(value), {}}).value;
}

bool Node::erase(std::string_view key) {
  Map* members = map();
  return members && members->erase(key);
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

size_t memory_of(const Node& node) {
  size_t bytes = sizeof(Node);
  if (const auto* text = node.text()) bytes += text->size();
  if (const auto* list = node.list())
    for (const Node& element : *list) bytes += memory_of(element);
  if (const auto* map = node.map())
    for (const NodeMember& member : *map)
      bytes += sizeof(NodeMember) - sizeof(Node) + member.key.size() + memory_of(member.value);
  return bytes;
}

void merge_patch(Node& target, const Node& patch) {
  const Node::Map* members = patch.map();
  if (!members) {
    target = patch;
    return;
  }
  if (!target.map()) target = Node::make_map();
  const auto is_null = [](const NodeMember& member) { return member.value.is_null(); };
  if (std::ranges::any_of(*members, is_null)) {  // all in one pass: each alone would move all behind it
    target.map()->erase_if([members, is_null](const NodeMember& there) {
      const NodeMember* said = members->find(there.key);
      return said && is_null(*said);
    });
  }
  for (const NodeMember& member : *members) {
    if (is_null(member)) continue;
    Node* there = target.find(member.key);
    merge_patch(there ? *there : target.set(member.key, Node()), member.value);
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
    const NodeMember* member = members->find(step->key);
    if (!member) break;
    at = &member->value;
    place = member->place;
  }
  return place;
}

}  // namespace sluice
