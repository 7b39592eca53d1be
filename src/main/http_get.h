// One GET to a running sluice, for commands that ask one. Blocking.
#pragma once

#include <string>

#include "base/result.h"
#include "control/own_access.h"
#include "main/commands.h"

namespace sluice {

// Where a port is, and whether by TLS: as the scheme says, else beyond loopback.
struct OwnAddress {
  bool tls = false;
  std::string authority;  // "127.0.0.1:19000", "gateway.example:19001"
  std::string host;       // of that: "::1", "gateway.example"
  uint16_t port = 0;
};
// Errors: no host and port; in the clear beyond loopback.
Result<OwnAddress> parse_own_address(const OwnServer& server);

struct AdminAnswer {
  int status = 0;
  std::string body;
};
// A name is resolved as the system does (getaddrinfo), and its addresses are tried in that order.
// ErrorKind::refused when nobody listens there, `denied` when it is not trusted, or does not trust us.
Result<AdminAnswer> http_get(const OwnServer& server, const std::string& path, const std::string& accept = "*/*");

}  // namespace sluice
