// What is made of one sslConfig: contexts of certificates and keys, and from what. Made again when that changed,
// without the routes beside it (decision 0077).
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "config/diagnostics.h"
#include "config/load.h"
#include "control/inputs.h"
#include "net/tls/client.h"
#include "net/tls/server.h"

namespace sluice {

// A certificate that clients are shown; one for all who refer to the same with the same options.
struct ServerCertificate {
  std::shared_ptr<const TlsServerContext> context;
  std::string from;  // "Secret gloo-system/a", "file /etc/tls/a.pem"
  bool asks_for_client_certificate = false;
  std::unique_ptr<MetricSet> metrics;  // null in a trial
  Gauge* ends_at = nullptr;            // of the source, whichever of its certificates is shown

  // When it is (again) what its source stands for.
  void come_into_force() const {
    if (ends_at) ends_at->set(std::chrono::duration_cast<std::chrono::seconds>(end().time_since_epoch()).count());
  }
  WallTime end() const { return context->certificate().not_after; }
};
using ServerCertificatePtr = std::shared_ptr<const ServerCertificate>;

// TLS with an upstream.
struct ClientTls {
  std::shared_ptr<const TlsClientContext> context;
  // The same for destinations whose certificate must be for a name that a rule gives: verifies that, whatever the other
  // does. Null where there are none.
  std::shared_ptr<const TlsClientContext> named;
  std::string made_of;  // differs when it is another: part of the keys of clusters
};
using ClientTlsPtr = std::shared_ptr<const ClientTls>;

template <class Made>
struct TlsUnit {
  uint64_t hash = 0;  // of the sslConfig, and of what else it depends on in its object
  RunNumber run = 0;  // in which it was made
  std::vector<InputPtr> inputs;
  Result<std::shared_ptr<const Made>> made;

  bool is_still_true(uint64_t hash_now) const {
    return hash == hash_now &&
           std::ranges::all_of(inputs, [this](const InputPtr& input) { return input->changed_at <= run; });
  }
};

// What is kept of an object with an sslConfig.
template <class Made>
struct TlsSlot {
  std::optional<TlsUnit<Made>> newest;
  std::shared_ptr<const Made> last_good;  // goes on where the newest could not be made; null: there never was one
  uint64_t last_good_hash = 0;            // what its unit had
  ConfigObjectPtr last_good_of;           // of an Upstream: its last version with that sslConfig
  uint64_t last_good_beside = 0;          // of a TCP host: the hash of where its connections went last with it
  RunNumber seen = 0;                     // the last run that had it
};

// The VirtualServices of one chain, for people.
struct ChainUse {
  ServerCertificatePtr certificate;
  std::vector<ObjectKey> services;
};

struct BuiltChains {
  std::shared_ptr<const TlsServerChains> chains;  // null: there is none
  std::vector<ChainUse> uses;                     // by chain
};

}  // namespace sluice
