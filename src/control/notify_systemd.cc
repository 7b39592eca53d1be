#include "control/notify_systemd.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/log.h"

namespace sluice {

void notify_systemd(std::string_view state) {
  const char* socket = std::getenv("NOTIFY_SOCKET");
  const std::string_view path = socket ? socket : "";
  sockaddr_un address{};
  if (path.empty() || path.size() >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, path.size());
  if (path[0] == '@') address.sun_path[0] = '\0';  // an abstract name
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  // A manager whose queue is full gets a moment, not our thread.
  pollfd ready{fd, POLLOUT, 0};
  constexpr int kPatienceMillis = 200;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), length) == 0 &&
      ::poll(&ready, 1, kPatienceMillis) == 1 && ::send(fd, state.data(), state.size(), MSG_NOSIGNAL) < 0)
    log::warn("main", "cannot notify the service manager", {{"state", state}, {"error", std::strerror(errno)}});
  ::close(fd);
}

}  // namespace sluice
