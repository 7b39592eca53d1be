// Measures how long requests and responses stay in the gateway: Gloo's proxylatency, README.md beside this.
//
// Two filters, as what comes in is seen in front of all others and what goes upstream behind them. What comes in counts
// from the beginning of the turn of the loop that found it, what goes out by the clock itself: the time that it waits
// for its turn is the gateway's as well.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "filters/proxy_latency/config.h"
#include "pipeline/filter.h"

namespace sluice {

const FilterFactory& proxy_latency_filter();

namespace proxy_latency {

// Of a cluster or a listener.
struct Histograms {
  // `of`: the first labels of both.
  Histograms(Metrics& metrics, const MetricFamily& request, const MetricFamily& response, const Labels& of)
      : set(metrics), request(set.histogram(request, of)), response(set.histogram(response, of)) {}

  MetricSet set;
  Histogram* const request;
  Histogram* const response;
};
using HistogramsPtr = std::shared_ptr<Histograms>;

// Around all other filters: when the request has come, and when the response goes.
class OutermostFilter final : public Filter {
 public:
  // `listener`: null where it is not charged.
  OutermostFilter(const Options& options, HistogramsPtr listener) : options_(options), listener_(std::move(listener)) {}
  Task<Response> handle(Request& request, Next next) const override;

 private:
  Task<Response> wait(Request& request, Task<Response> rest) const;
  Response finish(Request& request, Response response) const;

  const Options options_;
  const HistogramsPtr listener_;
};

// Behind all other filters, where the route forwards: when the request goes, and when the response has come.
class InnermostFilter final : public Filter {
 public:
  InnermostFilter(const Options& options, HistogramsPtr cluster) : options_(options), cluster_(std::move(cluster)) {}
  Task<Response> handle(Request& request, Next next) const override;

 private:
  Task<Response> wait(Request& request, Task<Response> rest, bool had_body) const;
  void finish(Request& request, bool had_body, Result<Response>& response) const;

  const Options options_;
  const HistogramsPtr cluster_;
};

}  // namespace proxy_latency
}  // namespace sluice
