// Calls a method of a gRPC service on an Upstream, for filters and the control plane: one message there, one back.
//
//   const GrpcClient checker(upstream, ClientMetrics(metrics, "ext_auth"), {.calls_max = 64});
//   auto calling = checker.call({&loop, &upstreams}, {.method = "/grpc.health.v1.Health/Check", .message = bytes});
//   const GrpcAnswer answer = CO_TRY(co_await calling);
//   if (answer.status != grpc::Status::ok) ...
//
// Messages are bytes: who calls knows how to write and read them. Limits, metrics and lifetimes are those of HttpClient
// (http_client.h). The Upstream has to speak HTTP/2 (`useHttp2`), as gRPC servers understand nothing else.
#pragma once

#include "clients/http_client.h"
#include "http/grpc.h"

namespace sluice {

struct GrpcCall {
  std::string authority;
  std::string method;    // "/package.Service/Method"
  HeaderTexts metadata;  // names in lower case; not those of gRPC itself
  std::string message;
  Nanos timeout = 5s;  // over all of it; the server is told, by grpc-timeout
  size_t message_bytes_max = 1U << 20;
};

struct GrpcAnswer {
  grpc::Status status = grpc::Status::unknown;
  std::string text;      // grpc-message, decoded
  std::string message;   // with Status::ok; else what came, if anything
  HeaderTexts metadata;  // of the head
  HeaderTexts trailers;
};

class GrpcClient {
 public:
  GrpcClient(std::shared_ptr<const Service> upstream, const ClientMetrics& metrics, HttpClient::Limits limits)
      : http_(std::move(upstream), metrics, limits) {}

  // An answer is whatever the server said, with any status; of one that is no gRPC, what its HTTP status stands for.
  // Errors: as HttpClient::send(); `invalid` where what came is not one message, `unsupported` where it is compressed,
  // as nobody asked for that.
  Task<GrpcAnswer> call(WorkerPlace at, GrpcCall call) const;
  bool admits() const { return http_.admits(); }

 private:
  HttpClient http_;
};

}  // namespace sluice
