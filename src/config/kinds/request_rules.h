// Parts of httpConnectionManagerSettings that say how requests of clients are read and changed (gloo-core.md 2.5).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/ip.h"
#include "config/kinds/header_manipulation.h"

namespace sluice::kinds {

enum class ServerHeaderTransformation : uint8_t { overwrite, append_if_absent, pass_through };
std::span<const EnumName> enum_names(ServerHeaderTransformation);

enum class EscapedSlashesAction : uint8_t { by_default, keep, reject, redirect, forward };
std::span<const EnumName> enum_names(EscapedSlashesAction);

enum class UnderscoresAction : uint8_t { allow, reject, drop };
std::span<const EnumName> enum_names(UnderscoresAction);

// Read into a range; bits behind the length do not count, as in Envoy.
struct CidrRange {
  std::string address_prefix;
  uint32_t prefix_len = 0;
  Cidr range;
};
void bind(Fields& f, CidrRange& range);

struct InternalAddressConfig {
  std::vector<CidrRange> cidr_ranges;
};
void bind(Fields& f, InternalAddressConfig& config);

struct EarlyHeaderManipulation {
  std::vector<RequestHeaderAddition> headers_to_add;
  std::vector<std::string> headers_to_remove;  // after those have been added
};
void bind(Fields& f, EarlyHeaderManipulation& manipulation);

struct UuidRequestIdConfig {};  // about traces alone, of which there are none
void bind(Fields& f, UuidRequestIdConfig& config);

}  // namespace sluice::kinds
