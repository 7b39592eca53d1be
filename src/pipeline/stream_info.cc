#include "pipeline/stream_info.h"

namespace sluice {

std::string StreamInfo::flags_text() const {
  if (flags == 0) return "-";
  std::string out;
  for (size_t i = 0; i < static_cast<size_t>(ResponseFlag::count); ++i) {
    if (!(flags >> i & 1)) continue;
    if (!out.empty()) out += ',';
    out += response_flag_name(static_cast<ResponseFlag>(i));
  }
  return out;
}

void StreamInfo::end(Outcome how, Arena& arena) {
  const OutcomeTerms& terms = how.terms();
  outcome = how;
  if (terms.flag) set(*terms.flag);
  details = terms.details;
  if (!terms.details_of_http2.empty() && protocol == "HTTP/2") details = terms.details_of_http2;
  if (!how.rule.empty()) details = details_with(details, how.rule, arena);
}

void StreamInfo::own_bytes(Arena& arena) {
  for (std::string_view* text :
       {&outcome.rule, &details, &method, &original_path, &rewritten_path, &protocol, &request_id, &route_name,
        &virtual_host_name, &upstream_cluster, &upstream_host, &upstream_local_address, &upstream_transport_failure,
        &destination, &downstream_remote})
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
