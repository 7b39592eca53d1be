#include "main/http_get.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <cerrno>

#include "base/ip.h"
#include "base/strings.h"
#include "http/h1/chunked.h"
#include "http/h1/framing.h"
#include "io/system_error.h"
#include "net/address.h"

namespace sluice {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Result<std::string> read_all_of(int fd) {
  std::string out;
  char buffer[16384];
  for (;;) {
    const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
    if (got < 0) return std::unexpected(errno_error(errno, "reading the answer"));
    if (got == 0) return out;
    out.append(buffer, static_cast<size_t>(got));
  }
}

std::string unchunk(std::string text) {
  ChunkedDecoder decoder;
  std::string out;
  for (std::span<char> rest = text; !rest.empty();) {
    const auto step = decoder.step(rest);
    out.append(step.data.data(), step.data.size());
    if (step.is != ChunkedDecoder::Step::Is::data) break;
    rest = rest.subspan(step.consumed);
  }
  return out;
}

}  // namespace

Result<AdminAnswer> http_get(const std::string& address, const std::string& path, const std::string& accept) {
  const Endpoint endpoint = TRY(Endpoint::parse(address));
  const auto target = SocketAddress::of(endpoint);
  const Descriptor fd(::socket(target.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{.tv_sec = 10, .tv_usec = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (::connect(fd.get(), target.get(), target.length) != 0)
    return std::unexpected(errno_error(errno, fmt::format("no running sluice at {}", address)));
  const std::string ask =
      fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nAccept: {}\r\nConnection: close\r\n\r\n", path, address, accept);
  if (::send(fd.get(), ask.data(), ask.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(ask.size()))
    return std::unexpected(errno_error(errno, "sending"));
  std::string answer = TRY(read_all_of(fd.get()));
  Arena arena;
  Headers headers(arena);
  ResponseHeadParser head(HeadLimits{});
  if (head.parse(answer, headers) != HeadProgress::done)
    return invalid(fmt::format("what answers at {} is no sluice", address));
  std::string body = answer.substr(head.size());
  if (headers.has(Known::transfer_encoding)) body = unchunk(std::move(body));
  return AdminAnswer{head.status, std::move(body)};
}

}  // namespace sluice
