// TLS on the side of the client: a context per configuration, and a Stream over a Stream for each connection.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/stream.h"
#include "net/tls/options.h"
#include "net/tls_info.h"

namespace sluice {

// Immutable but for the sessions that it remembers; those of one worker are its own. Any thread.
class TlsClientContext {
 public:
  static Result<std::shared_ptr<const TlsClientContext>> create(const TlsClientOptions& options);
  virtual ~TlsClientContext() = default;
  virtual const TlsClientOptions& options() const = 0;
};

// Sessions to be resumed, of one destination on one worker, the newest first; bounded.
class TlsSessions {
 public:
  TlsSessions();
  ~TlsSessions();
  TlsSessions(const TlsSessions&) = delete;
  TlsSessions& operator=(const TlsSessions&) = delete;
  struct Impl;
  Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

// Who is at the other end.
struct TlsPeer {
  // The name (or address) that was asked for, without port: what is sent as SNI (names only), and what the certificate
  // must be for unless the context says otherwise.
  std::string_view name;
  // In place of `name`, whom the certificate must be for where the context verifies names; empty: nobody else.
  std::string_view certificate_name = {};
  // What this end can speak, the best first; replaced by the context's own. Empty: nothing is offered.
  std::span<const std::string_view> alpn = {};
};

// TLS over `below`: established() connects that and does the handshake. A certificate that is refused is
// ErrorKind::denied with a sentence that says which name, which check, which issuer.
// `sessions`, if any, outlives the stream.
std::unique_ptr<Stream> tls_connect(std::unique_ptr<Stream> below, std::shared_ptr<const TlsClientContext> context,
                                    const TlsPeer& peer, TlsSessions* sessions);

}  // namespace sluice
