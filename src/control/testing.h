// What tests of a Translator need around it.
#pragma once

#include "control/translate.h"
#include "filters/all.h"

namespace sluice {

inline TranslateOptions translate_options(Metrics& metrics, ResolverPool& resolvers, LogFiles& log_files) {
  TranslateOptions out;
  out.metrics = &metrics;
  out.loops = resolvers.loops();
  out.resolvers = &resolvers;
  out.log_files = &log_files;
  out.filters = all_filters();
  return out;
}

}  // namespace sluice
