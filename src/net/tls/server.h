// TLS on the side of the server: a context per certificate, chains chosen by SNI, and a Stream over a Stream.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "net/stream.h"
#include "net/tls/options.h"
#include "net/tls_info.h"

namespace sluice {

// What the server's contexts of a process have in common: the keys of session tickets, so that any worker resumes what
// another began, and OpenSSL's own contexts, one for each set of options that differ in more than the certificate
// (10,000 certificates with one policy cost one of them). Any thread.
class TlsServerShared {
 public:
  // A ticket key encrypts for `lifetime`, and its tickets count for as long again.
  explicit TlsServerShared(Nanos lifetime = std::chrono::hours(1));
  ~TlsServerShared();
  TlsServerShared(const TlsServerShared&) = delete;
  TlsServerShared& operator=(const TlsServerShared&) = delete;
  // Begins a new ticket key when it is time: to be called once a minute or so, by one thread.
  void rotate(SteadyTime now);

  struct Impl;
  Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// A certificate with its key, and how clients are met that get it. Immutable; any thread.
class TlsServerContext {
 public:
  // Errors say what is wrong with which part: PEM that cannot be read, a key that does not fit, an unknown cipher...
  // `shared` outlives the context and its connections.
  static Result<std::shared_ptr<const TlsServerContext>> create(const TlsServerOptions& options,
                                                                TlsServerShared& shared);
  virtual ~TlsServerContext() = default;
  virtual const CertificateInfo& certificate() const = 0;
  // A number for how client certificates are asked for and verified: 0 for not at all, and another for each other way.
  virtual uint64_t client_policy() const = 0;
  // What an operator should know and nothing refuses: an expired certificate, an issuer that is missing in the chain.
  virtual std::vector<std::string> warnings(WallTime now) const = 0;
};

// Which of several chains a client gets, by the name it asks for: the exact name, else the longest wildcard, else the
// chain without names (gloo-core 2.7, 2.8). Immutable; any thread.
class TlsServerChains {
 public:
  struct Chain {
    std::vector<std::string> sni_domains;  // "a.example", "*.example"; empty or "*": any, and none
    std::shared_ptr<const TlsServerContext> context;
  };
  // An Error when two chains have a name in common.
  static Result<std::shared_ptr<const TlsServerChains>> create(std::vector<Chain> chains);
  // The chain's number; nothing when none is for this name.
  std::optional<size_t> find(std::string_view sni) const;
  std::span<const Chain> chains() const { return chains_; }

 private:
  friend struct MakeTlsServerChains;
  TlsServerChains() = default;
  std::vector<Chain> chains_;
  std::vector<std::pair<std::string, size_t>> names_;      // sorted
  std::vector<std::pair<std::string, size_t>> wildcards_;  // ".example", sorted
  std::optional<size_t> other_;
};

// TLS over `below`, from the client's first byte: established() is the handshake, and fails when there is no chain for
// the client, in words that name what it sent. A peer that ends without close_notify is no end but an Error (F17).
std::unique_ptr<Stream> tls_accept(std::unique_ptr<Stream> below, std::shared_ptr<const TlsServerChains> chains);

}  // namespace sluice
