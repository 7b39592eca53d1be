// Changes requests and responses by templates: one filter per stage that a route or its virtual host configures.
#pragma once

#include <memory>
#include <vector>

#include "filters/transformation/transformation.h"
#include "pipeline/filter.h"
#include "pipeline/request_matcher.h"

namespace sluice {

const FilterFactory& transformation_filter();

namespace transformation {

using SharedTransformation = std::shared_ptr<const Transformation>;

struct RequestRule {
  std::optional<RequestMatcher> match;  // nothing: every request
  bool clear_route_cache = false;
  SharedTransformation on_request;
  SharedTransformation on_response;
};

struct ResponseRule {
  std::vector<HeaderCondition> matches;  // of headers and `:status`
  std::string details;                   // empty: any
  SharedTransformation on_response;
};

struct Rules {
  std::vector<RequestRule> requests;    // the first that matches
  std::vector<ResponseRule> responses;  // the first that matches, where the request's rule has no response part
};

struct Counters {
  explicit Counters(Metrics& metrics);

  Counter* request_header_transformations;
  Counter* request_body_transformations;
  Counter* request_error;
  Counter* response_header_transformations;
  Counter* response_body_transformations;
  Counter* response_error;
  Counter* limit;
};

// How often this process has read its environment: for tests.
unsigned environments_read_count();

class TransformationFilter final : public Filter {
 public:
  TransformationFilter(Rules rules, Counters counters) : rules_(std::move(rules)), counters_(counters) {}

  Task<Response> handle(Request& request, Next next) const override;

 private:
  struct Failure {
    uint16_t status;
    std::string text;
  };
  Failure explain(const Error& error) const;
  Task<Response> read_and_transform(Request& request, Next next, const RequestRule& rule) const;
  std::optional<Response> transform(Request& request, const RequestRule& rule,
                                    std::optional<std::string_view> read) const;
  Response refuse(Request& request) const;
  Response request_error(Request& request, uint16_t status, std::string_view message) const;

  Task<Response> pass_on(Request& request, Next next, const Transformation* on_response) const;
  Task<Response> pass_on_and_transform(Request& request, Next next, const Transformation* on_response) const;
  struct Choice {
    const Transformation* how = nullptr;  // none: the response stays as it is
    bool too_costly = false;
  };
  Choice choose(Request& request, const Response& response) const;
  void transform(Request& request, Response& response, const Transformation& how,
                 std::optional<std::string_view> read) const;
  void response_error(Request& request, Response& response, uint16_t status, std::string_view message) const;

  Rules rules_;
  Counters counters_;
};

}  // namespace transformation
}  // namespace sluice
