// What this program is made of.
#pragma once

#include <vector>

#include "config/option_field.h"
#include "filters/all.h"
#include "pipeline/filter.h"

namespace sluice {

inline std::vector<OptionField> all_option_fields() {
  std::vector<OptionField> out;
  for (const FilterFactory* filter : all_filters())
    for (OptionField& field : filter->option_fields()) out.push_back(std::move(field));
  return out;
}

}  // namespace sluice
