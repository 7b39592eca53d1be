#include "filters/transformation/message_input.h"

namespace sluice::transformation {

std::optional<std::string_view> MessageInput::find_header(std::string_view name) const {
  return response_ ? response_->header(request_, name) : request_.header(name);
}

std::string_view MessageInput::request_header(std::string_view name) const {
  return request_.header(name).value_or("");
}

const templates::Json* MessageInput::dynamic_metadata(std::string_view name_space) const {
  const auto known = metadata_.find(name_space);
  if (known != metadata_.end()) return &known->second;
  templates::Json object = templates::Json::object();
  for (const MetadataEntry& entry : request_.info.metadata) {
    if (entry.filter_namespace != name_space) continue;
    auto value = templates::parse_json(entry.json);
    if (value) object[std::string(entry.key)] = *std::move(value);
  }
  return &metadata_.emplace(name_space, std::move(object)).first->second;
}

void keep_metadata(Request& request, std::string_view name_space, std::string_view key, std::string_view json) {
  const std::string_view kept = request.arena.copy(json);
  for (MetadataEntry& entry : request.info.metadata) {
    if (entry.filter_namespace != name_space || entry.key != key) continue;
    entry.json = kept;
    entry.owner.reset();
    return;
  }
  request.info.metadata.push_back({.filter_namespace = name_space, .key = key, .json = kept, .owner = {}});
}

}  // namespace sluice::transformation
