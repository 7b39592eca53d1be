#include "http/message_rules.h"

#include "base/strings.h"

namespace sluice {

bool expects_only_continue(const Headers& headers) {
  return equals_ignoring_case(*headers.get(Known::expect), "100-continue") && headers.count(Known::expect) == 1;
}

bool takes_trailers(const Headers& headers) {
  bool takes = false;
  if (const auto te = headers.joined(Known::te))
    for_each_token(*te, [&](std::string_view token) {
      takes |= equals_ignoring_case(trim(token.substr(0, token.find(';'))), "trailers");
    });
  return takes;
}

std::optional<uint64_t> parse_content_length(std::string_view value) {
  const auto length = parse_decimal(value);
  if (!length || *length > INT64_MAX) return std::nullopt;
  return length;
}

}  // namespace sluice
