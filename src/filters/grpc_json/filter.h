// Lets clients that speak JSON over HTTP call methods of gRPC. gloo-policies.md 1.2, README.md beside this.
#pragma once

#include "filters/grpc_json/messages.h"
#include "pipeline/filter.h"

namespace sluice {

const FilterFactory& grpc_json_filter();

namespace grpc_json {

// For what no route fits, as routes are those of the service of gRPC: chooses the route of the method that is called.
// The filter of that route does the rest where it stands, behind those that check.
class MethodRouter final : public Filter {
 public:
  explicit MethodRouter(std::shared_ptr<const transcoding::Transcoder> transcoder)
      : transcoder_(std::move(transcoder)) {}
  Task<Response> handle(Request& request, Next next) const override;

 private:
  const std::shared_ptr<const transcoding::Transcoder> transcoder_;
};

class GrpcJsonFilter final : public Filter {
 public:
  struct Counters {
    Counter* requests;
    Counter* refused;
  };
  struct Terms {
    bool keep_route = false;
    bool convert_status = false;
  };
  GrpcJsonFilter(std::shared_ptr<const transcoding::Transcoder> transcoder, Terms terms, Counters counters)
      : transcoder_(std::move(transcoder)), terms_(terms), counters_(counters) {}
  Task<Response> handle(Request& request, Next next) const override;

 private:
  // What the end of a response says, and what it came with.
  struct End {
    const Headers* said;  // trailers, or the head of a response that is its status alone
    std::optional<std::string_view> message;
  };
  std::optional<transcoding::Call> find(const Request& request) const;
  Task<Response> transcode(Request& request, Next next, const Transcoding& how) const;
  void call(Request& request, const transcoding::Method& method) const;
  static Result<std::string> frame(const Request& request, const Transcoding& how, std::string_view body);
  Response refuse(Request& request, std::string_view why) const;
  Task<Response> answer(Request& request, Response response, const Transcoding& how) const;
  Result<Response> finish(Request& request, Response response, const Transcoding& how, const End& end) const;
  struct Shown {
    std::string_view type = {};  // of content; "": none is said
    std::string text = {};
  };
  static Result<Shown> show(Request& request, const Transcoding& how, std::string_view message);
  static std::optional<std::string> status_json(const Headers& said, uint64_t status, const Transcoding& how);

  const std::shared_ptr<const transcoding::Transcoder> transcoder_;
  const Terms terms_;
  const Counters counters_;
};

}  // namespace grpc_json
}  // namespace sluice
