#include "main/offline.h"

#include "main/program.h"

namespace sluice {
namespace {

TranslateOptions options(Metrics& metrics, ResolverPool& resolvers) {
  TranslateOptions out;
  out.metrics = &metrics;
  out.resolvers = &resolvers;
  out.filters = all_filters();
  return out;
}

}  // namespace

Offline::Offline(std::span<const ConfigFile> files)
    : fields_(all_option_fields()),
      translator_(options(metrics_, resolvers_)),
      loaded(load_config(files, fields_)),
      translation(translator_.translate(loaded.objects)) {}

}  // namespace sluice
