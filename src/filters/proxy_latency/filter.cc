#include "filters/proxy_latency/filter.h"

#include "io/loop.h"

namespace sluice::proxy_latency {
namespace {

// The first is the name that Envoys of Gloo show; the others are made like it.
constexpr MetricFamily kClusterRequest{"envoy_cluster_proxy_latency_rq_proxy_latency",
                                       "How long requests stayed in the gateway, in milliseconds.",
                                       MetricType::histogram};
constexpr MetricFamily kClusterResponse{"envoy_cluster_proxy_latency_rs_proxy_latency",
                                        "How long responses stayed in the gateway, in milliseconds.",
                                        MetricType::histogram};
constexpr MetricFamily kListenerRequest{"envoy_listener_proxy_latency_rq_proxy_latency",
                                        "How long requests stayed in the gateway, in milliseconds.",
                                        MetricType::histogram};
constexpr MetricFamily kListenerResponse{"envoy_listener_proxy_latency_rs_proxy_latency",
                                         "How long responses stayed in the gateway, in milliseconds.",
                                         MetricType::histogram};

constexpr std::string_view kNamespace = "io.solo.filters.http.proxy_latency";

// Of one exchange, in its arena. Outlives the filters where the snapshot is let go, so it holds what is charged.
struct Times final : ForwardingTimes {
  Times(Request& of, const Options& options, HistogramsPtr of_listener)
      : loop(of.loop),
        request(options.request),
        response(options.response),
        start(of.info.start),
        listener(std::move(of_listener)) {}

  Loop& loop;
  const Measurement request;
  const Measurement response;
  const SteadyTime start;  // the first byte of the request came in
  const HistogramsPtr listener;
  HistogramsPtr cluster;
  std::optional<SteadyTime> request_ended;   // its last byte came in
  std::optional<SteadyTime> inside;          // all filters are done with the request
  std::optional<SteadyTime> response_began;  // its first byte came in
  std::optional<SteadyTime> response_ended;

  void request_came() { request_ended = loop.now(); }
  void response_came() { response_ended = loop.now(); }
  void request_went() {
    if (sending) charge_request(loop.precise_now());
  }
  void response_went() { charge_response(loop.precise_now()); }

  void charge_request(SteadyTime out) const {
    charge(&Histograms::request, between(from_last(request) ? request_ended : start, out));
  }
  void charge_response(SteadyTime out) const {
    charge(&Histograms::response, between(from_last(response) ? response_ended : response_began, out));
  }

 private:
  // What goes out before the last byte has come in is not held up.
  static Nanos between(const std::optional<SteadyTime>& in, SteadyTime out) {
    return in && *in < out ? out - *in : Nanos(0);
  }
  void charge(Histogram* const Histograms::* which, Nanos time) const {
    for (const HistogramsPtr& charged : {listener, cluster})
      if (charged) ((*charged).*which)->record_nanos(time.count());
  }
};

Times& times_of(const Request& request) {
  return static_cast<Times&>(*request.info.forwarding_times);
}

// A body whose end is noted.
class WatchedBody final : public BodyReader {
 public:
  using AtEnd = void (Times::*)();
  WatchedBody(BodyReader& inner, Times& times, AtEnd at_end) : inner_(inner), times_(times), at_end_(at_end) {}

  Task<Chunk> read() override {
    auto reading = inner_.read();
    if (!reading.ready()) return wait(std::move(reading));
    auto chunk = reading.take();
    note(chunk);
    return chunk;
  }
  std::optional<Task<void>> pass_to(Stream& to, Nanos idle, uint64_t& moved) override {
    auto passing = inner_.pass_to(to, idle, moved);
    if (passing) return pass(*std::move(passing));
    return std::nullopt;
  }
  const Headers* trailers() const override { return inner_.trailers(); }

 private:
  void note(const Result<Chunk>& chunk) {
    if (chunk && chunk->last) (times_.*at_end_)();
  }
  Task<Chunk> wait(Task<Chunk> reading) {
    auto chunk = co_await reading;
    note(chunk);
    co_return chunk;
  }
  Task<void> pass(Task<void> passing) {
    CO_TRY(co_await passing);
    (times_.*at_end_)();
    co_return Status{};
  }

  BodyReader& inner_;
  Times& times_;
  const AtEnd at_end_;
};

void watch(Request& request, Body& body, WatchedBody::AtEnd at_end) {
  body.reader = request.arena.make<WatchedBody>(*body.reader, times_of(request), at_end);
}

void tell(Request& request, std::string_view key, const std::optional<SteadyTime>& at) {
  if (!at) return;
  const auto millis = std::chrono::floor<Millis>(*at - request.info.start).count();
  request.info.metadata.push_back(
      {.filter_namespace = kNamespace, .key = key, .json = request.arena.copy(fmt::to_string(millis)), .owner = {}});
}

class Factory final : public FilterFactory {
 public:
  std::string_view name() const override { return "proxy_latency"; }
  std::vector<Stage> stages() const override { return {Stage::latency_out, Stage::latency_in}; }
  std::vector<OptionField> option_fields() const override {
    return {
        option_field<Options>(kField, OptionLevel::listener, "Measures how long messages stay in the gateway itself.")};
  }

  Result<std::vector<StagedFilter>> build(const FilterBuild& build) const override {
    const auto* options = build.listener ? build.listener->get<Options>(kField) : nullptr;
    if (!options || !options->any()) return std::vector<StagedFilter>{};
    std::vector<StagedFilter> out;
    const auto outermost = [&] {
      return std::make_shared<OutermostFilter>(
          *options, options->charge_listener_stat ? histograms(build, kListenerRequest, kListenerResponse,
                                                               "envoy_listener_address", build.listener_address)
                                                  : nullptr);
    };
    out.push_back({Stage::latency_out,
                   build.share<OutermostFilter>("latency of " + build.listener_address, options->written, outermost)});
    if (build.cluster.empty()) return out;
    const auto innermost = [&] {
      return std::make_shared<InnermostFilter>(
          *options, options->charge_cluster_stat
                        ? histograms(build, kClusterRequest, kClusterResponse, "envoy_cluster_name", build.cluster)
                        : nullptr);
    };
    out.push_back(
        {Stage::latency_in, build.share<InnermostFilter>("latency to " + build.cluster, options->written, innermost)});
    return out;
  }

  std::vector<MetricFamily> metrics() const override {
    return {kClusterRequest, kClusterResponse, kListenerRequest, kListenerResponse};
  }

 private:
  static constexpr std::string_view kField = "proxyLatency";

  static HistogramsPtr histograms(const FilterBuild& build, const MetricFamily& request, const MetricFamily& response,
                                  const std::string& label, const std::string& value) {
    return build.kept->get<Histograms>("proxy latency " + label + " " + value, [&] {
      return std::make_shared<Histograms>(*build.metrics, request, response, Labels{{label, value}});
    });
  }
};

}  // namespace

// --- around all others -------------------------------------------------------------------------------------------

Task<Response> OutermostFilter::handle(Request& request, Next next) const {
  auto& times = *request.arena.make<Times>(request, options_, listener_);
  request.info.forwarding_times = &times;
  if (request.body.empty())
    times.request_came();
  else if (from_last(options_.request))
    watch(request, request.body, &Times::request_came);
  auto rest = next(request);
  if (!rest.ready()) return wait(request, std::move(rest));
  auto response = rest.take();
  if (!response) return response;
  return finish(request, *std::move(response));
}

Task<Response> OutermostFilter::wait(Request& request, Task<Response> rest) const {
  Response response = CO_TRY(co_await rest);
  co_return finish(request, std::move(response));
}

Response OutermostFilter::finish(Request& request, Response response) const {
  const Times& times = times_of(request);
  const SteadyTime now = times.loop.precise_now();
  if (options_.emit_dynamic_metadata) {
    tell(request, "request_out_internal", times.inside);
    tell(request, "request_out", times.sending);
    tell(request, "response_out", now);
  }
  if (!times.response_began) return response;  // it is the gateway's own
  if (to_last(options_.response) && !response.body.empty())
    watch(request, response.body, &Times::response_went);
  else
    times.charge_response(now);
  return response;
}

// --- behind all others -------------------------------------------------------------------------------------------

Task<Response> InnermostFilter::handle(Request& request, Next next) const {
  Times& times = times_of(request);
  times.cluster = cluster_;
  times.inside = times.loop.precise_now();
  const bool had_body = !request.body.empty();
  if (had_body && to_last(options_.request)) watch(request, request.body, &Times::request_went);
  auto rest = next(request);
  if (!rest.ready()) return wait(request, std::move(rest), had_body);
  auto response = rest.take();
  finish(request, had_body, response);
  return response;
}

Task<Response> InnermostFilter::wait(Request& request, Task<Response> rest, bool had_body) const {
  auto response = co_await rest;
  finish(request, had_body, response);
  co_return response;
}

void InnermostFilter::finish(Request& request, bool had_body, Result<Response>& response) const {
  Times& times = times_of(request);
  if (times.sending) {
    if (!to_last(options_.request))
      times.charge_request(options_.measure_request_internally ? *times.inside : *times.sending);
    else if (!had_body)
      times.charge_request(*times.sending);
  }
  if (!response || !request.info.upstream_first_byte) return;
  times.response_began = request.info.upstream_first_byte;
  if (response->body.empty())
    times.response_ended = times.response_began;
  else if (from_last(options_.response))
    watch(request, response->body, &Times::response_came);
}

}  // namespace sluice::proxy_latency

namespace sluice {

const FilterFactory& proxy_latency_filter() {
  static const proxy_latency::Factory factory;
  return factory;
}

}  // namespace sluice
