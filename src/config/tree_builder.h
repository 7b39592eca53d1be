// Builds a Node from the events of a parser and holds the limits: depth, values, copies by aliases, duplicate keys.
//
// Every call says whether to go on; after a refusal nothing more is taken.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "config/documents.h"

namespace sluice {

class TreeBuilder {
 public:
  explicit TreeBuilder(const DocumentLimits& limits) : limits_(limits) {}

  bool scalar(Node value, Place place) { return add(std::move(value), place, 0); }
  bool begin_map(Place place, size_t anchor = 0) { return open(true, place, anchor); }
  bool begin_list(Place place, size_t anchor = 0) { return open(false, place, anchor); }
  bool key(std::string key, Place place);
  bool merge_key(Place place);  // YAML's <<
  bool end_map() { return close(); }
  bool end_list() { return close(); }

  // YAML's anchors and aliases: an anchored scalar, and the value of an anchor once more.
  bool anchored_scalar(Node value, Place place, size_t anchor) { return add(std::move(value), place, anchor); }
  bool alias(size_t anchor, Place place);

  bool wants_key() const { return !open_.empty() && open_.back().is_map && !open_.back().has_key; }
  bool refuse(Place place, std::string message);  // returns false; the first refusal counts
  bool refused() const { return refusal_.has_value(); }
  size_t nodes() const { return nodes_; }
  void count_from(size_t nodes) { nodes_ = nodes; }  // of earlier documents of the file

  // The tree, or why there is none.
  std::expected<Node, SyntaxError> take();

 private:
  struct Open {
    Node node;
    size_t anchor = 0;
    bool is_map = false;
    bool has_key = false;
    bool is_merge = false;
    std::string key;
    Place key_place;
    Node merged;  // what << brought
  };
  struct Anchor {
    Node node;
    size_t nodes = 0;
    size_t text_bytes = 0;
    unsigned depth = 0;
    bool complete = false;
  };

  bool add(Node value, Place place, size_t anchor);
  bool open(bool is_map, Place place, size_t anchor);
  bool close();
  bool attach(Node value, Place place);
  bool take_merge(Open& into, const Node& from, Place place);
  bool remember(size_t anchor, const Node& node, Place place);
  bool count(size_t nodes, size_t text_bytes, Place place);

  DocumentLimits limits_;
  std::vector<Open> open_;
  std::vector<Anchor> anchors_;
  std::optional<Node> root_;
  std::optional<SyntaxError> refusal_;
  size_t nodes_ = 0;
  size_t text_bytes_ = 0;
};

}  // namespace sluice
