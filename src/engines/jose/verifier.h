// Verifies the tokens of one provider on one thread.
#pragma once

#include <expected>
#include <memory>
#include <string_view>
#include <utility>

#include "engines/jose/provider.h"
#include "engines/jose/signature_check.h"

namespace sluice::jose {

class Verifier {
 public:
  explicit Verifier(std::shared_ptr<const Provider> provider)
      : provider_(std::move(provider)), signatures_(provider_->shared_keys()) {}

  const Provider& provider() const { return *provider_; }

  // In Envoy's order: form, issuer, nbf, exp, audience, key, signature; the first fault is reported.
  // `now` in seconds since 1970. A token over kTokenBytesMax is refused unread.
  std::expected<std::shared_ptr<const VerifiedToken>, Failure> verify(std::string_view token, int64_t now);

 private:
  std::shared_ptr<const Provider> provider_;
  SignatureCheck signatures_;
};

}  // namespace sluice::jose
