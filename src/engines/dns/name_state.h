// What is known about a name, and the settings that its life follows.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "base/ip.h"
#include "base/short_list.h"
#include "base/time.h"

namespace sluice::dns {

// Gloo's dnsLookupFamily.
enum class LookupFamily : uint8_t {
  v4_preferred,  // A; AAAA only when there is no A
  v4_only,
  v6_only,
  automatic,  // both asked; AAAA where there are some, else A
  all,        // both asked, both used, in turns beginning with AAAA (RFC 8305 4)
};
std::optional<LookupFamily> parse_lookup_family(std::string_view word);  // "V4_PREFERRED", ...
std::string_view lookup_family_word(LookupFamily family);

struct NameSettings {
  LookupFamily family = LookupFamily::v4_preferred;
  Nanos ttl_min = 5s;
  Nanos ttl_max = 1h;
  Nanos negative_min = 1s;
  Nanos negative_max = 60s;
  Nanos failure_base = 1s;  // the first pause after a failure; doubles up to
  Nanos failure_max = 30s;
  Nanos host_ttl = 5min;
  Nanos query_timeout = 5s;  // of a round; 0: none
  Nanos stale_max = 10min;
  Nanos family_delay = 50ms;
  size_t hosts_max = 1024;  // names with addresses; and as many again without

  friend bool operator==(const NameSettings&, const NameSettings&) = default;
};

enum class NameFailure : uint8_t {
  none,
  name_does_not_exist,
  no_records,
  timeout,
  server_failure,  // SERVFAIL, FORMERR, NOTIMP and the like
  server_refused,
  server_unreachable,  // no server could be sent the query
  bad_answer,
  cname_loop,        // its CNAMEs never lead to addresses
  table_full,        // every name without addresses has waiters
  invalid_name,      // no query can carry it
  too_many_pending,  // too many requests wait for names of this standing
};
// As %RESPONSE_CODE_DETAILS% shows it: "name_does_not_exist", "resolve_timeout", "invalid_name", ...
std::string_view failure_word(NameFailure failure);
// The server said so: not a failure of the servers or of ours.
inline bool is_negative_answer(NameFailure failure) {
  return failure == NameFailure::name_does_not_exist || failure == NameFailure::no_records;
}

using AddressList = ShortList<IpAddress, 1>;  // most names have one

// All usable addresses of a name. Never changes: a name whose addresses change gets a new set with a higher generation,
// so that whoever kept the generation sees at once that addresses may have been withdrawn.
struct AddressSet {
  uint64_t generation = 0;  // of next_generation(): no two sets in the process have the same
  AddressList addresses;

  bool contains(const IpAddress& address) const;
};

// Higher than any before it. Any thread.
uint64_t next_generation();

// What is known about a name: addresses, or why there are none. Not to be used from `expires` on.
struct NameState {
  std::shared_ptr<const AddressSet> addresses;
  NameFailure failure = NameFailure::none;
  bool stale = false;
  SteadyTime expires{};
};

struct NameStats {
  uint64_t query_attempt = 0;  // rounds, as Envoy counts them
  uint64_t query_success = 0;
  uint64_t query_failure = 0;
  uint64_t query_timeout = 0;
  uint64_t host_added = 0;
  uint64_t host_removed = 0;
  uint64_t host_address_changed = 0;
  uint64_t host_overflow = 0;
};

}  // namespace sluice::dns
