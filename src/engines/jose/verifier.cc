#include "engines/jose/verifier.h"

namespace sluice::jose {

std::expected<std::shared_ptr<const VerifiedToken>, Failure> Verifier::verify(std::string_view text, int64_t now) {
  auto token = parse_token(text);
  if (!token) return std::unexpected(token.error());
  if (const auto failure = provider_->check(token->claims.registered(), now)) return std::unexpected(*failure);
  if (const auto failure = signatures_.check(*token)) return std::unexpected(*failure);

  std::vector<std::string> values;
  values.reserve(provider_->claims().size());
  for (const std::string& claim : provider_->claims()) {
    values.push_back(token->claims.header_value(claim).value_or(std::string()));
  }
  std::string control_bytes_in;
  for (const std::string& claim : provider_->claims())
    if (control_bytes_in.empty() && token->claims.has_control_bytes(claim)) control_bytes_in = claim;
  return std::make_shared<const VerifiedToken>(std::move(token->claims), std::move(values),
                                               std::move(control_bytes_in));
}

}  // namespace sluice::jose
