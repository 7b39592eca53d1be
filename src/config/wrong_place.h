// Where a field belongs that stands where it does not: "timeout" of a virtual host is one of its routes'.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/option_field.h"

namespace sluice {

namespace kinds {
struct KindInfo;
}

class WrongPlace {
 public:
  // Of objects of the kind.
  WrongPlace(const kinds::KindInfo& kind, std::span<const OptionField> option_fields)
      : kind_(kind), option_fields_(option_fields) {}

  // The path of the object that the field at `path` belongs into: one that is called as the one it stands in (also of
  // another kind, which is named behind it: "spec.virtualHost of kind VirtualService"), else the nearest; "" when there
  // is none. The first calls go through all fields of the kind, and of the others.
  std::string parent_of(std::string_view name, std::string_view path);

 private:
  using Parents = std::map<std::string, std::vector<std::string>, std::less<>>;  // by field
  void learn(const Schema& schema, const std::string& path, Parents& parents);
  void learn(const kinds::KindInfo& kind, Parents& parents);
  std::string of_another_kind(std::string_view name, std::string_view object);

  const kinds::KindInfo& kind_;
  std::span<const OptionField> option_fields_;
  Parents parents_;
  std::map<const kinds::KindInfo*, Parents> others_;
};

}  // namespace sluice
