// What tests of a Translator need around it.
#pragma once

#include <vector>

#include "control/translate.h"
#include "filters/all.h"

namespace sluice {

inline TranslateOptions translate_options(Metrics& metrics, ResolverPool& resolvers, LogFiles& log_files) {
  TranslateOptions out;
  out.metrics = &metrics;
  out.resolvers = &resolvers;
  out.log_files = &log_files;
  out.filters = all_filters();
  return out;
}

// The options of all filters, as kinds have them.
inline std::vector<OptionField> option_fields_of_all_filters() {
  std::vector<OptionField> fields;
  for (const FilterFactory* filter : all_filters())
    for (OptionField& field : filter->option_fields()) fields.push_back(std::move(field));
  return fields;
}

}  // namespace sluice
