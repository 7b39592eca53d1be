#include "serve/tls_handler.h"

#include "base/log.h"
#include "net/tls/server.h"

namespace sluice {

void TlsHandler::configure(std::shared_ptr<const TlsServerChains> chains, std::shared_ptr<const ListenerMetrics> counts,
                           Nanos patience) {
  chains_ = std::move(chains);
  counts_ = std::move(counts);
  patience_ = patience;
}

Task<StreamHandler*> TlsHandler::look(Arrival& arrival, SteadyTime deadline) {
  arrival.stream = tls_accept(std::move(arrival.stream), chains_);
  auto shaking = arrival.stream->established(deadline);
  CO_TRY(co_await shaking);
  if (counts_) {
    const TlsInfo& info = *arrival.stream->tls();
    counts_->tls_handshakes->add();
    if (info.resumed) counts_->tls_resumed->add();
    if (!info.peer) counts_->tls_without_certificate->add();
  }
  co_return &next_;
}

void TlsHandler::count(const Error& why) const {
  if (why.kind == ErrorKind::timeout) return counts_->tls_timeouts->add();
  counts_->tls_errors->add();
  switch (tls_failure(why)) {
    case TlsFailure::no_chain: return counts_->tls_no_chain->add();
    case TlsFailure::no_certificate: return counts_->tls_no_certificate->add();
    case TlsFailure::untrusted: return counts_->tls_untrusted->add();
    case TlsFailure::wrong_name: return counts_->tls_wrong_name->add();
    case TlsFailure::none:
    case TlsFailure::protocol: break;
  }
}

void TlsHandler::ended(const Arrival& arrival, const Error& why) const {
  if (why.kind == ErrorKind::cancelled) return;
  if (counts_) count(why);
  if (why.kind == ErrorKind::timeout) return;
  static log::Site site{LogLevel::info, "tls", "a client's handshake failed"};
  if (site.admits())
    site.write({{"client", arrival.peer.to_string()},
                {"listener", arrival.seat.listener().address().to_string()},
                {"error", why.message}});
}

}  // namespace sluice
