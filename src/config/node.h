// A document as the user wrote it: a tree of values with the line and column of each.
//
// Maps keep the order of the document. Values own what they hold; moving is cheap, copying copies. Equality ignores
// positions. Nothing here is shared between threads by itself; a const Node may be read by many.
#pragma once

#include <cstdint>
#include <initializer_list>
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

struct NodeMember;

class Node {
 public:
  using List = std::vector<Node>;
  using Map = std::vector<NodeMember>;

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

inline Node::Node() = default;
inline Node::Node(Node&&) noexcept = default;
inline Node& Node::operator=(Node&&) noexcept = default;

// The same for equal trees, whatever the positions; for telling whether an object changed.
uint64_t hash_of(const Node& node);

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
