// What the tests of the ends of a chain share.
#pragma once

#include <algorithm>
#include <deque>

#include "base/check.h"
#include "forward/upstreams.h"
#include "net/memory_stream.h"
#include "net/testing.h"
#include "pipeline/filter.h"

namespace sluice {

// Hosts that take no connection and refuse none, until the test says so.
struct SilentDialer final : Dialer {
  Result<std::unique_ptr<Stream>> dial(Loop& loop, const SocketAddress&) override {
    MemoryCall::Dialled dialled = MemoryCall::dial(loop);
    calls.push_back(std::move(dialled.call));
    return std::move(dialled.upstream);
  }
  // That somebody still waits for.
  size_t open() const { return static_cast<size_t>(std::ranges::count(calls, false, &MemoryCall::given_up)); }
  std::deque<MemoryCall> calls;
};

// One request on its way through the end of a chain. All that is given must outlive it.
struct UpstreamTrip {
  struct Asked {
    std::string_view method = "GET";
    std::string authority = "h";
    std::string_view protocol = "HTTP/1.1";
    const RouteRules* rules = nullptr;
    std::string body = {};
    size_t body_buffer = 1 << 20;
    BodyReader* reader = nullptr;  // in place of the body
    bool grpc = false;
    bool asks_for_https = false;
    const EndpointWish* wish = nullptr;
  };

  // `told`: nothing is sent; it is asked what would be done.
  UpstreamTrip(Loop& on, Upstreams& upstreams, std::shared_ptr<const Service> through, Asked what,
               Explanation* told = nullptr)
      : loop(on), service(std::move(through)), asked(std::move(what)), explanation(told) {
    request.method = asked.method;
    request.path = "/";
    request.authority = asked.authority;
    request.grpc = asked.grpc;
    request.asks_for_https = asked.asks_for_https;
    request.endpoint_wish = asked.wish;
    request.upstreams = &upstreams;
    request.background = &background;
    request.route.rules = asked.rules;
    request.body_buffer_bytes_max = asked.body_buffer;
    if (!asked.body.empty()) {
      request.body = text_body(arena, asked.body);
    }
    if (asked.reader) request.body = {asked.reader, {}};
    info.protocol = asked.protocol;
    info.start = loop.now();
    runner.start(run());
  }
  ~UpstreamTrip() {
    runner.cancel();
    background.cancel();
    CHECK(done() && background.empty());
    arena.reset();
  }
  Task<void> run() {
    auto handling = explanation ? service->explain(request, *explanation) : service->handle(request);
    response = CO_TRY(co_await handling);
    co_return Status{};
  }
  bool done() {
    return turn_until(loop, [&] { return !runner.running(); });
  }

  // The response's body, to its end.
  std::string read() {
    std::string text;
    runner.start(read_into(text));
    CHECK(done());
    return text;
  }
  Task<void> read_into(std::string& text) {
    auto reading = read_all(std::exchange(response.body, {}), arena, 1 << 20, nullptr);
    text = CO_TRY(co_await reading);
    co_return Status{};
  }

  Loop& loop;
  std::shared_ptr<const Service> service;
  Asked asked;
  Explanation* explanation;
  Arena arena;
  StreamInfo info;
  TaskGroup background;
  Request request{arena, loop, info};
  Response response;
  Runner runner{this, [](void*, Result<void>) {}};
};

}  // namespace sluice
