// What a token says: its payload, read once.
#pragma once

#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engines/jose/failure.h"

namespace sluice::jose {

// The registered claims that decide whether a token counts (RFC 7519 4.1).
struct RegisteredClaims {
  std::string_view issuer;  // empty: none
  std::vector<std::string_view> audiences;
  uint64_t exp = 0;  // seconds since 1970; 0: never expires
  uint64_t nbf = 0;
};

// Immutable. Views it hands out live as long as it does.
//
// Bounds: the caller bounds the text; objects and lists nest at most kDepthMax deep; a name that an object holds twice
// makes the payload invalid (RFC 7519 4 lets a reader refuse it: two readers would see two tokens). Integers
// beyond 64 bits become doubles.
class Claims {
 public:
  static constexpr size_t kDepthMax = 32;

  static std::expected<Claims, Failure> parse(std::string payload);
  Claims(Claims&&) noexcept;
  Claims& operator=(Claims&&) noexcept;
  ~Claims();

  const std::string& json() const;  // the payload's bytes as they were signed
  const RegisteredClaims& registered() const;

  // The value of claim `name` as a header value, as Envoy's claim_to_headers makes it: text as it is; a
  // non-negative integer below 2^64 as its digits; any other number with six decimals; true or false; an object or list
  // as padded base64 of compact JSON.
  // Nothing for a claim that is absent, null or empty, and for text with bytes that a header value cannot carry.
  //
  // A top-level claim with exactly this name wins; otherwise dots lead into nested objects.
  std::optional<std::string> header_value(std::string_view name) const;
  // A text claim with control bytes (line breaks among them): somebody tries to smuggle fields into a head.
  bool has_control_bytes(std::string_view name) const;

 private:
  struct Document;
  explicit Claims(std::unique_ptr<Document> document);
  std::unique_ptr<Document> document_;
};

}  // namespace sluice::jose
