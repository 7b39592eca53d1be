#include "engines/address/authority.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/strings.h"

namespace sluice {
namespace {

enum class Byte : uint8_t { name, upper, other };

constexpr std::array<Byte, 256> kBytes = [] {
  std::array<Byte, 256> table{};
  table.fill(Byte::other);
  for (int c = 'a'; c <= 'z'; ++c) table[c] = Byte::name;
  for (int c = '0'; c <= '9'; ++c) table[c] = Byte::name;
  for (int c = 'A'; c <= 'Z'; ++c) table[c] = Byte::upper;
  table['-'] = table['_'] = table['.'] = Byte::name;
  return table;
}();

std::unexpected<Error> refuse(std::string_view text, std::string_view why) {
  return fail(ErrorKind::invalid, fmt::format("destination `{}` {}", printable(text, 100), why), Side::downstream);
}

std::unexpected<Error> refuse_byte(std::string_view text, unsigned char byte) {
  if (byte >= 0x80)
    return refuse(text, "has bytes that are not ASCII: write an international name as its A-label (xn--...)");
  if (byte == '@') return refuse(text, "has an `@`: user information is not allowed");
  if (byte == ':') return refuse(text, "has more than one colon: an IPv6 address needs brackets");
  if (byte <= ' ' || byte == 0x7F) return refuse(text, "has a space or a control byte");
  return refuse(text, fmt::format("has a `{}`, which no host name has", static_cast<char>(byte)));
}

// What inet_aton and browsers would read as an IPv4 address, by its last label (WHATWG URL, "ends in a number").
bool ends_in_a_number(std::string_view name) {
  const std::string_view last = name.substr(name.rfind('.') + 1);  // npos + 1 is 0
  if (last.empty()) return false;
  if (std::ranges::all_of(last, ascii_digit)) return true;
  if (last.size() < 2 || last[0] != '0' || ascii_lower(last[1]) != 'x') return false;
  const auto is_hex = [](char c) { return ascii_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f'); };
  return std::ranges::all_of(last.substr(2), is_hex);
}

bool query_can_carry(std::string_view name) {
  if (name.empty() || name.size() > kNameBytesMax) return false;
  size_t start = 0;
  for (;;) {
    const size_t dot = std::min(name.find('.', start), name.size());
    if (dot == start || dot - start > kLabelBytesMax) return false;
    if (dot == name.size()) return true;
    start = dot + 1;
  }
}

Status read_port(std::string_view text, std::string_view digits, AuthorityUse use, Authority& out) {
  if (digits.empty() && use == AuthorityUse::host) return {};
  const auto port = parse_port(digits);
  if (!port) return refuse(text, "has a port that is not a number from 1 to 65535");
  out.port = *port;
  return {};
}

Result<Authority> parse_bracketed(std::string_view text, HostScratch& scratch, AuthorityUse use) {
  const size_t close = text.find(']');
  if (close == std::string_view::npos) return refuse(text, "has a `[` without its `]`");
  const std::string_view inside = text.substr(1, close - 1);
  if (inside.find('%') != std::string_view::npos) return refuse(text, "has a zone identifier");
  Authority out;
  if (inside.find(':') != std::string_view::npos) out.address = IpAddress::parse(inside);
  if (!out.address) return refuse(text, "has no IPv6 address between its brackets");
  static_assert(IpAddress::kTextBytesMax <= sizeof scratch.bytes);
  out.host = out.address->print(std::span(scratch.bytes).first<IpAddress::kTextBytesMax>());

  const std::string_view rest = text.substr(close + 1);
  if (rest.empty() && use == AuthorityUse::host) return out;
  if (!rest.starts_with(':')) return refuse(text, "needs `:` and a port behind the `]`");
  TRY(read_port(text, rest.substr(1), use, out));
  return out;
}

// The name as it is, or its lower-case copy in the scratch.
std::string_view lower_case(std::string_view name, bool has_upper, HostScratch& scratch) {
  if (!has_upper || name.size() > kNameBytesMax) return name;  // too long: never looked up
  std::ranges::transform(name, scratch.bytes.begin(), ascii_lower);
  return std::string_view(scratch.bytes.data(), name.size());
}

}  // namespace

Result<Authority> parse_authority(std::string_view text, HostScratch& scratch, AuthorityUse use) {
  if (text.starts_with('[')) return parse_bracketed(text, scratch, use);

  size_t end = 0;
  bool has_upper = false;
  for (; end < text.size() && text[end] != ':'; ++end) {
    const Byte kind = kBytes[static_cast<unsigned char>(text[end])];
    if (kind == Byte::other) return refuse_byte(text, static_cast<unsigned char>(text[end]));
    has_upper |= kind == Byte::upper;
  }
  std::string_view name = text.substr(0, end);
  Authority out;
  if (end < text.size()) {
    const std::string_view digits = text.substr(end + 1);
    const auto odd = std::ranges::find_if_not(digits, ascii_digit);
    if (odd != digits.end() && *odd != '+' && *odd != '-' && kBytes[static_cast<unsigned char>(*odd)] == Byte::other)
      return refuse_byte(text, static_cast<unsigned char>(*odd));
    TRY(read_port(text, digits, use, out));
  } else if (use == AuthorityUse::connect) {
    return refuse(text, "has no port, which CONNECT needs");
  }

  if (name.empty()) return refuse(text, "has no host");
  if (name.ends_with("..")) return refuse(text, "has more than one trailing dot");
  if (ascii_digit(name.back())) {  // most names end here
    out.address = IpAddress::parse(name);
    if (out.address) {
      out.host = name;
      return out;
    }
  }
  if (name.ends_with('.')) name.remove_suffix(1);
  if (ends_in_a_number(name)) return refuse(text, "is no name and no plain IPv4 address of four decimal parts");
  out.host = lower_case(name, has_upper, scratch);
  out.unresolvable_name = !query_can_carry(name);
  return out;
}

}  // namespace sluice
