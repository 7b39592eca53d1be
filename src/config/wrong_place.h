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

  // The path of the object that the field belongs into, the nearest to `path`, where it stands; "" when no object of
  // the kind has such a field. The first call goes through all fields of the kind.
  std::string parent_of(std::string_view name, std::string_view path);

 private:
  void learn(const Schema& schema, const std::string& path);

  const kinds::KindInfo& kind_;
  std::span<const OptionField> option_fields_;
  std::map<std::string, std::vector<std::string>, std::less<>> parents_;  // by field
};

}  // namespace sluice
