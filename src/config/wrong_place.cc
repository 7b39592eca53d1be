#include "config/wrong_place.h"

#include <algorithm>

#include "base/strings.h"
#include "config/kinds/kinds.h"

namespace sluice {
namespace {

// "spec.virtualHost.routes[0].options" -> its parts; those of a list count whatever their number.
std::vector<std::string_view> parts_of(std::string_view path) {
  std::vector<std::string_view> parts;
  for (const std::string_view part : split(path, '.')) parts.push_back(part.substr(0, part.find('[')));
  return parts;
}

size_t common_parts(std::string_view a, std::string_view b) {
  const auto one = parts_of(a), other = parts_of(b);
  return static_cast<size_t>(std::ranges::mismatch(one, other).in1 - one.begin());
}

// What the object at the path is called.
std::string_view name_of(std::string_view path) {
  return parts_of(path).back();
}

// What the object is called in which the field at the path stands; "": it stands at the top.
std::string_view name_around(std::string_view path) {
  const auto parts = parts_of(path);
  return parts.size() < 2 ? std::string_view() : parts[parts.size() - 2];
}

// In every kind something is called so, whatever it holds.
bool says_nothing(std::string_view object) {
  return object.empty() || object == "spec" || object == "options";
}

}  // namespace

void WrongPlace::learn(const Schema& schema, const std::string& path, Parents& parents) {
  for (const SchemaField& field : schema.fields) {
    parents[field.name].push_back(path);
    std::string inner_path = path.empty() ? field.name : path + "." + field.name;
    const Schema* inner = &field.schema;
    for (; inner->element; inner = inner->element.get()) inner_path += inner->shape == Shape::list ? "[]" : ".*";
    learn(*inner, inner_path, parents);
  }
}

void WrongPlace::learn(const kinds::KindInfo& kind, Parents& parents) {
  if (!parents.empty() || !kind.describe) return;
  learn(kind.describe(option_fields_), kind.has_spec ? "spec" : "", parents);
  learn(describe<kinds::Metadata>(), "metadata", parents);
}

std::string WrongPlace::of_another_kind(std::string_view name, std::string_view object) {
  for (const kinds::KindInfo& other : kinds::all_kinds()) {
    if (&other == &kind_) continue;
    Parents& parents = others_[&other];
    learn(other, parents);
    if (const auto found = parents.find(name); found != parents.end())
      for (const std::string& parent : found->second)
        if (name_of(parent) == object) return fmt::format("{} of kind {}", parent, other.kind);
  }
  return {};
}

std::string WrongPlace::parent_of(std::string_view name, std::string_view path) {
  if (!kind_.describe) return {};
  learn(kind_, parents_);
  const std::string_view object = name_around(path);
  const auto found = parents_.find(name);
  const auto is_called_so = [&](const std::string& parent) { return name_of(parent) == object; };
  if (!says_nothing(object) && (found == parents_.end() || std::ranges::none_of(found->second, is_called_so)))
    if (std::string other = of_another_kind(name, object); !other.empty()) return other;
  if (found == parents_.end()) return {};
  const auto near = [&](const std::string& parent) {
    return std::tuple(is_called_so(parent), common_parts(parent, path), -static_cast<ptrdiff_t>(parent.size()));
  };
  return *std::ranges::max_element(found->second, {}, near);
}

}  // namespace sluice
