// The ports of the program itself, on the control thread: the admin pages, the API, and the probes alone. Each has a
// limit of clients of its own: it stays open to its few whatever happens to other ports. Beyond loopback the first two
// speak TLS and ask for a token (own_access.h).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/api/request.h"
#include "control/certificates.h"
#include "control/own_access.h"
#include "control/token_gate.h"
#include "serve/http_server.h"

namespace sluice {

class OwnPorts {
 public:
  OwnPorts(Loop& loop, Metrics& metrics) : loop_(loop), metrics_(metrics) {}

  // Before admin port and API are opened, for those of the two that are beyond loopback. Nothing: the port is off.
  // False: they cannot be; the log says why. So with what follows.
  bool prepare_access(const OwnAccessOptions& options, const std::optional<SocketAddress>& admin,
                      const std::optional<SocketAddress>& api);
  bool open_admin(const std::optional<SocketAddress>& address, std::shared_ptr<const Service> service);
  bool open_api(const std::optional<SocketAddress>& address, std::shared_ptr<const Service> service);
  bool open_probes(const std::optional<SocketAddress>& address, std::shared_ptr<const Service> service);
  // Who comes to admin port or API there.
  static Callers callers(const std::optional<SocketAddress>& address);

  std::vector<uint16_t> numbers() const;  // of those that are open
  // Every few seconds: what clients are shown and let in by, where its files changed or its time is over.
  void look_after_access();
  // Which clients are shown; nothing: no port speaks TLS. Until look_after_access().
  std::optional<CertificateRow> certificate() const;

 private:
  struct Port {
    Port(std::string n, size_t connections_max, Metrics& metrics)
        : name(std::move(n)),
          limit(connections_max, name, metrics),
          idle(limit, IdleConnections::HeadsAtTheBound::give_way) {}
    const std::string name;  // "admin": of its flag, in logs and in metrics
    ConnectionLimit limit;
    IdleConnections idle;
    ListenerConfig config;
    std::unique_ptr<HttpListener> listener;  // null: it is off
  };
  bool open(Port& port, const std::optional<SocketAddress>& address, std::shared_ptr<const Service> service);
  bool open_with_access(Port& port, const std::optional<SocketAddress>& address, std::shared_ptr<const Service> service,
                        TokenGate::Refusal refusal);

  // Of clients; they are a part of the descriptors that share_descriptors() sets aside.
  static constexpr size_t kApiConnectionsMax = 96;  // watches hold one each
  static constexpr size_t kAdminConnectionsMax = 32;
  static constexpr size_t kProbeConnectionsMax = 32;

  Loop& loop_;
  Metrics& metrics_;
  std::unique_ptr<OwnAccess> access_;  // null: neither admin port nor API is beyond loopback
  Port api_{"api", kApiConnectionsMax, metrics_};
  Port admin_{"admin", kAdminConnectionsMax, metrics_};
  Port probes_{"metrics", kProbeConnectionsMax, metrics_};
};

}  // namespace sluice
