#include "serve/tls_handler.h"

#include "base/log.h"
#include "net/tls/server.h"

namespace sluice {

TlsHandler::Handshake::Handshake(TlsHandler& h, Arrival a)
    : handler(h), arrival(std::move(a)), metrics(h.metrics_), since(h.loop_.now()) {}

void TlsHandler::configure(const ListenerConfig& config) {
  chains_ = config.tls;
  metrics_ = config.listener;
  timeout_ = config.handshake_timeout;
}

void TlsHandler::take(Arrival arrival) {
  if (!chains_) return next_.take(std::move(arrival));
  arrival.stream = tls_accept(std::move(arrival.stream), chains_);
  auto* handshake = new Handshake(*this, std::move(arrival));
  handshakes_.push_back(*handshake);
  handshake->runner.start(handshake->arrival.stream->established(deadline_after(loop_.now(), timeout_)));
}

void TlsHandler::on_done(void* self, Result<void> result) {
  std::unique_ptr<Handshake> handshake(static_cast<Handshake*>(self));
  TlsHandler& handler = handshake->handler;
  handler.handshakes_.remove(*handshake);
  if (!result) return handler.count(*handshake, result.error());
  if (handshake->metrics) {
    const TlsInfo& info = *handshake->arrival.stream->tls();
    handshake->metrics->tls_handshakes->add();
    if (info.resumed) handshake->metrics->tls_resumed->add();
    if (!info.peer) handshake->metrics->tls_without_certificate->add();
  }
  handler.next_.take(std::move(handshake->arrival));
}

void TlsHandler::count(const Handshake& handshake, const Error& error) const {
  const auto& metrics = handshake.metrics;
  if (!metrics || error.kind == ErrorKind::cancelled) return;
  if (error.kind == ErrorKind::timeout) return metrics->tls_timeouts->add();
  metrics->tls_errors->add();
  switch (tls_failure(error)) {
    case TlsFailure::no_chain: metrics->tls_no_chain->add(); break;
    case TlsFailure::no_certificate: metrics->tls_no_certificate->add(); break;
    case TlsFailure::untrusted: metrics->tls_untrusted->add(); break;
    case TlsFailure::wrong_name: metrics->tls_wrong_name->add(); break;
    case TlsFailure::none:
    case TlsFailure::protocol: break;
  }
  static log::Site site{LogLevel::info, "tls", "a client's handshake failed"};
  if (site.admits())
    site.write({{"client", handshake.arrival.peer.to_string()},
                {"listener", handshake.arrival.seat.listener().address().to_string()},
                {"error", error.message}});
}

bool TlsHandler::make_room() {
  if (!handshakes_.empty() && loop_.now() - handshakes_.front().since >= kGrace) {
    handshakes_.front().runner.cancel();
    return true;
  }
  return next_.make_room();
}

void TlsHandler::abort() {
  while (!handshakes_.empty()) handshakes_.front().runner.cancel();
}

}  // namespace sluice
