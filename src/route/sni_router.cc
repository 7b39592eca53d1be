#include "route/sni_router.h"

#include "base/check.h"
#include "io/task.h"
#include "net/tls_info.h"
#include "pipeline/message.h"

namespace sluice {

SniRouter::SniRouter(std::shared_ptr<const TlsServerChains> chains,
                     std::vector<std::shared_ptr<const Service>> by_chain, std::shared_ptr<const Service> other)
    : chains_(std::move(chains)), by_chain_(std::move(by_chain)), other_(std::move(other)) {}

const Service& SniRouter::choose(const Request& request) const {
  if (!request.info.tls || !chains_) return *other_;
  const auto chain = chains_->find(request.info.tls->sni);
  return chain && *chain < by_chain_.size() ? *by_chain_[*chain] : *other_;
}

Task<Response> SniRouter::handle(Request& request) const {
  return choose(request).handle(request);
}

Task<Response> SniRouter::explain(Request& request, Explanation& out) const {
  return choose(request).explain(request, out);
}

}  // namespace sluice
