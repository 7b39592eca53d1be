// What ends a chain without an upstream: redirects and direct responses (reference gloo-core.md 3.5).
#pragma once

#include <memory>

#include "config/kinds/virtual_service.h"
#include "pipeline/filter.h"
#include "pipeline/request_matcher.h"

namespace sluice {

// Answers with a Location made from the request: scheme, host, port and path, each kept where the action says nothing.
// The port that is the default of a scheme that changes is dropped, as in Envoy. Both answer with details
// `direct_response`. `matcher` is the route's: prefixRewrite replaces what it matched. An error when the regular
// expression or its substitution is bad. `too_costly` counts what is answered with 500 since the expression would cost
// too much (regex/pattern.h).
Result<std::shared_ptr<const Service>> make_redirect(const kinds::RedirectAction& action, const RequestMatcher& matcher,
                                                     Counter& too_costly);

// An error when the body has more than `body_bytes_max`, routeOptions.maxDirectResponseBodySizeBytes.
Result<std::shared_ptr<const Service>> make_direct_response(const kinds::DirectResponseAction& action,
                                                            size_t body_bytes_max);

// Refuses every request: what would decide about it is not in force.
struct Refusal {
  OutcomeKind kind;
  std::string rule;
  std::string text;
  Counter* count = nullptr;
};
std::shared_ptr<const Service> make_refusal(Refusal refusal);

}  // namespace sluice
