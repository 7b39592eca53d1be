#include "net/socket_base.h"

#include <sys/socket.h>
#include <cerrno>

#include "io/system_error.h"

namespace sluice {

// What came makes an event, and whoever keeps the stream is told; but the event may stand behind the one that is being
// handled just now, and only then it is looked for.
bool SocketBase::is_silent() {
  if (now_.peer_closed || now_.broken || aborted_) return false;
  if (!may_have_input()) return true;
  char byte;
  return !try_read({&byte, 1}).has_value();  // a byte, the end, or an error
}

Status SocketBase::connect_to(const SocketAddress& address) {
  connecting_ = ::connect(descriptor(), address.get(), address.length) != 0;
  if (connecting_ && errno != EINPROGRESS) return std::unexpected(errno_error(errno, "", side_));
  return {};
}

Task<void> SocketBase::established(SteadyTime deadline) {
  if (aborted_) return given_up();
  if (!connecting_) return Status{};
  return wait_until_connected(deadline);
}

Task<void> SocketBase::wait_until_connected(SteadyTime deadline) {
  auto ready = Ready<false>(loop(), now_, side_, deadline);
  CO_TRY(co_await ready);
  if (aborted_) co_return given_up();
  int code = 0;
  socklen_t size = sizeof code;
  ::getsockopt(descriptor(), SOL_SOCKET, SO_ERROR, &code, &size);
  if (code != 0) {
    aborted_ = true;  // the kernel tells only once
    co_return std::unexpected(errno_error(code, "", side_));
  }
  connecting_ = false;
  connected();
  co_return Status{};
}

}  // namespace sluice
