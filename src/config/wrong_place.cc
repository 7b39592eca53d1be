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

}  // namespace

void WrongPlace::learn(const Schema& schema, const std::string& path) {
  for (const SchemaField& field : schema.fields) {
    parents_[field.name].push_back(path);
    std::string inner_path = path.empty() ? field.name : path + "." + field.name;
    const Schema* inner = &field.schema;
    for (; inner->element; inner = inner->element.get()) inner_path += inner->shape == Shape::list ? "[]" : ".*";
    learn(*inner, inner_path);
  }
}

std::string WrongPlace::parent_of(std::string_view name, std::string_view path) {
  if (!kind_.describe) return {};
  if (parents_.empty()) {
    learn(kind_.describe(option_fields_), kind_.has_spec ? "spec" : "");
    learn(describe<kinds::Metadata>(), "metadata");
  }
  const auto found = parents_.find(name);
  if (found == parents_.end()) return {};
  const auto near = [&](const std::string& parent) {
    return std::pair(common_parts(parent, path), -static_cast<ptrdiff_t>(parent.size()));
  };
  return *std::ranges::max_element(found->second, {}, near);
}

}  // namespace sluice
