// One GET to a sluice on this machine, for commands that ask a running one. Blocking.
#pragma once

#include <string>

#include "base/result.h"

namespace sluice {

struct AdminAnswer {
  int status = 0;
  std::string body;
};
// `address`: "127.0.0.1:19000". ErrorKind::refused when nobody listens there.
Result<AdminAnswer> http_get(const std::string& address, const std::string& path, const std::string& accept = "*/*");

}  // namespace sluice
