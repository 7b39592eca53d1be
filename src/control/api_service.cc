#include "control/api_service.h"

#include "base/strings.h"
#include "io/loop.h"

namespace sluice {
namespace {

constexpr size_t kWatchChunkBytes = 64U << 10;
constexpr MetricFamily kHeld{"sluice_api_bytes",
                             "Bytes of requests, answers and events of the API that wait for their clients.",
                             MetricType::gauge};
constexpr MetricFamily kRefused{"sluice_api_bytes_refused_total",
                                "Requests answered 429 and watches ended since the others hold all that the API may."};

// Text that counts in the budget as long as the exchange lives.
struct HeldText {
  explicit HeldText(ByteBudget& budget) : share(budget) {}
  ByteBudget::Share share;
  std::string text;
};

// A watch as a body: each read gives the events at hand, or waits for some.
class WatchBody final : public BodyReader {
 public:
  WatchBody(Loop& loop, std::unique_ptr<WatchStream> stream, ByteBudget& budget)
      : loop_(loop), stream_(std::move(stream)), events_(budget) {
    stream_->on_ready([this] { more_.notify(loop_); });
  }
  Task<Chunk> read() override {
    for (;;) {
      std::string& text = events_.text;
      text.clear();
      auto state = stream_->pull(text, kWatchChunkBytes, loop_.wall(), loop_.now());
      if (!events_.share.resize(text.size())) {
        text.clear();
        state = WatchStream::State::ended;
      }
      const bool ended = state == WatchStream::State::ended;
      if (!text.empty() || ended) co_return Chunk{{text.data(), text.size()}, ended};
      std::string().swap(text);  // a large event's
      auto waiting = more_.wait(loop_, stream_->wake_at());
      auto told = co_await waiting;
      if (!told && told.error().kind != ErrorKind::timeout) co_return std::unexpected(std::move(told).error());
    }
  }

 private:
  Loop& loop_;
  std::unique_ptr<WatchStream> stream_;
  Event more_;
  HeldText events_;
};

Body body_of(Request& request, HeldText& held) {
  if (held.text.empty()) return {};
  return {request.arena.make<TextBody>(std::span(held.text)), held.text.size()};
}

Response respond(Request& request, ApiAnswer answer, ApiServer& server, HeldText& held) {
  if (!held.share.resize(answer.response.body.size())) {
    answer = {.response = ApiServer::busy()};
    held.share.resize(0);
  }
  Response response;
  response.local = true;
  response.status = static_cast<uint16_t>(answer.response.status);
  response.headers = request.arena.make<Headers>(request.arena);
  response.headers->add(Known::content_type, request.arena.copy(answer.response.content_type));
  for (const auto& [name, value] : answer.response.headers)
    response.headers->add(request.arena.copy(to_lower(name)), request.arena.copy(value));
  held.text = std::move(answer.response.body);
  if (answer.watch)
    response.body.reader = request.arena.make<WatchBody>(request.loop, std::move(answer.watch), server.memory());
  else
    response.body = body_of(request, held);
  request.info.details = "api";
  return response;
}

// The whole body, or the answer that says why not.
Task<std::optional<ApiResponse>> read_body(Body body, HeldText& into) {
  if (body.empty()) co_return std::nullopt;
  for (bool last = false; !last;) {
    auto reading = body.reader->read();
    const Chunk chunk = CO_TRY(co_await reading);
    const size_t bytes = into.text.size() + chunk.bytes.size();
    if (bytes > ApiRequest::kBodyBytesMax) co_return ApiServer::too_large();
    if (!into.share.resize(bytes)) co_return ApiServer::busy();
    into.text.append(chunk.bytes.data(), chunk.bytes.size());
    last = chunk.last;
  }
  co_return std::nullopt;
}

}  // namespace

std::vector<MetricFamily> ApiService::metrics() {
  return {kHeld, kRefused};
}

ByteCounts ApiService::counts_in(Metrics& metrics) {
  return {.held = metrics.metric(kHeld), .refused = metrics.metric(kRefused)};
}

Task<Response> ApiService::handle(Request& request) const {
  HeldText& held = *request.arena.make<HeldText>(server_.memory());
  auto reading = read_body(request.body, held);
  auto refused = CO_TRY(co_await reading);
  if (refused) co_return respond(request, {.response = std::move(*refused)}, server_, held);
  std::vector<std::pair<std::string_view, std::string_view>> headers;
  headers.emplace_back("host", request.authority);
  for (const HeaderField& field : request.headers) headers.emplace_back(field.name, field.value);
  ApiRequest ask;
  ask.method = request.method;
  ask.target = request.path;
  ask.headers = headers;
  ask.body = held.text;
  ask.now = request.loop.wall();
  ask.steady_now = request.loop.now();
  co_return respond(request, server_.handle(ask), server_, held);
}

}  // namespace sluice
