// A DNS server for tests, on a loop: UDP and TCP on one free port of 127.0.0.1.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <vector>

#include "base/check.h"
#include "engines/dns/testing.h"
#include "net/listen.h"

namespace sluice {

struct DnsQuestion {
  uint16_t id = 0;
  std::string name;
  dns::RecordType type{};
  bool tcp = false;
  bool edns = false;
  uint16_t source_port = 0;

  // "a.test A", with " tcp" behind it
  std::string text() const { return name + " " + std::string(dns::record_type_name(type)) + (tcp ? " tcp" : ""); }
  // The start of an answer with so many records.
  dns::MessageBuilder answer(unsigned records, unsigned flags = dns::kAnswerFlags, unsigned authority = 0) const {
    dns::MessageBuilder message;
    message.header(id, flags, records, authority).question(name, type);
    return message;
  }
  dns::MessageBuilder addresses(std::initializer_list<const char*> list, uint32_t ttl = 60) const {
    dns::MessageBuilder message = answer(static_cast<unsigned>(list.size()));
    for (const char* address : list) message.address(name, address, ttl);
    return message;
  }
  dns::MessageBuilder failure(dns::Rcode rcode) const {
    return answer(0, dns::kAnswerFlags | static_cast<unsigned>(rcode));
  }
  dns::MessageBuilder truncated() const { return answer(0, dns::kAnswerFlags | 0x0200); }
};

class FakeDns final : private Waiter {
 public:
  // The messages to send back, in order; none: silence.
  using Handler = std::function<std::vector<dns::MessageBuilder>(const DnsQuestion&)>;

  explicit FakeDns(Loop& loop, Handler handle = {}) : handler(std::move(handle)), loop_(loop) {
    while (!bind_both()) {
    }
    CHECK(watch_.attach(loop_, udp_));
    watch_.reader = this;
    CHECK(listener_.start(loop_, tcp_, [this](Incoming& incoming) { connections_.spawn(serve(*incoming.take())); }));
  }
  ~FakeDns() {
    connections_.cancel();
    listener_.close();
    watch_.release();
    ::close(udp_);
  }

  // Says something to whoever asked over UDP, at any time.
  void say(const DnsQuestion& to, const dns::MessageBuilder& reply) {
    sockaddr_storage peer;
    const socklen_t length = Endpoint{IpAddress::v4(127, 0, 0, 1), to.source_port}.to_sockaddr(peer);
    ::sendto(udp_, reply.bytes.data(), reply.bytes.size(), 0, reinterpret_cast<sockaddr*>(&peer), length);
  }

  Endpoint endpoint() const { return {IpAddress::v4(127, 0, 0, 1), port_}; }
  size_t count(std::string_view text) const { return static_cast<size_t>(std::ranges::count(seen, text)); }

  Handler handler;
  std::vector<std::string> seen;  // DnsQuestion::text() of each
  std::vector<DnsQuestion> questions;

 private:
  // The port that UDP got may be taken for TCP: then try another.
  bool bind_both() {
    udp_ = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_storage address;
    socklen_t length = Endpoint{IpAddress::v4(127, 0, 0, 1), 0}.to_sockaddr(address);
    CHECK(::bind(udp_, reinterpret_cast<sockaddr*>(&address), length) == 0);
    length = sizeof address;
    CHECK(::getsockname(udp_, reinterpret_cast<sockaddr*>(&address), &length) == 0);
    port_ = Endpoint::from_sockaddr(reinterpret_cast<sockaddr&>(address))->port;
    auto listening = ListenSocket::open(*SocketAddress::parse("127.0.0.1", port_), false);
    if (listening) {
      tcp_ = *listening;
      return true;
    }
    ::close(udp_);
    return false;
  }

  std::vector<dns::MessageBuilder> handle(std::string_view bytes, bool tcp, uint16_t source_port) {
    const auto u8 = [&](size_t i) { return static_cast<unsigned>(static_cast<uint8_t>(bytes[i])); };
    DnsQuestion question{.id = static_cast<uint16_t>(u8(0) << 8 | u8(1)), .tcp = tcp, .source_port = source_port};
    question.edns = u8(11) == 1;
    size_t at = 12;
    for (; u8(at) != 0; at += 1 + u8(at))
      question.name += (question.name.empty() ? "" : ".") + std::string(bytes.substr(at + 1, u8(at)));
    question.type = static_cast<dns::RecordType>(u8(at + 1) << 8 | u8(at + 2));
    seen.push_back(question.text());
    questions.push_back(question);
    return handler ? handler(question) : std::vector<dns::MessageBuilder>{};
  }

  void wake() override {
    std::array<char, 1024> buffer;
    for (;;) {
      sockaddr_storage peer;
      socklen_t length = sizeof peer;
      auto* from = reinterpret_cast<sockaddr*>(&peer);
      const ssize_t got = ::recvfrom(udp_, buffer.data(), buffer.size(), 0, from, &length);
      if (got < 0) break;
      const uint16_t port = Endpoint::from_sockaddr(*from)->port;
      for (const auto& reply : handle({buffer.data(), static_cast<size_t>(got)}, false, port))
        ::sendto(udp_, reply.bytes.data(), reply.bytes.size(), 0, from, length);
    }
    watch_.readable = false;
    watch_.reader = this;
  }
  void cancel() override {}

  Task<void> serve(std::unique_ptr<Stream> stream) {
    std::string received;
    std::array<char, 512> buffer;
    while (received.size() < 2 || received.size() < 2 + static_cast<size_t>(static_cast<uint8_t>(received[1]))) {
      auto reading = stream->read(buffer);
      const size_t got = CO_TRY(co_await reading);
      if (got == 0) co_return Status{};
      received.append(buffer.data(), got);
    }
    for (const auto& reply : handle(std::string_view(received).substr(2), true, 0)) {
      std::string out{static_cast<char>(reply.bytes.size() >> 8), static_cast<char>(reply.bytes.size() & 0xFF)};
      out.append(reinterpret_cast<const char*>(reply.bytes.data()), reply.bytes.size());
      auto writing = stream->write_all(out, 5s);
      CO_TRY(co_await writing);
    }
    co_return Status{};
  }

  Loop& loop_;
  int udp_ = -1;
  int tcp_ = -1;
  uint16_t port_ = 0;
  Watch watch_;
  ListenSocket listener_;
  TaskGroup connections_;
};

}  // namespace sluice
