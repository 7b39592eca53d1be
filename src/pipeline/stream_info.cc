#include "pipeline/stream_info.h"

#include <array>

namespace sluice {

static_assert(static_cast<unsigned>(ResponseFlag::count) <= 32, "StreamInfo::flags has a bit for each");
namespace {

constexpr std::array<std::string_view, static_cast<size_t>(ResponseFlag::count)> kFlagNames = {
    "UH", "UF", "UO", "NR",  "UT",  "UC", "UR", "LR",   "URX", "NC",
    "DT", "DC", "SI", "DPE", "UPE", "DF", "RL", "UAEX", "OM"};

}  // namespace

std::string_view response_flag_name(ResponseFlag flag) {
  return kFlagNames[static_cast<size_t>(flag)];
}

std::string StreamInfo::flags_text() const {
  if (flags == 0) return "-";
  std::string out;
  for (size_t i = 0; i < kFlagNames.size(); ++i) {
    if (!(flags >> i & 1)) continue;
    if (!out.empty()) out += ',';
    out += kFlagNames[i];
  }
  return out;
}

void StreamInfo::own_bytes(Arena& arena) {
  for (std::string_view* text :
       {&details, &method, &original_path, &rewritten_path, &protocol, &request_id, &route_name, &virtual_host_name,
        &upstream_cluster, &upstream_host, &upstream_local_address, &upstream_transport_failure, &destination,
        &downstream_remote})
    *text = arena.copy(*text);
  for (MetadataEntry& entry : metadata) {
    entry.filter_namespace = arena.copy(entry.filter_namespace);
    entry.key = arena.copy(entry.key);
    if (!entry.owner) entry.json = arena.copy(entry.json);
  }
}

const MetadataEntry* StreamInfo::find_metadata(std::string_view filter_namespace, std::string_view key) const {
  for (const MetadataEntry& entry : metadata)
    if (entry.filter_namespace == filter_namespace && entry.key == key) return &entry;
  return nullptr;
}

}  // namespace sluice
