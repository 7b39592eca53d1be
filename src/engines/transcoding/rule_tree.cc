#include "engines/transcoding/rule_tree.h"

namespace sluice::transcoding {
namespace {

std::string key_of(std::string_view method, std::string_view verb) {
  std::string key(method);
  key += ':';
  key += verb;
  return key;
}

}  // namespace

bool RuleTree::add(std::string_view method, const PathTemplate& path, size_t rule) {
  Node* node = &root_;
  for (const std::string& segment : path.segments) {
    std::unique_ptr<Node>& next = segment == "*"    ? node->any
                                  : segment == "**" ? node->any_length
                                                    : node->children[segment];
    if (!next) next = std::make_unique<Node>();
    node = next.get();
  }
  if (!path.verb.empty()) verbs_.insert(path.verb);
  const auto [known, added] = node->rules.emplace(key_of(method, path.verb), rule);
  if (!added) known->second = kAmbiguous;
  return added;
}

std::optional<RuleTree::Found> RuleTree::find(std::string_view method, std::string_view path) const {
  if (!path.starts_with('/')) return std::nullopt;
  std::string_view verb;
  // Else it belongs to the last segment.
  if (const size_t colon = path.rfind(':'); colon != std::string_view::npos && colon > path.rfind('/'))
    if (verbs_.contains(path.substr(colon + 1))) {
      verb = path.substr(colon + 1);
      path = path.substr(0, colon);
    }
  Found found;
  while (path.ends_with('/')) path.remove_suffix(1);
  while (!path.empty()) {
    path.remove_prefix(1);
    found.segments.push_back(path.substr(0, path.find('/')));
    path.remove_prefix(found.segments.back().size());
  }
  const size_t* rule = find(root_, found.segments, {key_of(method, verb), key_of("*", verb)});
  if (!rule || *rule == kAmbiguous) return std::nullopt;
  found.rule = *rule;
  return found;
}

const size_t* RuleTree::rule_of(const Node& node, const Wanted& wanted) {
  for (const std::string* key : {&wanted.key, &wanted.key_of_any_method})
    if (const auto rule = node.rules.find(*key); rule != node.rules.end()) return &rule->second;
  return nullptr;
}

// As deep as the tree, whatever the path.
const size_t* RuleTree::find(const Node& node, Segments rest, const Wanted& wanted) {
  if (rest.empty())
    if (const size_t* rule = rule_of(node, wanted)) return rule;
  if (!rest.empty()) {
    if (const auto child = node.children.find(rest.front()); child != node.children.end())
      if (const size_t* rule = find(*child->second, rest.subspan(1), wanted)) return rule;
    if (node.any)
      if (const size_t* rule = find(*node.any, rest.subspan(1), wanted)) return rule;
  }
  if (!node.any_length) return nullptr;
  for (; !rest.empty(); rest = rest.subspan(1))
    if (const size_t* rule = find(*node.any_length, rest, wanted)) return rule;
  return rule_of(*node.any_length, wanted);
}

}  // namespace sluice::transcoding
