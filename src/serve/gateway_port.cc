#include "serve/gateway_port.h"

#include "base/log.h"
#include "net/client_hello.h"
#include "net/prefix_stream.h"

namespace sluice {

// --- a chain ----------------------------------------------------------------------------------------------------

// Whoever speaks the protocol of one chain, and who stands in front.
class ChainServer {
 public:
  ChainServer(Loop& loop, StreamHandler& server) : tls_(loop, server), gate_(loop, tls_) {}
  virtual ~ChainServer() = default;
  StreamHandler& front() { return gate_; }
  void configure(const std::shared_ptr<const void>& keep, const PortChain& chain, const ListenerConfig& common) {
    gate_.configure(chain.limit, common.listener);
    tls_.configure(chain.http ? chain.http->tls : chain.tcp->tls, common.listener, common.handshake_timeout);
    set(keep, chain);
  }
  // Nobody comes any more.
  void drain() {
    gate_.end_waiting();
    drain_server();
  }
  void abort() {
    gate_.end_waiting();
    tls_.end_waiting();
    abort_all();
  }
  bool is_empty() const { return gate_.waiting() == 0 && tls_.waiting() == 0 && has_none(); }

 private:
  virtual void set(const std::shared_ptr<const void>& keep, const PortChain& chain) = 0;
  virtual void drain_server() = 0;
  virtual void abort_all() = 0;
  virtual bool has_none() const = 0;

  TlsHandler tls_;
  ChainGate gate_;
};

namespace {

// Its server is made before the rest of the chain and goes after it.
template <class Server>
struct Serving {
  explicit Serving(auto&&... arguments) : server(arguments...) {}
  Server server;
};

class HttpChain final : private Serving<HttpServer>, public ChainServer {
 public:
  HttpChain(Loop& loop, Upstreams& upstreams, IdleConnections* idle)
      : Serving<HttpServer>(loop, &upstreams, idle), ChainServer(loop, server) {}

 private:
  void set(const std::shared_ptr<const void>& keep, const PortChain& chain) override {
    server.configure(keep, chain.http);
  }
  void drain_server() override { server.drain(); }
  void abort_all() override { server.abort(); }
  bool has_none() const override { return server.empty(); }
};

class TcpChain final : private Serving<TcpServer>, public ChainServer {
 public:
  TcpChain(Loop& loop, Upstreams& upstreams) : Serving<TcpServer>(loop, upstreams), ChainServer(loop, server) {}

 private:
  void set(const std::shared_ptr<const void>& keep, const PortChain& chain) override {
    server.configure(keep, chain.tcp);
  }
  void drain_server() override {}  // what is passed on has no end that could be waited for but its own
  void abort_all() override { server.abort(); }
  bool has_none() const override { return server.sessions() == 0; }
};

}  // namespace

// --- the choice -------------------------------------------------------------------------------------------------

void ChainChooser::configure(const PortConfig& config, std::vector<StreamHandler*> chains) {
  table_ = config.table;
  reads_client_hello_ = table_ && (config.reads_server_name || table_->needs_client_hello());
  chains_ = std::move(chains);
}

StreamHandler* ChainChooser::passes(const Arrival& arrival) {
  return reads_client_hello_ ? nullptr : choose(arrival, {});
}

// Who waits chooses at the end, among those of then.
StreamHandler* ChainChooser::choose(const Arrival& arrival, std::span<const uint16_t> cipher_suites) const {
  if (!table_) return chains_.front();
  const auto client = arrival.peer.endpoint();
  const auto chain = client ? table_->find(arrival.server_name, client->address, cipher_suites) : std::nullopt;
  return chain ? chains_[*chain] : nullptr;
}

Task<StreamHandler*> ChainChooser::look(Arrival& arrival, SteadyTime deadline) {
  std::string bytes;
  ClientHelloReader reader;
  if (reads_client_hello_) {
    constexpr size_t kPiece = 4096;  // more than most say
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
  StreamHandler* const chosen = choose(arrival, reader.hello().cipher_suites);
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
