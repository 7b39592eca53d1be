// The PROXY protocol, versions 1 and 2, as HAProxy specifies it: a few bytes in front of a connection, by which a proxy
// says whose connection it passes on.
//
//   1  PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n          at most 107 bytes
//   2  12 bytes of signature | version, command | family, protocol | length (2) | addresses | TLVs
//
// A machine without I/O. Whether somebody may be believed is not asked here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "net/address.h"

namespace sluice {

struct ProxyTlv {
  uint8_t type = 0;
  std::string value;
  friend bool operator==(const ProxyTlv&, const ProxyTlv&) = default;
};

struct ProxiedConnection {
  SocketAddress source;       // the client
  SocketAddress destination;  // what it connected to
};

struct ProxyHeader {
  static constexpr size_t kFirstBytes = 12;         // tell the version
  static constexpr size_t kBytesMaxV1 = 107;        // with its end
  static constexpr size_t kBytesMax = 16 + 16'384;  // of version 2, with its TLVs

  int version = 0;
  // Nothing: the connection is the proxy's own (LOCAL), or whose it is has no internet address (UNKNOWN, UNSPEC, UNIX).
  std::optional<ProxiedConnection> proxied;
  std::vector<ProxyTlv> tlvs;  // of a connection that is passed on, in their order
  size_t length = 0;           // in bytes
};

// Of the bytes that a connection begins with. A header; nothing, where more may make it one. Errors: `not_found` when
// it begins with something else, `invalid` when it is broken.
Result<std::optional<ProxyHeader>> read_proxy_header(std::string_view bytes);

// How many bytes to read behind these beginnings, at most, at least 1: of version 2 as many as belong to the header for
// sure, so that nothing that stands behind it is taken; of version 1, whose end nobody knows, all that it may have.
size_t proxy_header_wants(std::string_view bytes);

enum class ProxyProtocol : uint8_t { v1, v2 };

// What to say for a client. Nothing is known of its address, or it is not of the same family as where it connected to:
// UNKNOWN, LOCAL.
std::string write_proxy_header(ProxyProtocol version, const std::optional<ProxiedConnection>& proxied);

}  // namespace sluice
