// x-forwarded-client-cert: what the next hop is told of the client's certificate, exactly as Envoy writes it
// (gloo-core 2.5, forwardClientCertDetails).
#pragma once

#include <cstdint>

#include "pipeline/message.h"

namespace sluice {

enum class ForwardClientCert : uint8_t { sanitize, forward_only, append_forward, sanitize_set, always_forward_only };

struct ClientCertConfig {
  ForwardClientCert forward = ForwardClientCert::sanitize;
  // What is said of it besides its hash; by append_forward and sanitize_set alone.
  bool subject = false;
  bool cert = false;
  bool chain = false;
  bool dns = false;
  bool uri = false;
};

void set_forwarded_client_cert(const ClientCertConfig& config, Request& request);

}  // namespace sluice
