#include "config/kinds/request_rules.h"

#include <fmt/format.h>

#include "base/strings.h"

namespace sluice::kinds {
namespace {

constexpr EnumName kServerHeaderNames[] = {
    {"OVERWRITE", static_cast<int64_t>(ServerHeaderTransformation::overwrite)},
    {"APPEND_IF_ABSENT", static_cast<int64_t>(ServerHeaderTransformation::append_if_absent)},
    {"PASS_THROUGH", static_cast<int64_t>(ServerHeaderTransformation::pass_through)}};
constexpr EnumName kEscapedSlashesNames[] = {
    {"IMPLEMENTATION_SPECIFIC_DEFAULT", static_cast<int64_t>(EscapedSlashesAction::by_default)},
    {"KEEP_UNCHANGED", static_cast<int64_t>(EscapedSlashesAction::keep)},
    {"REJECT_REQUEST", static_cast<int64_t>(EscapedSlashesAction::reject)},
    {"UNESCAPE_AND_REDIRECT", static_cast<int64_t>(EscapedSlashesAction::redirect)},
    {"UNESCAPE_AND_FORWARD", static_cast<int64_t>(EscapedSlashesAction::forward)}};
constexpr EnumName kUnderscoresNames[] = {{"ALLOW", static_cast<int64_t>(UnderscoresAction::allow)},
                                          {"REJECT_CLIENT_REQUEST", static_cast<int64_t>(UnderscoresAction::reject)},
                                          {"DROP_HEADER", static_cast<int64_t>(UnderscoresAction::drop)}};

}  // namespace

std::span<const EnumName> enum_names(ServerHeaderTransformation) {
  return kServerHeaderNames;
}
std::span<const EnumName> enum_names(EscapedSlashesAction) {
  return kEscapedSlashesNames;
}
std::span<const EnumName> enum_names(UnderscoresAction) {
  return kUnderscoresNames;
}

void bind(Fields& f, CidrRange& r) {
  f.required("addressPrefix", r.address_prefix, "An IP address.");
  f.optional("prefixLen", r.prefix_len, "How many of its first bits count; 0: every address of its family.");
  if (!f.present("addressPrefix")) return;
  const auto address = IpAddress::parse(r.address_prefix);
  f.check(address.has_value(), "addressPrefix", "malformed IP address: " + printable(r.address_prefix, 60));
  if (!address) return;
  f.in_range("prefixLen", r.prefix_len, 0, address->bit_count());
  if (r.prefix_len <= address->bit_count())
    r.range = {masked(*address, static_cast<uint8_t>(r.prefix_len)), static_cast<uint8_t>(r.prefix_len)};
}

void bind(Fields& f, InternalAddressConfig& c) {
  f.without_effect("unixSockets", "clients come by TCP only");
  f.optional("cidrRanges", c.cidr_ranges,
             "Clients from these are internal: with useRemoteAddress, or one entry in `x-forwarded-for`, they may send "
             "`x-envoy-*` headers and an `x-request-id`.");
}

void bind(Fields& f, EarlyHeaderManipulation& m) {
  f.optional("headersToAdd", m.headers_to_add, "Headers to set before a route is chosen.");
  f.optional("headersToRemove", m.headers_to_remove, "Headers to take off then, after those have been added.");
  // The same rules as behind the route.
  for (size_t i = 0; i < m.headers_to_add.size(); ++i)
    if (const auto& header = m.headers_to_add[i].header)
      if (std::string why = request_header_error(header->key); !why.empty() && f.good("headersToAdd"))
        f.error("headersToAdd", i, std::move(why));
  for (size_t i = 0; i < m.headers_to_remove.size(); ++i)
    if (std::string why = request_header_error(m.headers_to_remove[i]); !why.empty() && f.good("headersToRemove"))
      f.error("headersToRemove", i, std::move(why));
}

void bind(Fields& f, UuidRequestIdConfig&) {
  bool pack_trace_reason = true, use_request_id_for_trace_sampling = true;
  f.optional("packTraceReason", pack_trace_reason, "Write into `x-request-id` why a request is traced.");
  f.optional("useRequestIdForTraceSampling", use_request_id_for_trace_sampling, "Sample traces by `x-request-id`.");
  // Both are about traces alone: without any, an x-request-id is the same whatever they say.
  for (const std::string_view name : {"packTraceReason", "useRequestIdForTraceSampling"})
    if (f.present(name) && f.good(name)) f.warning(name, "has no effect: nothing is traced");
}

}  // namespace sluice::kinds
