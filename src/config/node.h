// A document as the user wrote it: a tree of values with the line and column of each.
//
// Maps keep the order of the document and are looked up in constant time, however large they are. Values own what they
// hold; moving is cheap, copying copies. Equality ignores positions. Nothing here is shared between threads by itself;
// a const Node may be read by many.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace sluice {

// Where something stands in its file; both count from 1, 0 means nowhere (a value made by the program).
struct Place {
  uint32_t line = 0;
  uint32_t column = 0;
};

class Node;
struct NodeMember;

// The members of a map, in order, each key once. Keys must not be changed in place: the index of a large map would not
// find them again.
class NodeMap {
 public:
  using iterator = std::vector<NodeMember>::iterator;
  using const_iterator = std::vector<NodeMember>::const_iterator;

  NodeMap();
  NodeMap(const NodeMap& other);
  NodeMap(NodeMap&&) noexcept;
  NodeMap& operator=(const NodeMap& other);
  NodeMap& operator=(NodeMap&&) noexcept;
  ~NodeMap();

  size_t size() const;
  bool empty() const;
  iterator begin();
  iterator end();
  const_iterator begin() const;
  const_iterator end() const;
  const NodeMember& front() const;
  const NodeMember& operator[](size_t i) const;

  const NodeMember* find(std::string_view key) const;
  NodeMember* find(std::string_view key);
  // Behind the others. The key must not be there yet.
  NodeMember& push_back(NodeMember member);
  // Costs as much as there are members behind it, so erase_if() is the way to take out many.
  bool erase(std::string_view key);
  template <class Predicate>
  size_t erase_if(Predicate predicate) {
    const size_t erased = std::erase_if(members_, predicate);
    if (erased > 0) make_index();
    return erased;
  }

 private:
  class Index;
  void make_index();

  std::vector<NodeMember> members_;
  std::unique_ptr<Index> index_;  // of a large map
};

class Node {
 public:
  using List = std::vector<Node>;
  using Map = NodeMap;

  Node();  // null
  Node(bool value);
  Node(int value);
  Node(unsigned value);
  Node(int64_t value);
  Node(uint64_t value);  // an int64_t where it fits
  Node(double value);    // an int64_t when it is whole, as JSON does not tell 1.0 from 1
  Node(std::string value);
  Node(std::string_view value);
  Node(const char* value);
  Node(List value);
  Node(Map value);
  Node(const Node&);
  Node(Node&&) noexcept;
  Node& operator=(const Node&);
  Node& operator=(Node&&) noexcept;
  ~Node();
  static Node make_list();
  static Node make_map();
  static Node make_map(std::initializer_list<std::pair<std::string_view, Node>> members);

  bool is_null() const { return value_.index() == 0; }
  const bool* boolean() const { return std::get_if<bool>(&value_); }
  const int64_t* integer() const { return std::get_if<int64_t>(&value_); }
  const uint64_t* big_integer() const { return std::get_if<uint64_t>(&value_); }  // above INT64_MAX only
  const double* real() const { return std::get_if<double>(&value_); }
  const std::string* text() const { return std::get_if<std::string>(&value_); }
  const List* list() const { return std::get_if<List>(&value_); }
  const Map* map() const { return std::get_if<Map>(&value_); }
  List* list() { return std::get_if<List>(&value_); }
  Map* map() { return std::get_if<Map>(&value_); }

  // "null", "true or false", "a whole number", "a number", "text", "a list", "a map".
  std::string_view type_name() const;

  // The value under the key; nullptr when this is no map or has no such key.
  const Node* find(std::string_view key) const;
  Node* find(std::string_view key);
  // The value under a path of keys, as {"metadata", "name"}.
  const Node* find(std::initializer_list<std::string_view> keys) const;
  // The text under the path, or "" when there is none.
  std::string_view text_at(std::initializer_list<std::string_view> keys) const;

  // Puts the value under the key, in place of one that is there. A value that is no map becomes an empty map first.
  Node& set(std::string_view key, Node value);
  bool erase(std::string_view key);
  // The map under the key; made when it is not there.
  Node& child(std::string_view key);

  Place place() const { return place_; }
  void set_place(Place place) { place_ = place; }

  friend bool operator==(const Node& a, const Node& b);

 private:
  std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string, List, Map> value_;
  Place place_;
};

struct NodeMember {
  std::string key;
  Node value;
  Place place;  // of the key
};

bool operator==(const NodeMember& a, const NodeMember& b);

inline size_t NodeMap::size() const {
  return members_.size();
}
inline bool NodeMap::empty() const {
  return members_.empty();
}
inline NodeMap::iterator NodeMap::begin() {
  return members_.begin();
}
inline NodeMap::iterator NodeMap::end() {
  return members_.end();
}
inline NodeMap::const_iterator NodeMap::begin() const {
  return members_.begin();
}
inline NodeMap::const_iterator NodeMap::end() const {
  return members_.end();
}
inline const NodeMember& NodeMap::front() const {
  return members_.front();
}
inline const NodeMember& NodeMap::operator[](size_t i) const {
  return members_[i];
}

inline Node::Node() = default;
inline Node::Node(Node&&) noexcept = default;
inline Node& Node::operator=(Node&&) noexcept = default;

// The same for equal trees, whatever the positions; for telling whether an object changed.
uint64_t hash_of(const Node& node);

// How many bytes the tree takes in memory, about.
size_t memory_of(const Node& node);

// JSON Merge Patch (RFC 7396): null removes, maps merge, everything else replaces.
void merge_patch(Node& target, const Node& patch);

// The place of what `path` names (as in "spec.virtualHost.routes[0].options"), or of the nearest parent that is there.
Place place_at(const Node& root, std::string_view path);

// JSON in one line, or indented by two. Doubles are printed so that they read back the same.
enum class JsonStyle : uint8_t { compact, indented };
std::string to_json(const Node& node, JsonStyle style = JsonStyle::compact);
void append_json(std::string& out, const Node& node);

// YAML in block style; text is quoted where a YAML reader could take it for something else. Ends with a line break.
std::string to_yaml(const Node& node);

}  // namespace sluice
