// Bytes of a client's, behind a good preface or without one, in pieces. The first byte tells the size of the pieces and
// what is done with the requests. Whatever comes, nothing waits for ever, and all is given back in the end.
#include "http/h2/server_session.h"
#include "http/h2/testing.h"
#include "io/testing.h"
#include "net/memory_stream.h"

namespace sluice::h2 {
namespace {

// Reads what there is of a request and answers with it.
struct Serving final : private ServerStream::Owner {
  Serving(ServerSession& session, const ServerLimits& limits) {
    stream = session.next(limits, arena).take().value();
    CHECK(stream);
    stream->watch(this);
    if (!left) runner.start(serve());
  }
  Serving(const Serving&) = delete;
  Serving& operator=(const Serving&) = delete;
  ~Serving() { runner.cancel(); }
  void client_gone() override {
    left = true;
    runner.cancel();
  }
  Task<void> serve() {
    ServerRequest& request = stream->request();
    std::string body;
    while (request.body.reader) {
      auto reading = request.body.reader->read();
      auto chunk = co_await reading;
      if (!chunk) break;
      body.append(chunk->bytes.data(), chunk->bytes.size());
      if (!chunk->last) continue;
      if (const Headers* trailers = request.body.reader->trailers())
        for (const HeaderField& field : *trailers) CHECK(valid_header_name(field.name));
      break;
    }
    for (const HeaderField& field : request.headers) {
      CHECK(valid_header_name(field.name) && valid_header_value(field.value));
      CHECK(field.known != Known::connection && field.known != Known::transfer_encoding);
    }
    auto& headers = *arena.make<Headers>(arena);
    auto& response =
        *arena.make<ServerResponse>(ServerResponse{.status = 200, .headers = headers, .body = text_body(arena, body)});
    Chunk first{{}, true};
    if (!body.empty()) first = response.body.reader->read().take().value();
    auto beginning = stream->begin(response, first);
    CO_TRY(co_await beginning);
    co_return Status{};
  }
  bool done() const { return !runner.running(); }

  Arena arena;
  ServerStreamPtr stream;
  bool left = false;
  Runner runner{this, [](void*, Result<void>) {}};
};

struct Idle final : Waiter {
  void wake() override {}
  void cancel() override {}
};

void play(uint8_t how, std::string_view bytes) {
  static auto* const loop = [] {
    auto* out = new Loop;
    out->use_manual_clock(SteadyTime(1000s), WallTime(0s));
    return out;
  }();
  static auto* const counted = new Metrics(1);
  static const auto* const metrics = new std::shared_ptr<const Http2Metrics>(std::make_shared<Http2Metrics>(*counted));
  const ServerLimits limits{.head_timeout = 30s, .idle_max = 60s};
  StreamPair ends = memory_streams(*loop);
  Idle waiter;
  auto session = make_server_session(std::move(ends.downstream), (how & 0x10) ? std::string_view() : kPreface, limits,
                                     {.streams_max = 10}, *metrics);
  session->when_readable(&waiter);
  std::vector<std::unique_ptr<Serving>> open;
  char heard[65536];
  const auto turn = [&] {
    for (int i = 0; i < 3; ++i) loop->turn(0ms);
    while (session->has_input()) open.push_back(std::make_unique<Serving>(*session, limits));
    session->when_readable(&waiter);
    if ((how & 0x20) == 0) std::erase_if(open, [](const auto& one) { return one->done(); });
    while (auto got = ends.upstream->try_read(heard))
      if (!*got || **got == 0) break;
  };
  if ((how & 0x10) == 0) bytes = bytes.substr(0, 1U << 16);
  const size_t step = how % 8 == 0 ? bytes.size() : how % 8 * 5;
  for (size_t at = 0; at < bytes.size(); at += step) {
    const std::string_view piece = bytes.substr(at, step);
    const iovec part{const_cast<char*>(piece.data()), piece.size()};
    ends.upstream->try_write(std::span(&part, 1));
    turn();
  }
  if (how & 0x40) session->drain();
  if (how & 0x80) loop->advance(61s);
  turn();
  ends.upstream->end_writing();
  turn();
  CHECK(session->over());
  for (auto& one : open) CHECK(one->done());
  open.clear();
  session.reset();
  CHECK((*metrics)->streams_active->value() == 0);
}

}  // namespace
}  // namespace sluice::h2

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  sluice::h2::play(data[0], {reinterpret_cast<const char*>(data) + 1, size - 1});
  return 0;
}
