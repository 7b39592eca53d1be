// For tests: an authority that makes certificates on the spot, and pairs of streams that TLS protects.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "net/memory_stream.h"
#include "net/tls/authority.h"
#include "net/tls/client.h"
#include "net/tls/server.h"

namespace sluice {

class TestAuthority {
 public:
  using Wish = TlsAuthority::Wish;
  explicit TestAuthority(std::string_view name = "Test CA") : authority_(TlsAuthority::create(name, 3650)) {}
  TestAuthority(const TestAuthority&) = delete;
  TestAuthority& operator=(const TestAuthority&) = delete;

  // With keys of P-256.
  TlsKeyPair make(const Wish& wish) const;
  TlsKeyPair make(std::initializer_list<std::string> names) const { return make(Wish{.names = names}); }
  // DER: that the certificate is good, or revoked, as of now, for a day. `digest`: by which it names the certificate.
  std::string staple_for(const TlsKeyPair& pair, bool revoked, int days_to = 1, const char* digest = "SHA1") const;
  const std::string& pem() const { return authority_.certificate(); }

 private:
  TlsAuthority authority_;
};

// The chains of one certificate for every name.
std::shared_ptr<const TlsServerChains> one_chain(const TlsServerOptions& options, TlsServerShared& shared);

// Both ends, not shaken hands yet.
StreamPair tls_over(StreamPair below, std::shared_ptr<const TlsServerChains> chains,
                    std::shared_ptr<const TlsClientContext> context, const TlsPeer& peer,
                    TlsSessions* sessions = nullptr);

// One end's handshake, and how it went.
Task<void> shake_hands(Stream& stream, std::optional<Status>& out, Nanos patience = std::chrono::seconds(5));
// Both handshakes, at once.
struct Handshakes {
  Status downstream, upstream;
};
Handshakes shake_hands(Loop& loop, StreamPair& pair);

}  // namespace sluice
