// Where a request carries tokens: finding them, and taking them out.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "filters/jwt/config.h"
#include "pipeline/message.h"

namespace sluice::jwt {

struct TokenPlace {
  enum class In : uint8_t { header, query };
  In in = In::header;
  std::string name;  // of the header (lower-case) or the query parameter
  std::string prefix;
};

// The places that a source names, or the default ones, in the order in which they are found.
std::vector<TokenPlace> token_places(const TokenSource& source);

struct FoundToken {
  std::string_view text;  // lives as long as the exchange
  const TokenPlace* place = nullptr;
  const TakenToken* taken = nullptr;  // set: it is out of the request already
};

// The tokens of one request for one provider; a client that sends more than kMax has no business here.
class FoundTokens {
 public:
  static constexpr size_t kMax = 8;

  std::span<const FoundToken> all() const { return {items_.data(), count_}; }
  bool too_many() const { return too_many_; }
  void add(std::string_view text, const TokenPlace& place, const TakenToken* taken = nullptr);

 private:
  std::array<FoundToken, kMax> items_;
  size_t count_ = 0;
  bool too_many_ = false;
};

// Every value of a repeated header counts; of a repeated query parameter the first. Once the route has changed, a
// place that is empty has what a check of the former route took out of it.
FoundTokens find_tokens(const Request& request, const std::vector<TokenPlace>& places);

// Takes out the header with all its values, or every parameter of that name; the other parameters keep their bytes.
// Noted in request.taken.
void take_token(Request& request, const TokenPlace& place);
// Puts it where it was.
void put_back(Request& request, const TakenToken& token);

}  // namespace sluice::jwt
