// A whole connection: bytes of a client, in pieces, over a real socket. The first byte tells the size of the pieces and
// how the client leaves. Whatever comes, every answer is a whole head, and the connection is gone in the end.
#include "net/testing.h"
#include "serve/http_server.h"

namespace sluice {
namespace {

struct Echo final : Service {
  Task<Response> handle(Request& request) const override { return echo(request); }
  static Task<Response> echo(Request& request) {
    Response response;
    response.status = 200;
    response.headers = request.arena.make<Headers>(request.arena);
    if (request.path.starts_with("/unread")) co_return response;
    auto reading = read_all(request.body, request.arena, 1 << 16, request.body_budget);
    const std::string_view body = CO_TRY(co_await reading);
    response.body = text_body(request.arena, body);
    co_return response;
  }
};

struct Gateway {
  Gateway() {
    loop.use_manual_clock(SteadyTime(1000s), WallTime(0s));
    config.service = std::make_shared<Echo>();
    config.metrics = std::make_shared<ServerMetrics>(metrics, "fuzz");
    listener.configure(nullptr, &config);
  }
  Loop loop;
  Metrics metrics{1};
  ListenerConfig config;
  HttpListener listener{loop, nullptr};
};

void play(uint8_t how, std::string_view bytes) {
  static auto* const gateway = new Gateway;
  // A pair of sockets instead of TCP: thousands of connections a second would use up the ports.
  int ends[2];
  CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
  TestPeer client(ends[0]);
  gateway->listener.server().take({Seat(gateway->listener.listener()),
                                   *open_stream(gateway->loop, ends[1], Side::downstream),
                                   SocketAddress::v4(INADDR_LOOPBACK, 1)});
  const size_t step = how % 8 == 0 ? bytes.size() : how % 8 * 5;
  for (size_t at = 0; at < bytes.size(); at += step) {
    client.say(bytes.substr(at, step));
    for (int i = 0; i < 2; ++i) gateway->loop.turn(0ms);
  }
  // What begins as HTTP/2 does is answered in frames.
  const bool http1 = !bytes.starts_with("PRI * HTTP/2.0");
  CHECK(!http1 || client.heard().empty() || client.heard().starts_with("HTTP/1.1 "));
  if (how & 0x40) gateway->loop.advance(31s);
  if (how & 0x80)
    client.reset();
  else
    client.close();
  for (int i = 0; gateway->listener.connections() > 0; ++i) {
    CHECK(i < 1000);
    gateway->loop.turn(0ms);
    if (i > 20) gateway->loop.advance(1s);
  }
}

}  // namespace
}  // namespace sluice

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  sluice::play(data[0], {reinterpret_cast<const char*>(data) + 1, size - 1});
  return 0;
}
