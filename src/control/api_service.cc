#include "control/api_service.h"

#include "base/strings.h"
#include "io/loop.h"

namespace sluice {
namespace {

constexpr size_t kWatchChunkBytes = 64 * 1024;

// A watch as a body: each read gives the events at hand, or waits for some.
class WatchBody final : public BodyReader {
 public:
  WatchBody(Loop& loop, std::unique_ptr<WatchStream> stream) : loop_(loop), stream_(std::move(stream)) {
    stream_->on_ready([this] { more_.notify(loop_); });
  }
  Task<Chunk> read() override {
    for (;;) {
      text_.clear();
      const auto state = stream_->pull(text_, kWatchChunkBytes, loop_.wall(), loop_.now());
      const bool ended = state == WatchStream::State::ended;
      if (!text_.empty() || ended) co_return Chunk{{text_.data(), text_.size()}, ended};
      auto waiting = more_.wait(loop_, stream_->wake_at());
      auto told = co_await waiting;
      if (!told && told.error().kind != ErrorKind::timeout) co_return std::unexpected(std::move(told).error());
    }
  }

 private:
  Loop& loop_;
  std::unique_ptr<WatchStream> stream_;
  Event more_;
  std::string text_;
};

Response to_response(Request& request, ApiAnswer answer) {
  Response response;
  response.local = true;
  response.status = static_cast<uint16_t>(answer.response.status);
  response.headers = request.arena.make<Headers>(request.arena);
  response.headers->add(Known::content_type, request.arena.copy(answer.response.content_type));
  for (const auto& [name, value] : answer.response.headers)
    response.headers->add(request.arena.copy(to_lower(name)), request.arena.copy(value));
  if (answer.watch)
    response.body.reader = request.arena.make<WatchBody>(request.loop, std::move(answer.watch));
  else
    response.body = text_body(request.arena, answer.response.body);
  request.info.details = "api";
  return response;
}

}  // namespace

Task<Response> ApiService::handle(Request& request) const {
  auto reading = read_all(request.body, request.arena, ApiRequest::kBodyBytesMax);
  auto body = co_await reading;
  if (!body && body.error().kind == ErrorKind::limit) co_return to_response(request, {ApiServer::too_large(), nullptr});
  if (!body) co_return std::unexpected(std::move(body).error());
  std::vector<std::pair<std::string_view, std::string_view>> headers;
  headers.emplace_back("host", request.authority);
  for (const HeaderField& field : request.headers) headers.emplace_back(field.name, field.value);
  ApiRequest ask;
  ask.method = request.method;
  ask.target = request.path;
  ask.headers = headers;
  ask.body = *body;
  ask.now = request.loop.wall();
  ask.steady_now = request.loop.now();
  co_return to_response(request, server_.handle(ask));
}

}  // namespace sluice
