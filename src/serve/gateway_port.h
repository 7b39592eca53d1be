// A Gateway's port on one worker: a listener, whoever looks at first bytes, and the chains behind it, each with a
// protocol.
//
//   Listener -> ProxyProtocolReader -> ChainChooser -> ChainGate -> TlsHandler -> HttpServer
//                                                  \-> ChainGate -> TlsHandler -> TcpServer
//
// Most have one chain, which is HTTP, and choose nothing.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "serve/chain_gate.h"
#include "serve/chain_table.h"
#include "serve/http_server.h"
#include "serve/proxy_protocol_reader.h"
#include "serve/tcp_server.h"
#include "serve/tls_handler.h"

namespace sluice {

// One of them is set, or none: its connections end, as what they need cannot be had, and are no other chain's. Lives as
// long as the snapshot.
struct PortChain {
  std::string name;  // from one snapshot to the next the same chain has the same
  const ListenerConfig* http = nullptr;
  const TcpConfig* tcp = nullptr;
  ChainLimit limit{};
};

struct PortConfig {
  const ListenerConfig* listener = nullptr;  // what is common to all chains: limits, metrics, the PROXY protocol
  std::vector<PortChain> chains;             // one at least
  // By place in `chains`. Null: there is one chain, for all.
  std::shared_ptr<const ChainTable> table;
  bool reads_server_name = false;  // also where the table needs nothing of it
};

class ChainServer;

// Looks at the ClientHello where the name makes a difference, and chooses.
class ChainChooser final : public Entrance {
 public:
  explicit ChainChooser(Loop& l) : Entrance(l) {}
  ~ChainChooser() override { end_waiting(); }
  // In the table's order, null for those that nobody serves; they outlive their being configured.
  void configure(const PortConfig& config, std::vector<StreamHandler*> chains);

 private:
  StreamHandler* passes(const Arrival& arrival) override;
  Task<StreamHandler*> look(Arrival& arrival, SteadyTime deadline) override;
  bool make_room_behind() override;
  StreamHandler* choose(const Arrival& arrival, std::span<const uint16_t> cipher_suites) const;

  std::shared_ptr<const ChainTable> table_;
  bool reads_client_hello_ = false;
  std::vector<StreamHandler*> chains_;
};

class GatewayPort {
 public:
  GatewayPort(Loop& loop, Upstreams& upstreams, ConnectionLimit* limit, IdleConnections* idle, TurnedAway* turned_away);
  ~GatewayPort();

  // `config` points into what `keep` keeps.
  void configure(const std::shared_ptr<const void>& keep, const PortConfig& config, Nanos drain_timeout);
  // configure() must have been called.
  Status start(int fd) { return listener_.start(fd); }
  Status replace(int fd) { return listener_.replace(fd); }
  // Accepts no more. Whose first bytes have not come ends; a handshake under way has its time, as its client may have
  // waited for it, and then the one request that a draining connection answers.
  void drain();
  void abort();
  // Ends chains that are gone, by force once their time is over.
  void look_after_leaving();
  size_t connections() const { return listener_.connections(); }
  const SocketAddress& address() const { return listener_.address(); }

 private:
  struct Leaving {
    std::unique_ptr<ChainServer> chain;
    SteadyTime abort_at;
  };

  Loop& loop_;
  Upstreams& upstreams_;
  IdleConnections* const idle_;
  std::map<std::string, std::unique_ptr<ChainServer>> chains_;
  std::vector<Leaving> leaving_;
  ChainChooser chooser_;
  ProxyProtocolReader proxied_;
  Listener listener_;  // its seats are taken by connections, which those above have
  bool configured_ = false;
};

}  // namespace sluice
