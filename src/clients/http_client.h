// Asks an Upstream something over HTTP, for filters and the control plane: one call, one answer.
//
//   const HttpClient id(upstream, ClientMetrics(metrics, "jwks"), {.calls_max = 16});
//   auto calling = id.send({&loop, &upstreams}, {.authority = "id.test", .path = "/keys"});
//   const HttpAnswer answer = CO_TRY(co_await calling);
//
// A call goes through the end of a chain, as a client's request to that Upstream would: its hosts, circuit breakers,
// pools and memory of failed connects count for both. It has its own arena and StreamInfo, and belongs to the thread
// that made it; the client itself never changes and serves all threads. Cancelling the task that waits frees all of it.
//
// Static hosts that are names are resolved on workers only (forward/dns); literal ones can be called from any loop.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/metrics.h"
#include "base/time.h"
#include "pipeline/filter.h"
#include "pipeline/worker_place.h"

namespace sluice {

using HeaderTexts = std::vector<std::pair<std::string, std::string>>;  // names in lower case

struct HttpCall {
  std::string method = "GET";
  std::string authority;
  std::string path = "/";
  HeaderTexts headers;
  std::string body;    // "": none
  Nanos timeout = 5s;  // over all of it: name, connection, request, the whole answer
  size_t response_bytes_max = 1U << 20;
  bool grpc = false;  // trailers are wanted, and it counts as gRPC
};

struct HttpAnswer {
  uint16_t status = 0;
  HeaderTexts headers;
  std::string body;
  HeaderTexts trailers;  // where they were wanted
};

// What a service that is called must know of the request that caused it, so that its own traces join: the fields of
// W3C Trace Context and B3, and the request's id.
HeaderTexts trace_headers(const Request& cause);

// What is counted of a client, by its name; clients of one name share it.
struct ClientMetrics {
  ClientMetrics(Metrics& metrics, const std::string& client);
  static std::vector<MetricFamily> families();

  Counter* calls;
  Counter* failures;  // calls without an answer
  Counter* refused;   // calls that were not made, as too many were under way
  Gauge* active;
  Histogram* time;
};

class HttpClient {
 public:
  struct Limits {
    size_t calls_max = 64;         // under way at once on a thread, of all clients of this name
    BodyBudget* bodies = nullptr;  // of the process: answers count in it until they are handed over; null: none
  };
  // `upstream`: the end of a chain.
  HttpClient(std::shared_ptr<const Service> upstream, const ClientMetrics& metrics, Limits limits)
      : upstream_(std::move(upstream)), metrics_(metrics), limits_(limits) {}

  // `at`: of this thread. An answer is whatever the upstream said, with any status. Errors: `timeout`, `limit` for an
  // answer that is too large, `overload` where too many calls are under way, a circuit breaker of the Upstream says no
  // or all bodies together are too large, `unreachable` when nobody answers, `cancelled`; the rest as reading and
  // writing have it.
  Task<HttpAnswer> send(WorkerPlace at, HttpCall call) const;
  // Whether this thread may make one more call now. One that may not counts as refused, as in send(). For who would
  // rather wait: the `overload` of a call that was made has cost its upstream something.
  bool admits() const;

 private:
  std::shared_ptr<const Service> upstream_;
  ClientMetrics metrics_;
  Limits limits_;
};

}  // namespace sluice
