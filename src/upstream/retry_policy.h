// When a request is tried again, and after which wait: `retries` of a route or virtual host as Envoy's router decides
// (RetryStateImpl). What it costs (the cluster's maxRetries) and whether a request can be sent twice at all is for
// others to know.
//
// A RetryPolicy is made once for a configuration and never changes; a RetryCount belongs to one request.
#pragma once

#include <bitset>
#include <optional>

#include "base/random.h"
#include "config/kinds/retries.h"
#include "http/headers.h"

namespace sluice {

// How a try ended that got no response.
enum class TryEnd : uint8_t {
  connect_failure,         // refused, unreachable
  connect_timeout,         // no connection within connectTimeout
  reset_before_request,    // the connection ended before a byte of the request had been given to it
  refused,                 // a stream of HTTP/2 that the upstream did not look at
  reset,                   // later, and before the head of a response: closed, reset, or no HTTP
  timeout_before_request,  // perTryTimeout, while it had not been sent
  timeout,                 // perTryTimeout
};

class RetryPolicy {
 public:
  explicit RetryPolicy(const kinds::Retries& config);

  uint32_t retries_max() const { return retries_max_; }
  Nanos per_try_timeout() const { return per_try_timeout_; }  // 0: none

  bool again_after(TryEnd end) const;
  // A response of this status with these headers.
  bool again_after(uint16_t status, const Headers& headers) const;

  // Before the `retry`-th retry, counted from 1: full jitter, from 0 up to the interval, which doubles.
  Nanos back_off(uint32_t retry, Random& random) const;
  // What the response asks for, and up to half as much more, so that not all come back at once. Nothing where no header
  // says a time that is usable.
  std::optional<Nanos> asked_wait(const Headers& headers, WallTime now, Random& random) const;

 private:
  bool has(kinds::RetryOn condition) const { return on_.has(condition); }
  bool again_after_grpc(const Headers& headers) const;

  kinds::RetryOnSet on_;
  uint32_t retries_max_;
  Nanos per_try_timeout_;
  Nanos interval_first_;
  Nanos interval_max_;
  std::bitset<600> statuses_;
  std::vector<kinds::ResetHeader> reset_headers_;  // names in lower case
  Nanos asked_max_;
};

struct RetryVerdict {
  enum class What : uint8_t {
    done,     // what there is is the answer
    again,    // after the wait
    used_up,  // it would be tried again if it had not been so often: flag URX
  };
  What what = What::done;
  Nanos wait{};
  bool wait_was_asked = false;  // by a header of the response
};

class RetryCount {
 public:
  // nullptr: never again.
  explicit RetryCount(const RetryPolicy* policy) : policy_(policy) {}

  // Each verdict `again` counts as one retry.
  RetryVerdict after(TryEnd end, Random& random);
  RetryVerdict after(uint16_t status, const Headers& headers, WallTime now, Random& random);
  uint32_t retries() const { return retries_; }

 private:
  RetryVerdict count(bool again);

  const RetryPolicy* policy_;
  uint32_t retries_ = 0;
};

}  // namespace sluice
