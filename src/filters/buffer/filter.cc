#include "filters/buffer/filter.h"

#include "filters/buffer/config.h"

namespace sluice::buffer {
namespace {

// A body that is here as a whole, with the trailers of the one it came from.
class WholeBody final : public BodyReader {
 public:
  WholeBody(const BodyReader& inner, std::span<char> bytes) : inner_(inner), bytes_(bytes) {}
  Task<Chunk> read() override { return Chunk{bytes_, true}; }
  const Headers* trailers() const override { return inner_.trailers(); }

 private:
  const BodyReader& inner_;
  std::span<char> bytes_;
};

class Factory final : public FilterFactory {
 public:
  std::string_view name() const override { return "buffer"; }
  std::vector<Stage> stages() const override { return {Stage::buffer}; }

  std::vector<OptionField> option_fields() const override {
    return {option_field<Options>("buffer", OptionLevel::listener,
                                  "Waits for the whole body of each request before it goes on."),
            option_field<RouteOptions>(
                "bufferPerRoute", OptionLevel::virtual_host | OptionLevel::route | OptionLevel::weighted_destination,
                "Another limit than the Gateway's, or none of it; without the Gateway's it does "
                "nothing.")};
  }

  Result<std::vector<StagedFilter>> build(const FilterBuild& build) const override {
    const auto* base = build.listener ? build.listener->get<Options>("buffer") : nullptr;
    if (!base) {
      warn_of_no_base(build);
      return std::vector<StagedFilter>{};
    }
    const auto* own = build.most_specific<RouteOptions>(kPerRoute);
    if (own && own->disabled) return std::vector<StagedFilter>{};
    const size_t bytes_max = own && own->buffer ? own->buffer->max_request_bytes : base->max_request_bytes;
    const auto make = [&] { return std::make_shared<BufferFilter>(bytes_max); };
    return std::vector<StagedFilter>{
        {Stage::buffer, build.share<BufferFilter>("buffer", std::to_string(bytes_max), make)}};
  }

 private:
  static constexpr std::string_view kPerRoute = "bufferPerRoute";

  // Gloo says nothing then (gloo-core 2.4). Who has none there wants none here.
  static void warn_of_no_base(const FilterBuild& build) {
    if (!build.without_effect) return;
    for (const OptionSet* level : {build.destination, build.route, build.virtual_host}) {
      const auto* found = level ? level->get<RouteOptions>(kPerRoute) : nullptr;
      if (found && !found->disabled)
        build.without_effect(*level, kPerRoute, "has no httpGateway.options.buffer, whose limit it would be");
    }
  }
};

}  // namespace

Task<Response> BufferFilter::handle(Request& request, Next next) const {
  if (request.body.empty()) return next(request);
  return collect(request, next);
}

Task<Response> BufferFilter::collect(Request& request, Next next) const {
  auto reading = read_all(request.body, request.arena, bytes_max_, request.body_budget);
  const Result<std::string_view> text = co_await reading;
  if (!text) {
    if (text.error().kind == ErrorKind::limit) co_return reply(request, OutcomeKind::request_too_large);
    co_return std::unexpected(text.error());
  }
  // read_all has put a copy into the arena, which is ours to change.
  const std::span bytes(const_cast<char*>(text->data()), text->size());
  request.body = {request.arena.make<WholeBody>(*request.body.reader, bytes), bytes.size()};
  auto rest = next(request);
  co_return co_await rest;
}

}  // namespace sluice::buffer

namespace sluice {

const FilterFactory& buffer_filter() {
  static const buffer::Factory factory;
  return factory;
}

}  // namespace sluice
