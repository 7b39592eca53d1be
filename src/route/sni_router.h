// Who serves a client by the name that it asked for in its TLS handshake, where chains of certificates are isolated
// (gloo-core 2.8): each has its own virtual hosts.
#pragma once

#include <memory>
#include <vector>

#include "net/tls/server.h"
#include "pipeline/service.h"

namespace sluice {

class SniRouter final : public Service {
 public:
  // `by_chain`: as many as there are chains. `other`: for a client whose chain is gone, or that came without TLS.
  SniRouter(std::shared_ptr<const TlsServerChains> chains, std::vector<std::shared_ptr<const Service>> by_chain,
            std::shared_ptr<const Service> other);

  Task<Response> handle(Request& request) const override;
  Task<Response> explain(Request& request, Explanation& out) const override;

 private:
  // By the name and not by the number that the handshake chose: a connection may be older than these chains.
  const Service& choose(const Request& request) const;

  std::shared_ptr<const TlsServerChains> chains_;
  std::vector<std::shared_ptr<const Service>> by_chain_;
  std::shared_ptr<const Service> other_;
};

}  // namespace sluice
