// DNS messages (RFC 1035 4): builds the query for one name and type, reads the answer to it. No I/O.
//
//   0        2        4        6        8        10       12
//   | id     | flags  | QD = 1 | AN     | NS     | AR     | question, answers, authority, additional
//
// A name is a chain of labels, each behind its length; 0 ends it. Two set top bits instead of a length are a pointer to
// the rest of the name further forward in the message.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/ip.h"
#include "base/result.h"
#include "base/time.h"

namespace sluice::dns {

enum class RecordType : uint16_t { a = 1, cname = 5, soa = 6, aaaa = 28, opt = 41 };
std::string_view record_type_name(RecordType type);

// RFC 1035 4.1.1, RFC 6895. Other values may come.
enum class Rcode : uint8_t {
  no_error = 0,
  format_error = 1,
  server_failure = 2,
  name_does_not_exist = 3,
  not_implemented = 4,
  refused = 5,
};

inline constexpr size_t kUdpPayloadBytes = 1232;  // DNS flag day 2020: fits every path without fragments
inline constexpr size_t kQueryBytesMax = 12 + 255 + 4 + 11;
inline constexpr size_t kMessageBytesMax = 65535;
inline constexpr unsigned kChainLengthMax = 16;   // CNAMEs from the name asked for to the addresses
inline constexpr size_t kAddressesMax = 64;       // of one answer; more are ignored
inline constexpr size_t kAnswerRecordsMax = 256;  // of one answer section; more are an error

enum class Edns : uint8_t { without, with };  // without: for old servers that answer EDNS with a format error

// Writes a recursive query, with an EDNS(0) record of 1232 bytes. Returns its length; 0 when no query can carry the
// name (an empty label, a label over 63 bytes, over 253 in all). One trailing dot is allowed. The id is to be random.
size_t write_query(std::span<uint8_t, kQueryBytesMax> into, std::string_view name, RecordType type, uint16_t id,
                   Edns edns = Edns::with);

struct Answer {
  Rcode rcode = Rcode::no_error;
  bool truncated = false;            // ask again over TCP; nothing else is set
  bool endless = false;              // CNAMEs in a loop, or more than kChainLengthMax: no server will know better
  std::vector<IpAddress> addresses;  // in the answer's order, each once
  Seconds ttl{0};                    // the smallest of the chain and the addresses; meaningful with addresses
  // How long "no such name" or "no such record" may be remembered: min(SOA's TTL, its minimum) (RFC 2308 5).
  std::optional<Seconds> negative_ttl;
};

// Reads the answer to the query for (name, type, id). An error means that these bytes are no answer to it: go on
// waiting for the true one. CNAMEs are followed within the answer, over at most kChainLengthMax;
// what goes on beyond is an answer without addresses.
Result<Answer> parse_answer(std::span<const uint8_t> message, std::string_view name, RecordType type, uint16_t id);

}  // namespace sluice::dns
