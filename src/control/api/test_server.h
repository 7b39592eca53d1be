// A little HTTP server for tests: the API on a loopback port, one thread, enough HTTP/1.1 for kubectl and curl.
//
// Not for anything else: it trusts its clients' framing. The real server is the control plane's.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <list>
#include <string>
#include <thread>

#include "base/check.h"
#include "base/strings.h"
#include "control/api/api_server.h"
#include "control/store/config_folder.h"

namespace sluice {

class TestServer {
 public:
  TestServer(ApiServer& api, ConfigFolder* folder) : api_(api), folder_(folder) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in address{.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(address);
    CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0 && ::listen(listener_, 64) == 0);
    CHECK(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    stop_ = ::eventfd(0, EFD_CLOEXEC);
    thread_ = std::thread([this] { run(); });
  }
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;
  ~TestServer() {
    const uint64_t one = 1;
    CHECK(::write(stop_, &one, sizeof(one)) == sizeof(one));
    thread_.join();
    for (const Connection& connection : connections_) ::close(connection.fd);
    ::close(listener_);
    ::close(stop_);
  }

  uint16_t port() const { return port_; }
  void log_requests() { log_requests_ = true; }

 private:
  struct Connection {
    int fd = -1;
    std::string in;
    std::string out;
    std::unique_ptr<WatchStream> watch;
    bool closing = false;
  };

  void run() {
    for (;;) {
      std::vector<pollfd> polled{{stop_, POLLIN, 0}, {listener_, POLLIN, 0}};
      if (folder_) polled.push_back({folder_->fd(), POLLIN, 0});
      const size_t first = polled.size();
      for (const Connection& one : connections_)
        polled.push_back({one.fd, static_cast<short>(POLLIN | (one.out.empty() ? 0 : POLLOUT)), 0});
      ::poll(polled.data(), polled.size(), wait_ms());
      if (polled[0].revents) return;
      if (folder_ && polled[2].revents) folder_->on_readable(steady_now());
      if (folder_ && folder_->reload_at() && *folder_->reload_at() <= steady_now()) folder_->reload(wall_now());
      size_t i = first;
      for (Connection& one : connections_) serve(one, polled[i++].revents);
      std::erase_if(connections_, [](const Connection& one) {
        if (one.closing) ::close(one.fd);
        return one.closing;
      });
      if (polled[1].revents) {
        const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) connections_.push_back({.fd = fd});
      }
    }
  }

  int wait_ms() const {
    if (!folder_ || !folder_->reload_at()) return 1000;
    return static_cast<int>(
        std::max<int64_t>(0, std::chrono::ceil<Millis>(*folder_->reload_at() - steady_now()).count()));
  }

  void serve(Connection& one, short events) {
    if (events & (POLLIN | POLLHUP | POLLERR)) {
      char chunk[65536];
      const ssize_t got = ::read(one.fd, chunk, sizeof(chunk));
      if (got == 0 || (got < 0 && errno != EAGAIN)) {
        one.closing = true;
        return;
      }
      if (got > 0) one.in.append(chunk, static_cast<size_t>(got));
    }
    while (!one.watch && answer_next(one)) {
    }
    if (one.watch) pull(one);
    if (one.out.empty()) return;
    const ssize_t sent = ::send(one.fd, one.out.data(), one.out.size(), MSG_NOSIGNAL);
    if (sent > 0) one.out.erase(0, static_cast<size_t>(sent));
    if (sent < 0 && errno != EAGAIN) one.closing = true;
  }

  bool answer_next(Connection& one) {
    const auto head_end = one.in.find("\r\n\r\n");
    if (head_end == std::string::npos) return false;
    const std::string head = one.in.substr(0, head_end);
    const auto lines = split(head, '\n');
    const auto words = split(trim_line(lines.front()), ' ');
    std::vector<std::pair<std::string_view, std::string_view>> headers;
    size_t length = 0;
    for (size_t i = 1; i < lines.size(); ++i) {
      const auto line = trim_line(lines[i]);
      const auto colon = std::min(line.find(':'), line.size() - 1);
      headers.emplace_back(line.substr(0, colon), trim(line.substr(colon + 1)));
      if (equals_ignoring_case(headers.back().first, "content-length"))
        length = parse_decimal(headers.back().second).value_or(0);
    }
    if (one.in.size() < head_end + 4 + length) return false;
    const std::string body = one.in.substr(head_end + 4, length);
    one.in.erase(0, head_end + 4 + length);
    if (log_requests_) fmt::print(stderr, "> {}\n{}\n", head, body);
    auto answer = api_.handle({.method = words[0],
                               .target = words[1],
                               .headers = headers,
                               .body = body,
                               .now = wall_now(),
                               .steady_now = steady_now()});
    write_answer(one, std::move(answer));
    return true;
  }

  void write_answer(Connection& one, ApiAnswer answer) {
    const ApiResponse& response = answer.response;
    if (log_requests_) fmt::print(stderr, "< {} {}\n", response.status, response.status >= 400 ? response.body : "");
    one.out += fmt::format("HTTP/1.1 {} X\r\ncontent-type: {}\r\n", response.status, response.content_type);
    for (const auto& [name, value] : response.headers) one.out += fmt::format("{}: {}\r\n", name, value);
    one.watch = std::move(answer.watch);
    if (one.watch) {
      one.out += "transfer-encoding: chunked\r\n\r\n";
    } else {
      one.out += fmt::format("content-length: {}\r\n\r\n{}", response.body.size(), response.body);
    }
  }

  // Asks every watch on each turn: the loop turns after every change, since changes come through it.
  void pull(Connection& one) {
    std::string events;
    const auto state = one.watch->pull(events, 65536, wall_now(), steady_now());
    if (!events.empty()) one.out += fmt::format("{:x}\r\n{}\r\n", events.size(), events);
    if (state == WatchStream::State::open) return;
    one.out += "0\r\n\r\n";
    one.watch.reset();
  }

  static std::string_view trim_line(std::string_view line) {
    return line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
  }

  ApiServer& api_;
  ConfigFolder* folder_;
  int listener_ = -1;
  int stop_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> log_requests_ = false;
  std::list<Connection> connections_;
  std::thread thread_;
};

}  // namespace sluice
