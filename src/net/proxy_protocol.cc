#include "net/proxy_protocol.h"

#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <cstring>

#include "base/strings.h"

namespace sluice {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kSignature1 = "PROXY ";
constexpr std::string_view kSignature2 = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr size_t kHead2 = 16;
static_assert(kSignature2.size() == ProxyHeader::kFirstBytes);

constexpr uint8_t kTlvCrc32c = 0x03;

using MaybeHeader = Result<std::optional<ProxyHeader>>;

std::unexpected<Error> broken(std::string_view why) {
  return fail(ErrorKind::invalid, "the PROXY protocol header is broken: " + std::string(why), Side::downstream);
}

uint8_t byte_at(std::string_view bytes, size_t at) {
  return static_cast<uint8_t>(bytes[at]);
}
uint16_t number_at(std::string_view bytes, size_t at) {
  return static_cast<uint16_t>(byte_at(bytes, at) << 8 | byte_at(bytes, at + 1));
}

// Whether one is the beginning of the other.
bool may_be(std::string_view bytes, std::string_view signature) {
  const size_t common = std::min(bytes.size(), signature.size());
  return bytes.substr(0, common) == signature.substr(0, common);
}

// --- version 1 --------------------------------------------------------------------------------------------------

std::string_view take_word(std::string_view& line) {
  const size_t space = line.find(' ');
  const std::string_view word = line.substr(0, space);
  line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
  return word;
}

// Section 2.1: 0 is a port here.
std::optional<uint16_t> port_of(std::string_view text) {
  return text == "0" ? std::optional<uint16_t>(0) : parse_port(text);
}

std::optional<ProxiedConnection> read_line(std::string_view line, AddressFamily family) {
  const auto source = IpAddress::parse(take_word(line));
  const auto destination = IpAddress::parse(take_word(line));
  const auto source_port = port_of(take_word(line));
  const auto destination_port = port_of(line);  // and nothing behind it
  if (!source || !destination || !source_port || !destination_port) return std::nullopt;
  if (source->family() != family || destination->family() != family) return std::nullopt;
  return ProxiedConnection{SocketAddress::of({*source, *source_port}),
                           SocketAddress::of({*destination, *destination_port})};
}

MaybeHeader read_v1(std::string_view bytes) {
  const std::string_view possible = bytes.substr(0, ProxyHeader::kBytesMaxV1);
  const size_t end = possible.find('\n');
  if (end == std::string_view::npos) {
    if (possible.size() == ProxyHeader::kBytesMaxV1) return broken("its line does not end");
    return std::nullopt;
  }
  if (possible[end - 1] != '\r') return broken("its line does not end in CRLF");
  ProxyHeader header{.version = 1, .proxied = {}, .tlvs = {}, .length = end + 1};
  std::string_view line = possible.substr(kSignature1.size(), end - 1 - kSignature1.size());
  const std::string_view family = take_word(line);
  if (family == "UNKNOWN") return header;  // whatever stands behind it
  if (family != "TCP4" && family != "TCP6") return broken("it names no known protocol");
  header.proxied = read_line(line, family == "TCP4" ? AddressFamily::v4 : AddressFamily::v6);
  if (!header.proxied) return broken("its addresses are none");
  return header;
}

// --- version 2 --------------------------------------------------------------------------------------------------

enum Family : uint8_t { kUnspecified = 0, kInternet4 = 1, kInternet6 = 2, kUnix = 3 };

// Section 2.2: what does not know a combination takes it for an unspecified one. Nothing: it is none of the known.
std::optional<size_t> address_bytes(uint8_t family) {
  switch (family) {
    case kUnspecified: return 0;
    case kInternet4: return 12;
    case kInternet6: return 36;
    case kUnix: return 216;
    default: return std::nullopt;
  }
}

SocketAddress address_at(std::string_view addresses, size_t at, size_t size, size_t port_at) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(addresses.data());
  return SocketAddress::of({*IpAddress::from_bytes({bytes + at, size}), number_at(addresses, port_at)});
}

ProxiedConnection read_addresses(std::string_view bytes, size_t each) {
  return {address_at(bytes, 0, each, 2 * each), address_at(bytes, each, each, 2 * each + 2)};
}

constexpr std::array<uint32_t, 256> make_crc_table() {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < table.size(); ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78U : 0U);
    table[i] = crc;
  }
  return table;
}

// RFC 4960, appendix B.
uint32_t crc32c(std::string_view bytes) {
  static constexpr auto kTable = make_crc_table();
  uint32_t crc = ~0U;
  for (const char c : bytes) crc = crc >> 8 ^ kTable[(crc ^ static_cast<uint8_t>(c)) & 0xff];
  return ~crc;
}

// Section 2.2.3: over the whole header, with zeros where it stands itself.
bool checksum_fits(std::string_view header, std::string_view checksum) {
  std::string zeroed(header);
  std::memset(zeroed.data() + (checksum.data() - header.data()), 0, checksum.size());
  const uint32_t said = uint32_t{number_at(checksum, 0)} << 16 | number_at(checksum, 2);
  return said == crc32c(zeroed);
}

Status read_tlvs(std::string_view header, std::string_view rest, std::vector<ProxyTlv>& tlvs) {
  while (!rest.empty()) {
    if (rest.size() < 3 || rest.size() - 3 < number_at(rest, 1)) return broken("a TLV does not end within it");
    const std::string_view value = rest.substr(3, number_at(rest, 1));
    const uint8_t type = byte_at(rest, 0);
    rest.remove_prefix(3 + value.size());
    if (type == kTlvCrc32c) {
      if (value.size() != 4) return broken("its checksum is none");
      if (!checksum_fits(header, value)) return broken("its checksum is wrong");
    }
    tlvs.push_back({type, std::string(value)});
  }
  return {};
}

MaybeHeader read_v2(std::string_view bytes) {
  if (bytes.size() < kHead2) return std::nullopt;
  const uint8_t version_and_command = byte_at(bytes, 12), family_and_protocol = byte_at(bytes, 13);
  if (version_and_command >> 4 != 2) return broken("its version is unknown");
  const uint8_t command = version_and_command & 15;
  if (command > 1) return broken("its command is unknown");
  const size_t length = number_at(bytes, 14);
  if (kHead2 + length > ProxyHeader::kBytesMax) return broken("it is too long");
  if (bytes.size() < kHead2 + length) return std::nullopt;
  ProxyHeader header{.version = 2, .proxied = {}, .tlvs = {}, .length = kHead2 + length};
  if (command == 0) return header;  // LOCAL: what it says of addresses is to be skipped
  const auto addresses = address_bytes(family_and_protocol >> 4);
  if (!addresses || (family_and_protocol & 15) > 2) return broken("its family is unknown");
  if (length < *addresses) return broken("it is too short for its addresses");
  const std::string_view all = bytes.substr(0, header.length);
  const bool is_stream = (family_and_protocol & 15) == 1;
  if (is_stream && family_and_protocol >> 4 == kInternet4) header.proxied = read_addresses(all.substr(kHead2), 4);
  if (is_stream && family_and_protocol >> 4 == kInternet6) header.proxied = read_addresses(all.substr(kHead2), 16);
  TRY(read_tlvs(all, all.substr(kHead2 + *addresses), header.tlvs));
  return header;
}

}  // namespace

MaybeHeader read_proxy_header(std::string_view bytes) {
  if (may_be(bytes, kSignature2)) return bytes.size() < kSignature2.size() ? MaybeHeader() : read_v2(bytes);
  if (may_be(bytes, kSignature1)) return bytes.size() < kSignature1.size() ? MaybeHeader() : read_v1(bytes);
  return fail(ErrorKind::not_found, "there is no PROXY protocol header", Side::downstream);
}

size_t proxy_header_wants(std::string_view bytes) {
  if (bytes.size() < ProxyHeader::kFirstBytes) return ProxyHeader::kFirstBytes - bytes.size();
  const bool is_v2 = bytes.starts_with(kSignature2);
  if (is_v2 && bytes.size() < kHead2) return kHead2 - bytes.size();
  const size_t whole = is_v2 ? kHead2 + number_at(bytes, 14) : ProxyHeader::kBytesMaxV1;
  return whole > bytes.size() ? whole - bytes.size() : 1;
}

namespace {

std::string number(uint16_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value)};
}

std::string bytes_of(const IpAddress& address) {
  std::string out;
  const unsigned bits = address.bit_count();
  for (unsigned at = 0; at < bits; at += 8) {
    const uint64_t half = address.is_v4() ? uint64_t{address.v4_bits()} << 32
                          : at < 64       ? address.high()
                                          : address.low();
    out += static_cast<char>(half >> (56 - at % 64));
  }
  return out;
}

}  // namespace

std::string write_proxy_header(ProxyProtocol version, const std::optional<ProxiedConnection>& proxied) {
  std::optional<Endpoint> from, to;
  if (proxied) from = proxied->source.endpoint(), to = proxied->destination.endpoint();
  const bool known = from && to && from->address.family() == to->address.family();
  if (version == ProxyProtocol::v1) {
    if (!known) return "PROXY UNKNOWN\r\n";
    return fmt::format("PROXY TCP{} {} {} {} {}\r\n", from->address.is_v4() ? 4 : 6, from->address.to_string(),
                       to->address.to_string(), from->port, to->port);
  }
  std::string out(kSignature2);
  if (!known) return out + std::string("\x20") + std::string(3, '\0');
  const std::string addresses = bytes_of(from->address) + bytes_of(to->address) + number(from->port) + number(to->port);
  out += '\x21';
  out += from->address.is_v4() ? '\x11' : '\x21';
  return out + number(static_cast<uint16_t>(addresses.size())) + addresses;
}

}  // namespace sluice
