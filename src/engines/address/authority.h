// Reads the name of a dynamic destination: host[:port], as a template, a header or a client's Host gives it.
//
// Stricter than a URI: whatever browsers, libc and proxies read in different ways is refused, so that the name that
// was checked is the name that is resolved, verified and forwarded.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "base/ip.h"
#include "base/result.h"

namespace sluice {

inline constexpr size_t kNameBytesMax = 253;  // RFC 1035 3.1, as text without the trailing dot
inline constexpr size_t kLabelBytesMax = 63;

// Room for the canonical host where it is not spelled that way in the text.
struct HostScratch {
  std::array<char, kNameBytesMax + 1> bytes;
};

// Views point into the text that was parsed or into the scratch: both must outlive it.
struct Authority {
  std::string_view host;             // lower case, without the trailing dot; an address as RFC 5952, no brackets
  std::optional<IpAddress> address;  // when the host is a literal
  uint16_t port = 0;                 // 0: none was given
  // The host is spelled like a name, but no DNS query can carry it: an empty label (".mypaas.test"), a label over 63
  // bytes, a name over 253. Answer 503 dns_resolution_failure{invalid_name} and send no packet.
  bool unresolvable_name = false;
};

enum class AuthorityUse : uint8_t {
  host,     // Host, :authority, computed hosts: the port may be absent, or empty behind its colon
  connect,  // CONNECT: the port is required
};

// The error (kind `invalid`, side downstream: a 400) names the offence. Refused: user-info, whitespace, control bytes,
// % / ? # @ \ and all else that is not a letter, digit, '-', '_' or '.'; bytes over 0x7F (fullwidth digits too); an
// IPv6 address without brackets, with a zone, IPvFuture; names that libc or browsers read as an IPv4 address (hex,
// octal, short, last label of digits); more than one trailing dot; ports that are not 1..65535 in plain digits.
Result<Authority> parse_authority(std::string_view text, HostScratch& scratch, AuthorityUse use = AuthorityUse::host);

}  // namespace sluice
