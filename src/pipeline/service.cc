#include "pipeline/service.h"

namespace sluice {

Task<Response> Service::explain(Request&, Explanation&) const {
  return fail(ErrorKind::unsupported, "what this service does is not known before it is done");
}

}  // namespace sluice
