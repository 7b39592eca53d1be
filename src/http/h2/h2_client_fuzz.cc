// What an upstream may say, in whatever pieces, while requests come and go: never a crash, nothing that waits for ever,
// nothing that is kept.
//
// The input is steps, each of a byte that says what is done and, for bytes that are said, two with their number.
#include <cstdlib>
#include <deque>
#include <string>

#include "http/h2/client_session.h"
#include "io/loop.h"
#include "net/memory_stream.h"

using namespace sluice;

namespace {

struct Trip final : private ClientStream::Owner {
  Trip(Loop& loop, ClientSession& session, bool upgrade, bool has_body) : headers(arena) {
    Body body;
    if (has_body) body = text_body(arena, "twelve bytes");
    stream = session.open({.method = "POST",
                           .target = "/",
                           .authority = "h",
                           .headers = headers,
                           .body = body,
                           .expects_continue = has_body && upgrade,
                           .upgrade = upgrade && !has_body,
                           .idle_max = 10s},
                          *this, arena, background);
    runner.start(go(loop));
  }
  ~Trip() {
    background.cancel();
    runner.cancel();
    stream.reset();
  }
  Task<void> go(Loop& loop) {
    auto sending = stream->send();
    co_await sending;
    auto receiving = stream->receive();
    const auto answer = CO_TRY(co_await receiving);
    if (answer.status < 100 || answer.status > 599 || !answer.headers) std::abort();
    if (answer.tunnel) {
      char bytes[100];
      auto writing = answer.tunnel->write_all("hello", 1s);
      CO_TRY(co_await writing);
      for (;;) {
        auto reading = answer.tunnel->read(bytes, later(loop.now(), 10s));
        const size_t got = CO_TRY(co_await reading);
        if (got == 0) break;
      }
      answer.tunnel->end_writing();
      co_return Status{};
    }
    uint64_t length = 0;
    for (bool last = answer.body.empty(); !last;) {
      auto reading = answer.body.reader->read();
      const Chunk chunk = CO_TRY(co_await reading);
      length += chunk.bytes.size();
      last = chunk.last;
      if (chunk.bytes.empty() && !last) std::abort();
    }
    // What is whole is as long as was said.
    if (answer.body.length && *answer.body.length != length) std::abort();
    if (!stream->complete()) std::abort();
    co_return Status{};
  }
  void request_sent() override {}
  void request_broke(Error) override {}

  Arena arena;
  TaskGroup background;
  Headers headers;
  ClientStreamPtr stream;
  Runner runner{this, [](void*, Result<void>) {}};
};

void say(Stream& stream, std::string_view bytes) {
  const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  (void)stream.try_write(std::span(&part, 1));
}

void hear(Stream& stream) {
  char bytes[4096];
  while (const auto got = stream.try_read(bytes))
    if (!*got || **got == 0) return;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Loop loop;
  loop.use_manual_clock(SteadyTime(1000s), WallTime(0s));
  StreamPair ends = memory_streams(loop);
  auto session = h2::make_client_session(std::move(ends.upstream), {.stream_window = 65'535});
  std::deque<Trip> trips;
  for (std::string_view rest(reinterpret_cast<const char*>(data), size); !rest.empty();) {
    const auto step = static_cast<unsigned char>(rest.front());
    rest.remove_prefix(1);
    switch (step % 8) {
      case 0:
        if (session->capacity() > 0 && trips.size() < 20) trips.emplace_back(loop, *session, false, false);
        break;
      case 1:
        if (session->capacity() > 0 && trips.size() < 20) trips.emplace_back(loop, *session, step & 8, step & 16);
        break;
      case 2:
        if (!trips.empty()) trips.pop_front();
        break;
      case 3: loop.advance(1s * (step / 8)); break;
      case 4:
        if (!trips.empty()) trips.back().stream->reset({.kind = ErrorKind::denied, .message = "no"});
        break;
      default: {
        if (rest.size() < 2) break;
        const size_t bytes = (static_cast<unsigned char>(rest[0]) << 8U) | static_cast<unsigned char>(rest[1]);
        rest.remove_prefix(2);
        say(*ends.downstream, rest.substr(0, bytes));
        rest.remove_prefix(std::min(bytes, rest.size()));
      }
    }
    loop.turn(0s);
    hear(*ends.downstream);
  }
  ends.downstream.reset();
  // An upstream that has gone leaves nobody waiting.
  for (int turns = 0; turns < 10; ++turns) loop.turn(0s);
  for (const Trip& trip : trips)
    if (trip.runner.running()) std::abort();
  if (session->capacity() != 0) std::abort();
  trips.clear();
  session.reset();
  return 0;
}
