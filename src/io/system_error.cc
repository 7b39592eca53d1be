#include "io/system_error.h"

#include <fmt/format.h>
#include <cerrno>
#include <cstring>

namespace sluice {

Error errno_error(int code, std::string_view what, Side side) {
  ErrorKind kind = ErrorKind::io;
  if (code == ECONNRESET || code == EPIPE) kind = ErrorKind::reset;
  if (code == ECONNREFUSED) kind = ErrorKind::refused;
  // ErrorKind::timeout is for deadlines of ours: here the kernel gave up a peer that no packet reaches.
  if (code == EHOSTUNREACH || code == ENETUNREACH || code == ETIMEDOUT) kind = ErrorKind::unreachable;
  const std::string reason = std::strerror(code);
  return {
      .kind = kind, .message = what.empty() ? reason : fmt::format("{}: {}", what, reason), .side = side, .code = code};
}

}  // namespace sluice
