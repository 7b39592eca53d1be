// Lets clients in browsers speak gRPC: gRPC-Web to them, gRPC to upstreams. gloo-core.md 2.4, README.md beside this.
#pragma once

#include "pipeline/filter.h"

namespace sluice {

const FilterFactory& grpc_web_filter();

namespace grpc_web {

// `grpcWeb` of a Gateway.
struct Options {
  bool disable = false;
};
void bind(Fields& f, Options& options);

class GrpcWebFilter final : public Filter {
 public:
  explicit GrpcWebFilter(Counter& requests) : requests_(requests) {}
  Task<Response> handle(Request& request, Next next) const override;

 private:
  Counter& requests_;
};

}  // namespace grpc_web
}  // namespace sluice
