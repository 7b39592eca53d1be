#include "config/tree_builder.h"

#include <fmt/format.h>
#include <algorithm>

#include "base/strings.h"

namespace sluice {
namespace {

struct Measure {
  size_t nodes = 0;
  size_t text_bytes = 0;
  unsigned depth = 0;
};

Measure measure(const Node& node) {
  Measure out{.nodes = 1, .text_bytes = 0, .depth = 1};
  const auto add = [&](const Node& inner) {
    const Measure more = measure(inner);
    out.nodes += more.nodes;
    out.text_bytes += more.text_bytes;
    out.depth = std::max(out.depth, more.depth + 1);
  };
  if (const auto* text = node.text()) out.text_bytes = text->size();
  if (const auto* list = node.list())
    for (const Node& element : *list) add(element);
  if (const auto* map = node.map())
    for (const NodeMember& member : *map) {
      out.text_bytes += member.key.size();
      add(member.value);
    }
  return out;
}

}  // namespace

bool TreeBuilder::refuse(Place place, std::string message) {
  if (!refusal_) refusal_ = SyntaxError{place, std::move(message)};
  return false;
}

bool TreeBuilder::count(size_t nodes, size_t text_bytes, Place place) {
  nodes_ += nodes;
  text_bytes_ += text_bytes;
  if (nodes_ > limits_.nodes_max)
    return refuse(place, fmt::format("more than {} values once aliases are followed", limits_.nodes_max));
  // Text counts too: a long one could be repeated by aliases.
  if (text_bytes_ > 4 * limits_.bytes_max)
    return refuse(place, fmt::format("more than {} bytes of text once aliases are followed", 4 * limits_.bytes_max));
  return true;
}

bool TreeBuilder::add(Node value, Place place, size_t anchor) {
  if (refused()) return false;
  value.set_place(place);
  const auto* text = value.text();
  if (!count(1, text ? text->size() : 0, place)) return false;
  if (anchor != 0 && !remember(anchor, value, place)) return false;
  return attach(std::move(value), place);
}

bool TreeBuilder::open(bool is_map, Place place, size_t anchor) {
  if (refused()) return false;
  if (wants_key()) return refuse(place, "a map or a list cannot be a key");
  if (open_.size() >= limits_.depth_max)
    return refuse(place, fmt::format("nested deeper than {} levels", limits_.depth_max));
  if (!count(1, 0, place)) return false;
  Open& opened = open_.emplace_back();
  opened.node = is_map ? Node::make_map() : Node::make_list();
  opened.node.set_place(place);
  opened.is_map = is_map;
  opened.anchor = anchor;
  if (anchor != 0) {
    if (anchors_.size() <= anchor) anchors_.resize(anchor + 1);
    anchors_[anchor] = Anchor();  // not complete: an alias inside of it refers to itself
  }
  return true;
}

bool TreeBuilder::close() {
  if (refused()) return false;
  Open closed = std::move(open_.back());
  open_.pop_back();
  const Place place = closed.node.place();
  if (Node::Map* merged = closed.merged.map())
    for (NodeMember& member : *merged)
      if (!closed.node.find(member.key)) closed.node.map()->push_back(std::move(member));
  if (closed.anchor != 0 && !remember(closed.anchor, closed.node, place)) return false;
  return attach(std::move(closed.node), place);
}

bool TreeBuilder::key(std::string key, Place place) {
  if (refused()) return false;
  Open& open = open_.back();
  if (!count(0, key.size(), place)) return false;
  if (open.node.find(key)) {
    const Place first = place_at(open.node, fmt::format("[\"{}\"]", key));
    return refuse(
        place, fmt::format("duplicate key {}: it is already in line {}", json_quote(printable(key, 60)), first.line));
  }
  open.key = std::move(key);
  open.key_place = place;
  open.has_key = true;
  open.is_merge = false;
  return true;
}

bool TreeBuilder::merge_key(Place place) {
  if (refused()) return false;
  Open& open = open_.back();
  if (!open.merged.is_null()) return refuse(place, "duplicate key \"<<\"");
  open.merged = Node::make_map();
  open.key_place = place;
  open.has_key = true;
  open.is_merge = true;
  return true;
}

bool TreeBuilder::take_merge(Open& into, const Node& from, Place place) {
  if (const Node::List* list = from.list()) {
    for (const Node& element : *list) {
      if (!element.map()) return refuse(place, "<< takes a map or a list of maps");
      if (!take_merge(into, element, place)) return false;
    }
    return true;
  }
  const Node::Map* members = from.map();
  if (!members) return refuse(place, "<< takes a map or a list of maps");
  for (const NodeMember& member : *members)
    if (!into.merged.find(member.key)) into.merged.map()->push_back(member);
  return true;
}

bool TreeBuilder::attach(Node value, Place place) {
  if (open_.empty()) {
    if (root_) return refuse(place, "more than one value");
    root_ = std::move(value);
    return true;
  }
  Open& open = open_.back();
  if (!open.is_map) {
    open.node.list()->push_back(std::move(value));
    return true;
  }
  if (!open.has_key) return refuse(place, "a key must be text");
  open.has_key = false;
  if (open.is_merge) return take_merge(open, value, place);
  if (value.is_null()) value.set_place(open.key_place);  // a parser may only see the absence on a later line
  open.node.map()->push_back({std::move(open.key), std::move(value), open.key_place});
  return true;
}

bool TreeBuilder::remember(size_t anchor, const Node& node, Place place) {
  const Measure size = measure(node);
  if (!count(size.nodes, size.text_bytes, place)) return false;  // the copy that is kept
  if (anchors_.size() <= anchor) anchors_.resize(anchor + 1);
  anchors_[anchor] = {node, size.nodes, size.text_bytes, size.depth, true};
  return true;
}

bool TreeBuilder::alias(size_t anchor, Place place) {
  if (refused()) return false;
  if (anchor >= anchors_.size() || !anchors_[anchor].complete)
    return refuse(place, "an alias inside of its own anchor");
  const Anchor& target = anchors_[anchor];
  if (wants_key()) {
    if (const auto* text = target.node.text()) return key(*text, place);
    return refuse(place, "a key must be text");
  }
  if (open_.size() + target.depth > limits_.depth_max)
    return refuse(place, fmt::format("nested deeper than {} levels once aliases are followed", limits_.depth_max));
  if (!count(target.nodes, target.text_bytes, place)) return false;
  Node copy = target.node;
  copy.set_place(place);
  return attach(std::move(copy), place);
}

std::expected<Node, SyntaxError> TreeBuilder::take() {
  if (refusal_) return std::unexpected(std::move(*refusal_));
  if (!root_) return Node();
  return std::move(*root_);
}

}  // namespace sluice
