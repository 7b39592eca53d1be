#include "engines/dns/message.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "base/strings.h"

namespace sluice::dns {
namespace {

constexpr size_t kHeaderBytes = 12;
constexpr size_t kWireNameBytesMax = 255;
constexpr uint16_t kClassIn = 1;

// A name as it travels, without pointers, in lower case: labels may hold any byte, dots included, so text would lie.
using WireName = std::string;

// Empty when the name cannot be carried.
WireName to_wire(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  WireName out;
  for (const std::string_view label : split(name, '.')) {
    if (label.empty() || label.size() > 63) return {};
    out += static_cast<char>(label.size());
    for (const char c : label) out += ascii_lower(c);
  }
  out += '\0';
  return out.size() <= kWireNameBytesMax ? out : WireName();
}

bool is_or_is_under(std::string_view name, std::string_view ancestor) {
  for (;;) {
    if (name == ancestor) return true;
    if (name.size() <= 1) return false;
    name.remove_prefix(1 + static_cast<unsigned char>(name[0]));
  }
}

// Reads forward through a message; after the first thing that does not fit, everything is zero and ok() is false.
class Reader {
 public:
  explicit Reader(std::span<const uint8_t> message) : message_(message) {}

  bool ok() const { return ok_; }
  size_t at() const { return at_; }
  void seek(size_t at) { at_ = at; }
  uint16_t u16() { return static_cast<uint16_t>(number(2)); }
  uint32_t u32() { return number(4); }
  std::span<const uint8_t> bytes(size_t count) {
    if (!fits(count)) return {};
    const auto out = message_.subspan(at_, count);
    at_ += count;
    return out;
  }
  void skip(size_t count) { (void)bytes(count); }
  void name(WireName& out);

 private:
  bool fits(size_t count) {
    if (ok_ && message_.size() - at_ >= count) return true;
    ok_ = false;
    return false;
  }
  uint32_t number(size_t count) {
    uint32_t value = 0;
    for (const uint8_t byte : bytes(count)) value = value << 8 | byte;
    return value;
  }

  std::span<const uint8_t> message_;
  size_t at_ = 0;
  bool ok_ = true;
};

// Every pointer must lead before the place the last jump led to, so the walk ends whatever the bytes are.
void Reader::name(WireName& out) {
  out.clear();
  size_t behind = 0;  // where reading goes on after the first pointer
  size_t barrier = at_;
  for (;;) {
    const auto length = bytes(1);
    if (!ok_) return;
    if (length[0] >= 0xC0) {
      const auto low = bytes(1);
      if (!ok_) return;
      const size_t target = static_cast<size_t>(length[0] & 0x3F) << 8 | low[0];
      if (behind == 0) behind = at_;
      ok_ = target >= kHeaderBytes && target < barrier;
      if (!ok_) return;
      barrier = target;
      at_ = target;
      continue;
    }
    ok_ = length[0] <= 63 && out.size() + 1 + length[0] <= kWireNameBytesMax;
    if (!ok_) return;
    out += static_cast<char>(length[0]);
    if (length[0] == 0) break;
    for (const uint8_t byte : bytes(length[0])) out += ascii_lower(static_cast<char>(byte));
    if (!ok_) return;
  }
  if (behind != 0) at_ = behind;
}

struct Record {
  WireName owner;
  uint16_t type = 0;
  uint16_t record_class = 0;
  Seconds ttl{0};
  size_t data_at = 0;
  size_t data_bytes = 0;
};

Record read_record(Reader& reader) {
  Record record;
  reader.name(record.owner);
  record.type = reader.u16();
  record.record_class = reader.u16();
  const uint32_t ttl = reader.u32();
  record.ttl = Seconds(ttl >> 31 ? 0 : ttl);  // RFC 2181 8: a set top bit means zero
  record.data_bytes = reader.u16();
  record.data_at = reader.at();
  reader.skip(record.data_bytes);
  return record;
}

class AnswerParser {
 public:
  AnswerParser(std::span<const uint8_t> message, const WireName& name, RecordType type)
      : message_(message), reader_(message), name_(name), type_(type) {}

  Result<Answer> parse(uint16_t id);

 private:
  Status read_question();
  Status read_answers(unsigned count);
  Status read_authority(unsigned count);
  Status follow_chain();
  const Record* alias_of(const WireName& name) const;
  Result<WireName> target_of(const Record& cname) const;
  Status take_address(const Record& record);
  Status take_soa(const Record& record);

  std::span<const uint8_t> message_;
  Reader reader_;
  WireName name_;  // at the end of the chain once it was followed
  RecordType type_;
  std::vector<Record> records_;
  Answer answer_;
};

Result<Answer> AnswerParser::parse(uint16_t id) {
  const uint16_t got_id = reader_.u16();
  const uint16_t flags = reader_.u16();
  const unsigned questions = reader_.u16();
  const unsigned answers = reader_.u16();
  const unsigned authority = reader_.u16();
  reader_.u16();
  if (!reader_.ok()) return invalid("shorter than a header");
  if (got_id != id) return invalid("the id is another query's");
  if (!(flags & 0x8000)) return invalid("a query, not an answer");
  if (flags & 0x7800) return invalid("not an answer to a standard query");
  if (questions != 1) return invalid(fmt::format("{} questions instead of one", questions));
  TRY(read_question());

  answer_.rcode = static_cast<Rcode>(flags & 0x0F);
  answer_.truncated = flags & 0x0200;
  if (answer_.truncated) return std::move(answer_);
  TRY(read_answers(answers));
  TRY(follow_chain());
  if (answer_.addresses.empty()) TRY(read_authority(authority));
  return std::move(answer_);
}

Status AnswerParser::read_question() {
  WireName asked;
  reader_.name(asked);
  const uint16_t type = reader_.u16();
  const uint16_t question_class = reader_.u16();
  if (!reader_.ok() || asked != name_ || type != static_cast<uint16_t>(type_) || question_class != kClassIn)
    return invalid("the question is another query's");
  return {};
}

Status AnswerParser::read_answers(unsigned count) {
  if (count > kAnswerRecordsMax) return invalid(fmt::format("{} answer records", count));
  for (unsigned i = 0; i < count; ++i) {
    Record record = read_record(reader_);
    if (!reader_.ok()) return invalid("cut off, or a bad name, in the answer section");
    if (record.record_class == kClassIn) records_.push_back(std::move(record));
  }
  return {};
}

const Record* AnswerParser::alias_of(const WireName& name) const {
  const auto found = std::ranges::find_if(records_, [&](const Record& record) {
    return record.type == static_cast<uint16_t>(RecordType::cname) && record.owner == name;
  });
  return found == records_.end() ? nullptr : &*found;
}

Result<WireName> AnswerParser::target_of(const Record& cname) const {
  Reader data(message_.first(cname.data_at + cname.data_bytes));
  data.seek(cname.data_at);
  WireName target;
  data.name(target);
  if (!data.ok() || data.at() != cname.data_at + cname.data_bytes) return invalid("a CNAME with a bad target");
  return target;
}

Status AnswerParser::follow_chain() {
  Seconds ttl = Seconds::max();
  unsigned length = 0;
  for (const Record* alias; (alias = alias_of(name_)) != nullptr;) {
    if (++length > kChainLengthMax) {
      answer_.endless = true;
      return {};
    }
    ttl = std::min(ttl, alias->ttl);
    name_ = TRY(target_of(*alias));
  }
  for (const Record& record : records_) {
    if (record.type != static_cast<uint16_t>(type_) || record.owner != name_) continue;
    ttl = std::min(ttl, record.ttl);
    TRY(take_address(record));
  }
  if (!answer_.addresses.empty()) answer_.ttl = ttl;
  return {};
}

Status AnswerParser::take_address(const Record& record) {
  if (record.data_bytes != (type_ == RecordType::a ? 4 : 16)) return invalid("an address of the wrong length");
  const IpAddress address = *IpAddress::from_bytes(message_.subspan(record.data_at, record.data_bytes));
  if (answer_.addresses.size() < kAddressesMax &&
      std::ranges::find(answer_.addresses, address) == answer_.addresses.end())
    answer_.addresses.push_back(address);
  return {};
}

Status AnswerParser::read_authority(unsigned count) {
  if (count > kAnswerRecordsMax) return invalid(fmt::format("{} authority records", count));
  for (unsigned i = 0; i < count; ++i) {
    const Record record = read_record(reader_);
    if (!reader_.ok()) return invalid("cut off, or a bad name, in the authority section");
    // Only a zone that the name is in can speak for it.
    const bool soa = record.type == static_cast<uint16_t>(RecordType::soa) && record.record_class == kClassIn;
    if (soa && is_or_is_under(name_, record.owner)) TRY(take_soa(record));
  }
  return {};
}

Status AnswerParser::take_soa(const Record& record) {
  Reader data(message_.first(record.data_at + record.data_bytes));
  data.seek(record.data_at);
  WireName ignored;
  data.name(ignored);
  data.name(ignored);
  data.skip(16);  // serial, refresh, retry, expire
  const Seconds minimum(data.u32());
  if (!data.ok() || data.at() != record.data_at + record.data_bytes) return invalid("a bad SOA");
  answer_.negative_ttl = std::min(record.ttl, minimum);
  return {};
}

}  // namespace

std::string_view record_type_name(RecordType type) {
  switch (type) {
    case RecordType::a: return "A";
    case RecordType::aaaa: return "AAAA";
    case RecordType::cname: return "CNAME";
    case RecordType::soa: return "SOA";
    case RecordType::opt: return "OPT";
  }
  return "?";
}

size_t write_query(std::span<uint8_t, kQueryBytesMax> into, std::string_view name, RecordType type, uint16_t id,
                   Edns edns) {
  const WireName wire = to_wire(name);
  if (wire.empty()) return 0;
  size_t at = 0;
  const auto u8 = [&](unsigned value) { into[at++] = static_cast<uint8_t>(value); };
  const auto u16 = [&](unsigned value) {
    u8(value >> 8);
    u8(value & 0xFF);
  };
  u16(id);
  u16(0x0100);  // recursion desired
  u16(1);
  u16(0);
  u16(0);
  u16(edns == Edns::with ? 1 : 0);
  std::memcpy(&into[at], wire.data(), wire.size());
  at += wire.size();
  u16(static_cast<uint16_t>(type));
  u16(kClassIn);
  if (edns == Edns::without) return at;
  u8(0);  // OPT (RFC 6891 6.1.2): the root, the payload as its class, no flags, no options
  u16(static_cast<uint16_t>(RecordType::opt));
  u16(kUdpPayloadBytes);
  u16(0);
  u16(0);
  u16(0);
  return at;
}

Result<Answer> parse_answer(std::span<const uint8_t> message, std::string_view name, RecordType type, uint16_t id) {
  const WireName wire = to_wire(name);
  if (wire.empty()) return invalid(fmt::format("`{}` is no name that a query can carry", printable(name, 80)));
  return AnswerParser(message, wire, type).parse(id);
}

}  // namespace sluice::dns
