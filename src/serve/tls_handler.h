// In front of whoever speaks a protocol: the handshake of TLS, where the listener has certificates.
//
// A connection whose handshake is under way is this small object and OpenSSL's; it has a deadline, and of many that
// stall the oldest give way to newcomers (make_room()).
#pragma once

#include <memory>

#include "base/intrusive_list.h"
#include "io/task.h"
#include "serve/listener.h"

namespace sluice {

class TlsHandler final : public StreamHandler {
 public:
  // `next` outlives this.
  TlsHandler(Loop& loop, StreamHandler& next) : loop_(loop), next_(next) {}
  TlsHandler(const TlsHandler&) = delete;
  TlsHandler& operator=(const TlsHandler&) = delete;
  // No handshake may be under way.
  ~TlsHandler() override { CHECK(handshakes_.empty()); }

  // From now on new connections are met with these; those under way keep what they began with. Without certificates
  // they are handed on as they come.
  void configure(const ListenerConfig& config);
  void take(Arrival arrival) override;
  bool make_room() override;
  // Ends all handshakes.
  void abort();
  size_t handshakes() const { return handshakes_.size(); }

 private:
  static constexpr Nanos kGrace = 1s;  // of a handshake, before it gives way
  struct Handshake {
    Handshake(TlsHandler& h, Arrival a);
    TlsHandler& handler;
    Arrival arrival;
    const std::shared_ptr<const ListenerMetrics> metrics;
    const SteadyTime since;
    Runner runner{this, &TlsHandler::on_done};
    Links<Handshake> links;
  };
  static void on_done(void* self, Result<void> result);
  void count(const Handshake& handshake, const Error& error) const;

  Loop& loop_;
  StreamHandler& next_;
  std::shared_ptr<const TlsServerChains> chains_;
  std::shared_ptr<const ListenerMetrics> metrics_;
  Nanos timeout_{};
  LinkedList<Handshake, &Handshake::links> handshakes_;  // the oldest in front
};

}  // namespace sluice
