#include "engines/coding/accept_encoding.h"

#include <algorithm>

#include "base/strings.h"

namespace sluice::coding {
namespace {

// RFC 9110 12.4.2: "0" or "1", with three more digits at most; "1" is the most. Nothing: it is no weight.
std::optional<uint16_t> parse_weight(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text[0] != '0' && text[0] != '1')) return std::nullopt;
  if (text.size() > 1 && text[1] != '.') return std::nullopt;
  unsigned thousandths = text[0] == '1' ? 1000 : 0, place = 100;
  for (size_t i = 2; i < text.size(); ++i, place /= 10) {
    if (!ascii_digit(text[i])) return std::nullopt;
    thousandths += static_cast<unsigned>(text[i] - '0') * place;
  }
  return thousandths <= 1000 ? std::optional(static_cast<uint16_t>(thousandths)) : std::nullopt;
}

// Of one element of the list, behind its name.
uint16_t weight_of(std::string_view parameters) {
  if (parameters.empty()) return 1000;
  const size_t equals = parameters.find('=');
  if (equals == std::string_view::npos || !equals_ignoring_case(trim(parameters.substr(0, equals)), "q")) return 0;
  return parse_weight(trim(parameters.substr(equals + 1))).value_or(0);
}

}  // namespace

AcceptedCodings parse_accept_encoding(std::string_view value) {
  std::optional<uint16_t> gzip, brotli, identity, any;
  for (const std::string_view element : split(value, ',')) {
    const size_t semicolon = element.find(';');
    const std::string_view name = trim(element.substr(0, semicolon));
    const uint16_t weight =
        weight_of(semicolon == std::string_view::npos ? std::string_view() : trim(element.substr(semicolon + 1)));
    if (equals_ignoring_case(name, "gzip") || equals_ignoring_case(name, "x-gzip"))
      gzip = weight;
    else if (equals_ignoring_case(name, "br"))
      brotli = weight;
    else if (equals_ignoring_case(name, "identity"))
      identity = weight;
    else if (name == "*")
      any = weight;
  }
  const uint16_t others = any.value_or(0);
  // Without a word on it no coding at all is acceptable, but nobody asked for it.
  return {.gzip = gzip.value_or(others),
          .brotli = brotli.value_or(others),
          .identity = identity.value_or(any == 0 ? 0 : 1)};
}

std::optional<Coding> choose_coding(const AcceptedCodings& accepted, bool offers_gzip, bool offers_brotli) {
  const uint16_t gzip = offers_gzip ? accepted.gzip : 0, brotli = offers_brotli ? accepted.brotli : 0;
  const uint16_t best = std::max(gzip, brotli);
  if (best == 0 || best < accepted.identity) return std::nullopt;
  return brotli == best ? Coding::brotli : Coding::gzip;
}

}  // namespace sluice::coding
