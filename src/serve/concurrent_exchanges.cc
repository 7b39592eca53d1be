#include "serve/concurrent_exchanges.h"

#include "serve/http_server.h"

namespace sluice {

class ConcurrentExchanges::One final : public ExchangeHost {
 public:
  explicit One(ConcurrentExchanges& all) : all_(all), arena_(all.server_) {}
  One(const One&) = delete;
  One& operator=(const One&) = delete;
  ~One() = default;

  // May end this before it returns.
  void begin(ConfigSlot::Lease config) {
    const Loop& loop = all_.server_.loop;
    const Exchange::Start start{loop.now(), loop.wall()};
    auto stream = all_.session_.next(server_limits(*config), *arena_).take();
    CHECK(stream && *stream);
    exchange_.emplace(*this, *std::move(stream), std::move(config), *arena_, start);
    runner_.start(exchange_->run());
  }

  Loop& loop() const override { return all_.host_.loop(); }
  Upstreams* upstreams() const override { return all_.host_.upstreams(); }
  const SocketAddress& peer() const override { return all_.host_.peer(); }
  const SocketAddress& local_address() const override { return all_.host_.local_address(); }
  const TlsInfo* tls() const override { return all_.host_.tls(); }
  const Introduction* introduction() const override { return all_.host_.introduction(); }
  uint64_t connection_id() const override { return all_.host_.connection_id(); }
  std::string_view date() override { return all_.host_.date(); }
  bool draining() const override { return all_.host_.draining(); }
  void request_begins() override { all_.host_.request_begins(); }
  bool ends_behind(const ListenerConfig& config) override { return all_.host_.ends_behind(config); }
  bool is_first_to_end() override { return all_.host_.is_first_to_end(); }
  void client_gone() override { runner_.cancel(); }

 private:
  friend class ConcurrentExchanges;
  static void on_done(void* self, Result<void>) {
    auto& one = *static_cast<One*>(self);
    one.all_.remove(one);
  }

  ConcurrentExchanges& all_;
  HttpServer::ArenaLease arena_;
  std::optional<Exchange> exchange_;
  Runner runner_{this, &One::on_done};
  One* next_ = nullptr;
  One* previous_ = nullptr;
};

ConcurrentExchanges::ConcurrentExchanges(HttpServer& server, ServerSession& session, ExchangeHost& host,
                                         Waiter& all_ended)
    : server_(server), session_(session), host_(host), tell_(all_ended) {}

ConcurrentExchanges::~ConcurrentExchanges() {
  CHECK(empty());
  if (tell_.due) server_.loop.undefer(tell_);
}

bool ConcurrentExchanges::take(unsigned most) {
  for (; session_.has_input(); --most) {
    if (most == 0) return false;
    begin_one();
  }
  return true;
}

void ConcurrentExchanges::begin_one() {
  ConfigSlot::Lease config = server_.config_.lease();
  config->metrics->http2_requests->add();
  auto* one = new One(*this);
  one->next_ = first_;
  if (first_) first_->previous_ = one;
  first_ = one;
  one->begin(std::move(config));
}

void ConcurrentExchanges::cancel() {
  for (One* one = first_; one;) {
    One* next = one->next_;
    one->runner_.cancel();
    one = next;
  }
}

void ConcurrentExchanges::remove(One& one) {
  (one.previous_ ? one.previous_->next_ : first_) = one.next_;
  if (one.next_) one.next_->previous_ = one.previous_;
  delete &one;
  if (empty() && !std::exchange(tell_.due, true)) server_.loop.defer(tell_);
}

}  // namespace sluice
