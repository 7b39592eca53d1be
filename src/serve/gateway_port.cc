#include "serve/gateway_port.h"

#include "base/log.h"
#include "net/client_hello.h"
#include "net/prefix_stream.h"

namespace sluice {

// --- a chain ----------------------------------------------------------------------------------------------------

// Whoever speaks the protocol of one chain.
class ChainServer {
 public:
  virtual ~ChainServer() = default;
  virtual StreamHandler& front() = 0;
  virtual void configure(const std::shared_ptr<const void>& keep, const PortChain& chain,
                         const ListenerConfig& common) = 0;
  // Nobody comes any more.
  virtual void drain() = 0;
  virtual void abort() = 0;
  virtual bool is_empty() const = 0;
};

namespace {

class HttpChain final : public ChainServer {
 public:
  HttpChain(Loop& loop, Upstreams& upstreams, IdleConnections* idle)
      : server_(loop, &upstreams, idle), tls_(loop, server_) {}
  StreamHandler& front() override { return tls_; }
  void configure(const std::shared_ptr<const void>& keep, const PortChain& chain, const ListenerConfig&) override {
    tls_.configure(*chain.http);
    server_.configure(keep, chain.http);
  }
  void drain() override { server_.drain(); }
  void abort() override {
    tls_.end_waiting();
    server_.abort();
  }
  bool is_empty() const override { return tls_.waiting() == 0 && server_.empty(); }

 private:
  HttpServer server_;
  TlsHandler tls_;
};

class TcpChain final : public ChainServer {
 public:
  TcpChain(Loop& loop, Upstreams& upstreams) : server_(loop, upstreams), tls_(loop, server_) {}
  StreamHandler& front() override { return tls_; }
  void configure(const std::shared_ptr<const void>& keep, const PortChain& chain,
                 const ListenerConfig& common) override {
    tls_.configure(chain.tcp->tls, common.listener, common.handshake_timeout);
    server_.configure(keep, chain.tcp);
  }
  void drain() override {}  // what is passed on has no end that could be waited for but its own
  void abort() override {
    tls_.end_waiting();
    server_.abort();
  }
  bool is_empty() const override { return tls_.waiting() == 0 && server_.sessions() == 0; }

 private:
  TcpServer server_;
  TlsHandler tls_;
};

}  // namespace

// --- the choice -------------------------------------------------------------------------------------------------

void ChainChooser::configure(const PortConfig& config, std::vector<StreamHandler*> chains) {
  table_ = config.table;
  reads_server_name_ = table_ && (config.reads_server_name || table_->needs_server_name());
  chains_ = std::move(chains);
}

StreamHandler* ChainChooser::passes(const Arrival& arrival) {
  return reads_server_name_ ? nullptr : choose(arrival);
}

// Who waits chooses at the end, among those of then.
StreamHandler* ChainChooser::choose(const Arrival& arrival) const {
  if (!table_) return chains_.front();
  const auto client = arrival.peer.endpoint();
  const auto chain = client ? table_->find(arrival.server_name, client->address) : std::nullopt;
  return chain ? chains_[*chain] : nullptr;
}

Task<StreamHandler*> ChainChooser::look(Arrival& arrival, SteadyTime deadline) {
  std::string bytes;
  if (reads_server_name_) {
    constexpr size_t kPiece = 4096;  // more than most say
    ClientHelloReader reader;
    for (;;) {
      const size_t before = bytes.size();
      auto reading = read_more(*arrival.stream, kPiece, deadline, bytes);
      CO_TRY(co_await reading);
      const auto whole = reader.feed(std::string_view(bytes).substr(before));
      if (whole && *whole) arrival.server_name = reader.hello().server_name;
      // What is no TLS asks for no name: the chain without any may want it.
      if (!whole || *whole) break;
    }
  }
  arrival.stream = with_prefix(std::move(arrival.stream), std::move(bytes));
  StreamHandler* const chosen = choose(arrival);
  if (!chosen) {
    if (metrics()) metrics()->tls_no_chain->add();
    static log::Site site{LogLevel::info, "listener", "no chain takes a connection"};
    if (site.admits()) site.write({{"peer", arrival.peer.to_string()}, {"server_name", arrival.server_name}});
  }
  co_return chosen;
}

bool ChainChooser::make_room_behind() {
  for (StreamHandler* chain : chains_)
    if (chain && chain->make_room()) return true;
  return false;
}

// --- the port ---------------------------------------------------------------------------------------------------

GatewayPort::GatewayPort(Loop& loop, Upstreams& upstreams, ConnectionLimit* limit, IdleConnections* idle,
                         TurnedAway* turned_away)
    : loop_(loop),
      upstreams_(upstreams),
      idle_(idle),
      chooser_(loop),
      proxied_(loop, chooser_),
      listener_(loop, proxied_, limit, turned_away) {}

GatewayPort::~GatewayPort() = default;

void GatewayPort::configure(const std::shared_ptr<const void>& keep, const PortConfig& config, Nanos drain_timeout) {
  const ListenerConfig& common = *config.listener;
  if (!std::exchange(configured_, true)) {  // of the address, which stays
    listener_.count_into(common.listener);
    proxied_.count_into(common.listener.get());
    chooser_.count_into(common.listener.get());
  }
  listener_.limit(common.connections_max, common.delay_before_close);
  listener_.look_at(common.overload);
  listener_.spread_by(common.balance);
  listener_.observe_tcp(common.tcp_stats);
  proxied_.configure(common.proxy_protocol);

  std::map<std::string, std::unique_ptr<ChainServer>> now;
  std::vector<StreamHandler*> fronts;
  for (const PortChain& chain : config.chains) {
    if (!chain.http && !chain.tcp) {
      fronts.push_back(nullptr);
      continue;
    }
    const std::string key = (chain.tcp ? "tcp " : "http ") + chain.name;
    auto& server = now[key];
    if (auto old = chains_.extract(key))
      server = std::move(old.mapped());
    else if (chain.tcp)
      server = std::make_unique<TcpChain>(loop_, upstreams_);
    else
      server = std::make_unique<HttpChain>(loop_, upstreams_, idle_);
    server->configure(keep, chain, common);
    fronts.push_back(&server->front());
  }
  chooser_.configure(config, std::move(fronts));
  for (auto& [key, chain] : chains_) {
    chain->drain();
    leaving_.push_back({std::move(chain), later(loop_.now(), drain_timeout)});
  }
  chains_ = std::move(now);
}

void GatewayPort::drain() {
  listener_.close();
  proxied_.end_waiting();
  chooser_.end_waiting();
  for (auto& [key, chain] : chains_) chain->drain();
}

void GatewayPort::abort() {
  for (auto& [key, chain] : chains_) chain->abort();
  for (Leaving& leaving : leaving_) leaving.chain->abort();
}

void GatewayPort::look_after_leaving() {
  for (Leaving& leaving : leaving_)
    if (loop_.now() >= leaving.abort_at) leaving.chain->abort();
  std::erase_if(leaving_, [](const Leaving& leaving) { return leaving.chain->is_empty(); });
}

}  // namespace sluice
