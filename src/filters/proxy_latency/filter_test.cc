#include "filters/proxy_latency/filter.h"

#include <gtest/gtest.h>

#include <ranges>

#include "io/loop.h"
#include "pipeline/testing.h"

namespace sluice::proxy_latency {
namespace {

// Stands between the two: takes 3 ms of a request, once it has all of it where it collects, and 5 ms of a response.
// What stands behind begins to send 2 ms later.
class Slow final : public Filter {
 public:
  explicit Slow(const bool& collects) : collects_(collects) {}
  Task<Response> handle(Request& request, Next next) const override {
    if (collects_ && !request.body.empty()) {
      auto reading = read_all(request.body, request.arena, 1000, nullptr);
      const std::string_view text = CO_TRY(co_await reading);
      request.body = text_body(request.arena, text);
    }
    CO_TRY(co_await sleep_for(request.loop, 3ms));
    if (auto* times = request.info.forwarding_times) times->sending = request.loop.now() + 2ms;
    auto rest = next(request);
    const Response response = CO_TRY(co_await rest);
    CO_TRY(co_await sleep_for(request.loop, 5ms));
    co_return response;
  }

 private:
  const bool& collects_;
};

class Factory final : public FilterFactory {
 public:
  std::string_view name() const override { return "test"; }
  std::vector<Stage> stages() const override { return proxy_latency_filter().stages(); }
  std::vector<OptionField> option_fields() const override { return proxy_latency_filter().option_fields(); }
  Result<std::vector<StagedFilter>> build(const FilterBuild& build) const override {
    auto out = TRY(proxy_latency_filter().build(build));
    if (!out.empty()) out.insert(out.begin() + 1, {Stage::buffer, std::make_shared<Slow>(collects)});
    return out;
  }
  bool collects = false;
};

struct World {
  explicit World(std::string_view options = "") {
    gateway.cluster = "c";
    said = gateway.listener(fmt::format("proxyLatency: {{{}}}", options));
    gateway.upstream = [this](Request& request) {
      if (!silent) request.info.upstream_first_byte = request.loop.now();
      Response response = make_response(request, 200, {}, pieces, true);
      response.local = silent;
      return response;
    };
  }
  // What one exchange was charged in milliseconds: request and response of the cluster, then of the
  // listener; "-" for what was not.
  std::string send(std::vector<std::string> body = {}) {
    const auto before = sums();
    gateway.send({.body = std::move(body), .slowly = true});
    std::string out;
    for (const auto& [name, now] : sums()) {
      const auto then = before.find(name);
      const bool charged = now.first > (then == before.end() ? 0 : then->second.first);
      out += charged ? fmt::format(" {}", now.second - (then == before.end() ? 0 : then->second.second)) : " -";
    }
    return out.empty() ? out : out.substr(1);
  }
  // By name: how many, and their sum.
  std::map<std::string, std::pair<int64_t, double>> sums() {
    std::map<std::string, std::pair<int64_t, double>> out;
    for (const Metrics::Family& family : gateway.metrics.collect())
      for (const Metrics::Sample& sample : family.samples) {
        int64_t count = 0;
        for (size_t i = 0; i <= Histogram::kBounds.size(); ++i) count += sample.histogram->bucket(i);
        out[family.name + " " + sample.labels.at(0).second] = {count, sample.histogram->sum_milliseconds()};
      }
    return out;
  }

  Factory factory;
  FilterHarness gateway{factory};
  std::string said;
  std::vector<std::string> pieces;
  bool silent = false;  // the answer is the gateway's own
};

constexpr std::string_view kClusterAlone = "chargeListenerStat: false, emitDynamicMetadata: false";

TEST(ProxyLatency, is_charged_to_the_cluster_and_the_listener) {
  World world;
  EXPECT_EQ(world.said, "");
  EXPECT_EQ(world.send(), "5 5 5 5");
  EXPECT_EQ(fmt::format("{}", fmt::join(std::views::keys(world.sums()), ",")),
            "envoy_cluster_proxy_latency_rq_proxy_latency c,envoy_cluster_proxy_latency_rs_proxy_latency c,"
            "envoy_listener_proxy_latency_rq_proxy_latency 127.0.0.1_80,"
            "envoy_listener_proxy_latency_rs_proxy_latency 127.0.0.1_80");
  EXPECT_EQ(World("chargeListenerStat: false").send(), "5 5");
  World listener("chargeClusterStat: false");
  EXPECT_EQ(listener.send(), "5 5");
  EXPECT_TRUE(listener.sums().begin()->first.starts_with("envoy_listener_")) << listener.sums().begin()->first;
}

// The pieces of bodies come a millisecond apart.
TEST(ProxyLatency, is_measured_from_and_to_the_bytes_that_the_options_say) {
  struct Row {
    std::string_view measurement;
    bool collects;
    std::string_view without_bodies, with_bodies;
  };
  for (const Row& row : {
           Row{"LAST_INCOMING_FIRST_OUTGOING", false, "5 5", "0 0"},
           Row{"FIRST_INCOMING_FIRST_OUTGOING", false, "5 5", "5 5"},
           Row{"LAST_INCOMING_LAST_OUTGOING", false, "5 5", "0 0"},
           Row{"FIRST_INCOMING_LAST_OUTGOING", false, "5 5", "6 8"},
           Row{"LAST_INCOMING_FIRST_OUTGOING", true, "5 5", "5 0"},
           Row{"FIRST_INCOMING_FIRST_OUTGOING", true, "5 5", "8 5"},
           Row{"LAST_INCOMING_LAST_OUTGOING", true, "5 5", "3 0"},
           Row{"FIRST_INCOMING_LAST_OUTGOING", true, "5 5", "6 8"},
       }) {
    World world(fmt::format("request: {0}, response: {0}, {1}", row.measurement, kClusterAlone));
    world.factory.collects = row.collects;
    EXPECT_EQ(world.send(), row.without_bodies) << row.measurement;
    world.pieces = {"a", "b", "c"};
    EXPECT_EQ(world.send({"a", "b", "c"}), row.with_bodies) << row.measurement << row.collects;
  }
}

TEST(ProxyLatency, leaves_the_wait_for_a_connection_out_where_it_is_measured_internally) {
  for (const std::string_view measurement : {"LAST_INCOMING_FIRST_OUTGOING", "FIRST_INCOMING_FIRST_OUTGOING"})
    EXPECT_EQ(World(fmt::format("measureRequestInternally: true, request: {}, {}", measurement, kClusterAlone)).send(),
              "3 5");
}

TEST(ProxyLatency, is_told_in_metadata_in_milliseconds_since_the_request_began) {
  const auto told = [](std::string_view options) {
    World world(options);
    std::string out;
    world.gateway.finished = [&](const StreamInfo& info) {
      for (const MetadataEntry& entry : info.metadata) {
        EXPECT_EQ(entry.filter_namespace, "io.solo.filters.http.proxy_latency");
        out += fmt::format("{}={} ", entry.key, entry.json);
      }
    };
    world.gateway.send({});
    return out;
  };
  EXPECT_EQ(told(""), "request_out_internal=3 request_out=5 response_out=8 ");
  EXPECT_EQ(told("emitDynamicMetadata: false"), "");
}

TEST(ProxyLatency, of_what_was_not_forwarded_is_not_charged) {
  World world(kClusterAlone);
  world.silent = true;
  EXPECT_EQ(world.send(), "5 -") << "it was sent, and not answered";
  world.gateway.cluster = "";
  EXPECT_EQ(world.gateway.listener("proxyLatency: {}"), "");
  EXPECT_EQ(world.gateway.chain().filters.size(), 2U) << "the outermost, and that of the test";
  EXPECT_EQ(world.send().find_first_not_of("- "), std::string::npos);
}

TEST(ProxyLatency, is_not_in_the_chain_where_nobody_asks) {
  FilterHarness gateway(proxy_latency_filter());
  gateway.cluster = "c";
  EXPECT_EQ(gateway.listener("{}"), "");
  EXPECT_TRUE(gateway.chain().filters.empty());
  const std::string said = gateway.listener(
      "proxyLatency: {chargeClusterStat: false, chargeListenerStat: false, emitDynamicMetadata: false}");
  EXPECT_TRUE(said.contains("emitDynamicMetadata: warning: nothing is measured")) << said;
  EXPECT_TRUE(gateway.chain().filters.empty());
}

TEST(ProxyLatency, says_which_options_do_nothing_or_are_none) {
  FilterHarness gateway(proxy_latency_filter());
  const auto said = [&](std::string_view options) {
    return gateway.listener(fmt::format("proxyLatency: {{{}}}", options));
  };
  EXPECT_TRUE(said("measureRequestInternally: true, request: LAST_INCOMING_LAST_OUTGOING").contains("has no effect"));
  EXPECT_TRUE(said("request: LAST").contains("LAST_INCOMING_FIRST_OUTGOING")) << said("request: LAST");
  EXPECT_TRUE(said("respones: LAST_INCOMING_LAST_OUTGOING").contains("did you mean \"response\"?"));
}

}  // namespace
}  // namespace sluice::proxy_latency
