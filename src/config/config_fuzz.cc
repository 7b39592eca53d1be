// YAML (or JSON) to kinds: nothing may crash, every error has a sentence, and what is accepted prints and reads back.
#include <cstdlib>

#include "config/load.h"
#include "config/schema.h"

namespace sluice {
namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

void check_documents(std::string_view file) {
  const DocumentLimits limits{.bytes_max = 1 << 16, .depth_max = 64, .nodes_max = 20'000};
  const auto documents = parse_documents(file, limits);
  if (!documents) return must(!documents.error().message.empty());
  size_t end = 0;
  for (const Document& document : *documents) {
    must(document.begin >= end && document.end >= document.begin && document.end <= file.size());
    end = document.end;
    const auto again = parse_documents(to_yaml(document.node));
    must(again && again->size() == 1 && again->front().node == document.node);
    const auto json = parse_json(to_json(document.node));
    must(json && *json == document.node);
    must(hash_of(*json) == hash_of(document.node));
  }
}

}  // namespace
}  // namespace sluice

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  sluice::check_documents(file);
  const sluice::ConfigFile files[] = {{"fuzz.yaml", std::string(file)}};
  const auto config = sluice::load_config(files, {});
  for (const auto& diagnostic : config.diagnostics.all()) sluice::must(!diagnostic.to_string().empty());
  for (const auto& object : config.objects) sluice::must(object->kind != nullptr && !object->key.name.empty());
  return 0;
}
