#include <nlohmann/json.hpp>

#include "base/json_depth.h"
#include "pipeline/format_operator.h"

namespace sluice {
namespace {

using Json = nlohmann::json;
constexpr size_t kDepthMax = 64;  // printing recurses

// Discarded when it is no JSON.
Json parse(std::string_view text) {
  if (json_deeper_than(text, kDepthMax)) return Json(Json::value_t::discarded);
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

FormatValue print(const Json& value, std::string& scratch) {
  if (value.is_discarded() || value.is_null()) return {};
  if (value.is_string()) {
    scratch = value.get_ref<const std::string&>();
    return {FormatValue::Kind::text, scratch};
  }
  scratch = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  return {FormatValue::Kind::json, scratch};
}

// All entries of a namespace as one object.
FormatValue whole_namespace(const StreamInfo& info, std::string_view name, std::string& scratch) {
  Json all = Json::object();
  for (const MetadataEntry& entry : info.metadata)
    if (entry.filter_namespace == name) all[std::string(entry.key)] = parse(entry.json);
  return all.empty() ? FormatValue{} : print(all, scratch);
}

}  // namespace

FormatValue metadata_value(const StreamInfo& info, const std::vector<std::string>& path, std::string& scratch) {
  if (path.size() == 1) return whole_namespace(info, path[0], scratch);
  const MetadataEntry* entry = info.find_metadata(path[0], path[1]);
  if (!entry) return {};
  const Json root = parse(entry->json);
  const Json* at = &root;
  for (size_t i = 2; i < path.size(); ++i) {
    if (!at->is_object()) return {};
    const auto found = at->find(path[i]);
    if (found == at->end()) return {};
    at = &*found;
  }
  return print(*at, scratch);
}

}  // namespace sluice
