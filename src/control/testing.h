// What tests of a Translator need around it.
#pragma once

#include "control/translate.h"
#include "filters/all.h"
#include "io/loop.h"
#include "observe/log_file.h"

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

// A Translator with all that it needs.
class WithTranslator {
 protected:
  Metrics metrics_{2};
  LogFiles log_files_{2, metrics_};
  Loop loop_;
  OwnedLoops loops_{{&loop_}};
  ResolverPool resolvers_{loops_};
  Translator translator_{translate_options(metrics_, resolvers_, log_files_)};
};

}  // namespace sluice
