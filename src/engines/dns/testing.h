// Writes DNS answers for tests, byte by byte where a test wants them wrong.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "engines/dns/message.h"

namespace sluice::dns {

class MessageBuilder {
 public:
  MessageBuilder& u8(unsigned value) {
    bytes.push_back(static_cast<uint8_t>(value));
    return *this;
  }
  MessageBuilder& u16(unsigned value) { return u8(value >> 8 & 0xFF).u8(value & 0xFF); }
  MessageBuilder& u32(uint32_t value) { return u16(value >> 16).u16(value & 0xFFFF); }
  MessageBuilder& name(std::string_view text) {
    if (text.ends_with('.')) text.remove_suffix(1);
    if (!text.empty())
      for (const std::string_view label : split(text, '.')) {
        u8(static_cast<unsigned>(label.size()));
        for (const char c : label) u8(static_cast<unsigned char>(c));
      }
    return u8(0);
  }
  MessageBuilder& pointer(unsigned target) { return u16(0xC000 | target); }
  MessageBuilder& header(uint16_t id, unsigned flags, unsigned answers, unsigned authority = 0) {
    return u16(id).u16(flags).u16(1).u16(answers).u16(authority).u16(0);
  }
  MessageBuilder& question(std::string_view text, RecordType type) {
    return name(text).u16(static_cast<unsigned>(type)).u16(1);
  }
  MessageBuilder& record(std::string_view owner, RecordType type, uint32_t ttl, const std::vector<uint8_t>& data) {
    name(owner).u16(static_cast<unsigned>(type)).u16(1).u32(ttl).u16(static_cast<unsigned>(data.size()));
    bytes.insert(bytes.end(), data.begin(), data.end());
    return *this;
  }
  MessageBuilder& address(std::string_view owner, std::string_view ip, uint32_t ttl) {
    const IpAddress parsed = *IpAddress::parse(ip);
    std::vector<uint8_t> data;
    const unsigned count = parsed.is_v4() ? 4 : 16;
    data.reserve(count);
    for (unsigned i = 0; i < count; ++i)
      data.push_back(static_cast<uint8_t>((i < 8 ? parsed.high() : parsed.low()) >> (56 - 8 * (i % 8))));
    return record(owner, parsed.is_v4() ? RecordType::a : RecordType::aaaa, ttl, data);
  }
  MessageBuilder& cname(std::string_view owner, std::string_view target, uint32_t ttl) {
    return record(owner, RecordType::cname, ttl, MessageBuilder().name(target).bytes);
  }
  MessageBuilder& soa(std::string_view zone, uint32_t ttl, uint32_t minimum) {
    MessageBuilder data;
    data.name("ns." + std::string(zone)).name("admin." + std::string(zone)).u32(1).u32(2).u32(3).u32(4).u32(minimum);
    return record(zone, RecordType::soa, ttl, data.bytes);
  }

  std::vector<uint8_t> bytes;
};

inline constexpr unsigned kAnswerFlags = 0x8180;  // an answer, recursion desired and available

}  // namespace sluice::dns
