#include "control/own_ports.h"

#include "base/log.h"
#include "net/listen.h"

namespace sluice {
namespace {

constexpr Nanos kPatience = 1min;

bool needs_token(const std::optional<SocketAddress>& address) {
  return address && is_beyond_loopback(address->endpoint()->address);
}

}  // namespace

bool OwnPorts::prepare_access(const OwnAccessOptions& options, const std::optional<SocketAddress>& admin,
                              const std::optional<SocketAddress>& api) {
  std::vector<IpAddress> listens;
  for (const auto* address : {&admin, &api})
    if (needs_token(*address)) listens.push_back((*address)->endpoint()->address);
  if (listens.empty()) return true;
  auto access = OwnAccess::create(options, listens, metrics_);
  if (!access) {
    log::error("main", access.error().message, {{"ports", "admin, api"}});
    return false;
  }
  access_ = std::move(*access);
  return true;
}

bool OwnPorts::open_admin(const std::optional<SocketAddress>& address, std::shared_ptr<const Service> service) {
  return open_with_access(admin_, address, std::move(service), TokenGate::refusal_of_pages());
}

bool OwnPorts::open_api(const std::optional<SocketAddress>& address, std::shared_ptr<const Service> service) {
  return open_with_access(api_, address, std::move(service), TokenGate::refusal_of_api());
}

bool OwnPorts::open_probes(const std::optional<SocketAddress>& address, std::shared_ptr<const Service> service) {
  return open(probes_, address, std::move(service));
}

Callers OwnPorts::callers(const std::optional<SocketAddress>& address) {
  return needs_token(address) ? Callers::with_token : Callers::of_this_machine;
}

bool OwnPorts::open_with_access(Port& port, const std::optional<SocketAddress>& address,
                                std::shared_ptr<const Service> service, TokenGate::Refusal refusal) {
  if (!needs_token(address)) return open(port, address, std::move(service));
  port.config.tls = access_->chains();
  return open(port, address,
              std::make_shared<TokenGate>(port.name, std::move(service), *access_, std::move(refusal), metrics_));
}

bool OwnPorts::open(Port& port, const std::optional<SocketAddress>& address, std::shared_ptr<const Service> service) {
  if (!address) return true;
  auto fd = ListenSocket::open(*address, false);
  if (!fd) {
    log::error(port.name, fd.error().message, {{"remedy", fmt::format("choose another address with --{}", port.name)}});
    return false;
  }
  ListenerConfig& config = port.config;
  config.name = port.name;
  config.server_name = "sluice";
  config.forwarding_headers = false;
  // A path is judged as it came: with dot segments resolved, `DELETE .../configmaps/%2e` would name all of them.
  config.normalize_path = false;
  config.service = std::move(service);
  config.metrics = std::make_shared<ServerMetrics>(metrics_, port.name);
  // For bytes to come or go; a watch may be silent for longer. The memory that the API may use is not kept by those who
  // stall.
  config.stream_idle_timeout = kPatience;
  config.request_timeout = kPatience;
  port.listener = std::make_unique<HttpListener>(loop_, nullptr, &port.limit, &port.idle);
  port.listener->configure(nullptr, &config);
  if (auto started = port.listener->start(*fd); !started) {
    log::error(port.name, started.error().message);
    return false;
  }
  log::info(port.name, "listening",
            {{"address", port.listener->address().to_string()}, {"tls", config.tls ? "with tokens" : "off"}});
  return true;
}

std::vector<uint16_t> OwnPorts::numbers() const {
  std::vector<uint16_t> out;
  for (const Port* port : {&admin_, &api_, &probes_})
    if (port->listener) out.push_back(port->listener->address().port());
  return out;
}

void OwnPorts::look_after_access() {
  if (!access_) return;
  const uint64_t withdrawals = access_->withdrawals();
  const bool other_chains = access_->look(loop_.now(), loop_.wall());
  for (Port* port : {&api_, &admin_}) {
    if (!port->config.tls) continue;
    if (other_chains) {
      port->config.tls = access_->chains();
      port->listener->configure(nullptr, &port->config);
    }
    // A watch would tell its owner everything for up to a day more. Who has a good token comes again.
    if (access_->withdrawals() != withdrawals) port->listener->server().abort();
  }
}

std::optional<CertificateRow> OwnPorts::certificate() const {
  if (!access_) return std::nullopt;
  return CertificateRow{.from = access_->certificate_from(),
                        .certificate = &access_->certificate(),
                        .days_left = days_until(access_->certificate().not_after, loop_.wall()),
                        .used_by = {{.gateway = "admin and API", .sni_domains = {}, .services = {}}}};
}

}  // namespace sluice
