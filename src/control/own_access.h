// Who may reach the admin port and the API where they are open beyond loopback: by TLS, and with a token
// (docs/decisions/0106).
//
// What nobody names is made here and kept in a folder of the state folder:
//   .access/authority.pem  key and certificate of an authority, made once; signs a certificate at each start
//   .access/ca.crt         its certificate, for clients
//   .access/token          a token, made once
// (the dot: the state folder may be one of the configuration's, and such names are none of it).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "base/time.h"
#include "control/watched_files.h"
#include "net/address.h"
#include "net/tls/authority.h"
#include "net/tls/server.h"

namespace sluice {

struct OwnAccessOptions {
  std::string certificate_file, key_file;  // PEM, both or none; none: made here
  std::string token_file;                  // a token a line; empty: made here
  std::string state_folder;
  std::vector<std::string> names;  // more that the certificate made here is for
};

// Whether who is not on this machine can reach it.
bool is_beyond_loopback(const IpAddress& address);
// "gateway.example", "10.0.0.7": what a certificate can be for.
Status check_own_name(std::string_view name);

// On the control thread. What is in force stays where files become unreadable or wrong, and the log says so.
class OwnAccess {
 public:
  // `listens`: the addresses of the ports. Makes folder and files that are missing. Errors say what to do.
  static Result<std::unique_ptr<OwnAccess>> create(OwnAccessOptions options, std::span<const IpAddress> listens,
                                                   Metrics& metrics);

  const std::shared_ptr<const TlsServerChains>& chains() const { return chains_; }
  const CertificateInfo& certificate() const { return chains_->chains().front().context->certificate(); }
  // "file /etc/tls/a.pem"
  const std::string& certificate_from() const { return from_; }
  // The value of an Authorization field.
  bool admits(std::string_view authorization) const;

  // Every few seconds: files that changed, ticket keys, and the end of the certificate that was made here. True:
  // chains() is another one.
  bool look(SteadyTime now, WallTime wall);
  // How often a token that was admitted was no longer.
  uint64_t withdrawals() const { return withdrawals_; }

 private:
  OwnAccess(OwnAccessOptions options, std::span<const IpAddress> listens, Metrics& metrics);
  bool makes_certificate() const { return options_.certificate_file.empty(); }
  Status prepare_state();
  Status make_certificate(WallTime now);
  Status read_certificate();
  Status read_tokens();
  Status show(const TlsKeyPair& pair);

  const OwnAccessOptions options_;
  std::vector<std::string> names_;  // of the certificate that is made here
  WatchedFiles files_;
  std::string from_;
  std::string token_file_;
  std::unique_ptr<const TlsAuthority> authority_;  // null: it is not made here
  WallTime renew_at_ = WallTime::max();
  TlsServerShared shared_;
  std::shared_ptr<const TlsServerChains> chains_;
  std::vector<std::string> tokens_;  // their digests
  uint64_t withdrawals_ = 0;
  MetricSet metrics_;
};

// What a client on this machine needs to be let in.
struct OwnCredentials {
  std::string ca;  // PEM; empty: the system's roots
  std::string token;
};
// `ca_file` and `token_file`: empty: those of the state folder. `ca_file` "system": the system's roots.
Result<OwnCredentials> read_own_credentials(const std::string& state_folder, const std::string& ca_file,
                                            const std::string& token_file);

}  // namespace sluice
