#include "filters/buffer/config.h"

namespace sluice::buffer {

void bind(Fields& f, Options& o) {
  f.required("maxRequestBytes", o.max_request_bytes, "The longest body that is waited for; a longer one is 413.");
  if (f.present("maxRequestBytes")) f.in_range("maxRequestBytes", o.max_request_bytes, 1, UINT32_MAX);
}

void bind(Fields& f, RouteOptions& o) {
  f.optional("disabled", o.disabled, "Pass bodies on as they come; only `true` may be said.");
  f.optional("buffer", o.buffer, "Wait for bodies, with a limit of this level's own.");
  if (f.present("disabled")) f.check(o.disabled, "disabled", "must be true: to wait for bodies is the default");
  f.exactly_one({"disabled", "buffer"});
}

}  // namespace sluice::buffer
