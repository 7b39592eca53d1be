#include "pipeline/testing.h"

#include "base/check.h"
#include "config/documents.h"
#include "io/testing.h"
#include "pipeline/rerouting.h"

namespace sluice {

// --- PiecesBody -------------------------------------------------------------------------------------------------

Chunk PiecesBody::next() {
  if (pieces_.empty()) return {{}, true};
  std::string& piece = pieces_[at_++];
  return {{piece.data(), piece.size()}, at_ == pieces_.size()};
}

Task<Chunk> PiecesBody::read() {
  if (slowly_) return read_slowly();
  return next();
}

Task<Chunk> PiecesBody::read_slowly() {
  auto nap = sleep_for(loop_, 1ms);
  CO_TRY(co_await nap);
  co_return next();
}

Response make_response(Request& request, uint16_t status,
                       const std::vector<std::pair<std::string, std::string>>& headers,
                       std::vector<std::string> body_pieces, bool slowly, bool with_length) {
  Response response;
  response.status = status;
  response.headers = request.arena.make<Headers>(request.arena);
  for (const auto& [name, value] : headers) response.headers->add(request.arena.copy(name), request.arena.copy(value));
  if (body_pieces.empty()) return response;
  size_t length = 0;
  for (const std::string& piece : body_pieces) length += piece.size();
  response.body.reader = request.arena.make<PiecesBody>(request.loop, std::move(body_pieces), slowly);
  if (with_length) {
    response.body.length = length;
    response.headers->add(Known::content_length, request.arena.copy(std::to_string(length)));
  }
  request.info.details = "via_upstream";
  return response;
}

// --- FilterHarness ----------------------------------------------------------------------------------------------

class FilterHarness::Terminal final : public Service {
 public:
  explicit Terminal(FilterHarness& harness) : harness_(harness) {}

  Task<Response> handle(Request& request) const override {
    reached = true;
    if (harness_.upstream_reads_body) {
      upstream_body = std::string(CO_TRY(co_await read_all(request.body, request.arena, 1 << 30, request.body_budget)));
    }
    if (harness_.upstream) co_return harness_.upstream(request);
    co_return make_response(request, 200, {{"content-type", "text/plain"}}, {"ok"});
  }

  mutable bool reached = false;
  mutable std::string upstream_body;

 private:
  FilterHarness& harness_;
};

class FilterHarness::Reroute final : public Rerouter {
 public:
  explicit Reroute(FilterHarness& harness) : harness_(harness) {}
  void choose_again(Request& request) override {
    if (harness_.reroute && !harness_.reroute(request)) request.route.chain = &no_route_chain();
  }

 private:
  FilterHarness& harness_;
};

FilterHarness::FilterHarness(const FilterFactory& factory) : factory_(factory) {
  loop.use_manual_clock(SteadyTime(1'000'000s), *parse_iso("2030-01-01T00:00:00Z"));
  rebuild();
}

FilterHarness::~FilterHarness() {
  clear();
}

void FilterHarness::clear() {
  preparations.clear();
  chain_ = Chain();
  if (!workers.empty()) settle_in_memory(loop);
}

std::string FilterHarness::set_level(OptionLevel level, std::string_view yaml) {
  levels_[level] = OptionSet();
  auto documents = parse_documents(yaml);
  if (!documents) return documents.error().message;
  CHECK(documents->size() == 1);
  const std::vector<OptionField> fields = factory_.option_fields();
  Diagnostics diagnostics;
  ReadContext context{.file = "test.yaml", .object = {}, .diagnostics = &diagnostics, .option_fields = fields};
  Reader reader(context);
  Fields f(reader, documents->front().node);
  f.options(levels_[level], level);
  f.finish();
  std::string problems = diagnostics.to_string();
  if (diagnostics.errors() > 0) {
    levels_[level] = OptionSet();
    return problems;
  }
  return problems + rebuild();
}

std::string FilterHarness::rebuild() {
  FilterBuild build;
  build.listener = &levels_[OptionLevel::listener];
  build.virtual_host = &levels_[OptionLevel::virtual_host];
  build.route = &levels_[OptionLevel::route];
  build.destination = &levels_[OptionLevel::weighted_destination];
  build.settings = &settings;
  build.body_buffer_bytes_max = body_buffer_bytes_max;
  build.metrics = &metrics;
  build.kept = &kept_;
  build.references = references;
  build.cluster = cluster;
  build.listener_address = "127.0.0.1_80";
  build.loops = loops;
  build.workers = workers;
  build.preparations = &preparations;
  warnings.clear();
  build.warnings = &warnings;
  without_effect.clear();
  build.without_effect = [this](const OptionSet&, std::string_view field, std::string_view why) {
    without_effect.push_back(fmt::format("{}: {}", field, why));
  };
  build.name = "test";
  auto filters = factory_.build(build);
  chain_ = Chain();
  chain_.terminal = std::make_shared<Terminal>(*this);
  if (!filters) return filters.error().message;
  chain_.filters = std::move(*filters);
  return {};
}

Task<void> FilterHarness::run(Request& request, Answer& answer) {
  auto task = run_chain(request);
  auto response = co_await task;
  if (response && request.rerouting) {
    auto finishing = finish_rerouted(request, *response);
    response = co_await finishing;
  }
  if (!response) {
    answer.error = std::move(response).error();
    co_return Status{};
  }
  answer.status = response->status;
  for (const HeaderField& field : *response->headers) answer.headers.emplace_back(field.name, field.value);
  while (response->body.reader) {
    auto reading = response->body.reader->read();
    auto chunk = co_await reading;
    if (!chunk) {
      answer.error = std::move(chunk).error();
      break;
    }
    answer.body.append(chunk->bytes.data(), chunk->bytes.size());
    if (chunk->last) break;
  }
  co_return Status{};
}

FilterHarness::Answer FilterHarness::send(const Ask& ask) {
  Arena arena;
  StreamInfo info;
  info.start = loop.now();
  info.start_wall = loop.wall();
  Request request(arena, loop, info);
  request.method = arena.copy(ask.method);
  request.path = arena.copy(ask.path);
  request.authority = arena.copy(ask.authority);
  info.method = request.method;
  info.original_path = request.path;
  request.body_buffer_bytes_max = body_buffer_bytes_max;
  request.accepts_trailers = accepts_trailers;
  for (const auto& [name, value] : ask.headers) request.headers.add(arena.copy(name), arena.copy(value));
  if (!ask.body.empty()) {
    size_t length = 0;
    for (const std::string& piece : ask.body) length += piece.size();
    request.body = {arena.make<PiecesBody>(loop, ask.body, ask.slowly), length};
    request.headers.set(Known::content_length, arena.copy(std::to_string(length)));
  }
  TaskGroup background;
  request.background = &background;
  Reroute rerouter(*this);
  request.rerouter = &rerouter;
  request.route.chain = &chain_;
  const auto& terminal = static_cast<const Terminal&>(*chain_.terminal);
  terminal.reached = false;
  terminal.upstream_body.clear();

  Answer answer;
  bool done = false;
  Runner runner(&done, [](void* flag, Result<void>) { *static_cast<bool*>(flag) = true; });
  runner.start(run(request, answer));
  for (int turns = 0; !done && turns < 1'000'000; ++turns) {
    if (!workers.empty()) settle_in_memory(loop);
    if (!done) loop.advance(1ms);
  }
  CHECK(done);
  if (finished) finished(info);
  answer.details = info.details;
  answer.flags = info.flags_text();
  answer.reached_upstream = terminal.reached;
  answer.upstream_body = terminal.upstream_body;
  return answer;
}

std::optional<std::string> FilterHarness::Answer::header(std::string_view name) const {
  for (const auto& [n, value] : headers)
    if (n == name) return value;
  return std::nullopt;
}

}  // namespace sluice
