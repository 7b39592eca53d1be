#include "engines/dns/name_state.h"

#include <algorithm>
#include <array>
#include <atomic>

namespace sluice::dns {
namespace {

constexpr std::array<std::string_view, 5> kFamilyWords = {"V4_PREFERRED", "V4_ONLY", "V6_ONLY", "AUTO", "ALL"};

}  // namespace

std::optional<LookupFamily> parse_lookup_family(std::string_view word) {
  const auto found = std::ranges::find(kFamilyWords, word);
  if (found == kFamilyWords.end()) return std::nullopt;
  return static_cast<LookupFamily>(found - kFamilyWords.begin());
}

std::string_view lookup_family_word(LookupFamily family) {
  return kFamilyWords[static_cast<size_t>(family)];
}

std::string_view failure_word(NameFailure failure) {
  switch (failure) {
    case NameFailure::none: return "none";
    case NameFailure::name_does_not_exist: return "name_does_not_exist";
    case NameFailure::no_records: return "no_records";
    case NameFailure::timeout: return "resolve_timeout";  // Envoy's word
    case NameFailure::server_failure: return "server_failure";
    case NameFailure::server_refused: return "server_refused";
    case NameFailure::server_unreachable: return "server_unreachable";
    case NameFailure::bad_answer: return "bad_answer";
    case NameFailure::cname_loop: return "cname_loop";
    case NameFailure::table_full: return "table_full";
    case NameFailure::invalid_name: return "invalid_name";
    case NameFailure::too_many_pending: return "too_many_pending";
  }
  return "?";
}

// One count for all tables: a worker may hear of a name from more than one, and must not take two sets for one.
uint64_t next_generation() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

bool AddressSet::contains(const IpAddress& address) const {
  return std::ranges::find(addresses, address) != addresses.end();
}

}  // namespace sluice::dns
