#include "base/ip.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "base/strings.h"

namespace sluice {
namespace {

uint64_t read_u64(const uint8_t* bytes) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | bytes[i];
  return value;
}

std::array<uint8_t, 16> to_bytes(const IpAddress& address) {
  std::array<uint8_t, 16> bytes{};
  for (unsigned i = 0; i < 8; ++i) {
    bytes[i] = static_cast<uint8_t>(address.high() >> (56 - 8 * i));
    bytes[8 + i] = static_cast<uint8_t>(address.low() >> (56 - 8 * i));
  }
  return bytes;
}

}  // namespace

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  if (text.empty() || text.size() >= kTextBytesMax || text.find('\0') != std::string_view::npos) return std::nullopt;
  std::array<char, kTextBytesMax> buffer{};
  std::memcpy(buffer.data(), text.data(), text.size());
  std::array<uint8_t, 16> bytes{};
  // inet_pton, unlike inet_aton, takes exactly these forms: no hex, octal, short or zoned addresses.
  const bool six = text.find(':') != std::string_view::npos;
  if (inet_pton(six ? AF_INET6 : AF_INET, buffer.data(), bytes.data()) != 1) return std::nullopt;
  return from_bytes(std::span(bytes).first(six ? 16 : 4));
}

std::optional<IpAddress> IpAddress::from_bytes(std::span<const uint8_t> bytes) {
  if (bytes.size() == 4) return v4(bytes[0], bytes[1], bytes[2], bytes[3]);
  if (bytes.size() == 16) return v6(read_u64(bytes.data()), read_u64(bytes.data() + 8));
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::from_sockaddr(const sockaddr& from) {
  if (from.sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, &from, sizeof in);
    return v4(ntohl(in.sin_addr.s_addr));
  }
  if (from.sa_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, &from, sizeof in);
    return from_bytes(std::span<const uint8_t>(in.sin6_addr.s6_addr, 16));
  }
  return std::nullopt;
}

std::string_view IpAddress::print(std::span<char, kTextBytesMax> buffer) const {
  const auto bytes = to_bytes(*this);
  inet_ntop(is_v4() ? AF_INET : AF_INET6, bytes.data(), buffer.data(), kTextBytesMax);
  return std::string_view(buffer.data());
}

std::string IpAddress::to_string() const {
  std::array<char, kTextBytesMax> buffer;
  return std::string(print(buffer));
}

Result<Cidr> Cidr::parse(std::string_view text) {
  const size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return invalid(fmt::format("`{}` is no address and no range such as 10.0.0.0/8", printable(text, 80)));
  if (slash == std::string_view::npos) return Cidr{*address, static_cast<uint8_t>(address->bit_count())};

  const std::string_view digits = text.substr(slash + 1);
  const auto length = parse_decimal(digits);
  if (!length || *length > address->bit_count() || (digits.size() > 1 && digits[0] == '0'))
    return invalid(fmt::format("`{}`: the prefix length must be 0 to {}", printable(text, 80), address->bit_count()));
  const Cidr range{masked(*address, static_cast<unsigned>(*length)), static_cast<uint8_t>(*length)};
  if (range.network != *address)
    return invalid(fmt::format("`{}` has bits set behind the prefix; did you mean `{}`?", text, range.to_string()));
  return range;
}

std::string Cidr::to_string() const {
  return fmt::format("{}/{}", network.to_string(), length);
}

std::optional<uint16_t> parse_port(std::string_view text) {
  if (text.empty() || text.size() > 5 || text[0] == '0') return std::nullopt;
  const auto value = parse_decimal(text);
  if (!value || *value > 65535) return std::nullopt;
  return static_cast<uint16_t>(*value);
}

std::vector<IpAddress> interface_addresses() {
  std::vector<IpAddress> out;
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) return out;
  for (const ifaddrs* entry = first; entry; entry = entry->ifa_next) {
    if (!entry->ifa_addr) continue;
    const auto address = IpAddress::from_sockaddr(*entry->ifa_addr);
    if (address && std::ranges::find(out, *address) == out.end()) out.push_back(*address);
  }
  freeifaddrs(first);
  return out;
}

Result<Endpoint> Endpoint::parse(std::string_view text, std::optional<uint16_t> default_port) {
  std::string_view host = text;
  std::optional<std::string_view> port;
  const size_t first_colon = text.find(':');
  if (text.starts_with('[')) {
    const size_t close = text.find(']');
    if (close == std::string_view::npos) return invalid(fmt::format("`{}`: the `]` is missing", printable(text, 80)));
    host = text.substr(1, close - 1);
    const std::string_view rest = text.substr(close + 1);
    if (host.find(':') == std::string_view::npos || (!rest.empty() && rest[0] != ':'))
      return invalid(fmt::format("`{}` is no address with a port such as [::1]:53", printable(text, 80)));
    if (!rest.empty()) port = rest.substr(1);
  } else if (first_colon != std::string_view::npos && first_colon == text.rfind(':')) {
    host = text.substr(0, first_colon);
    port = text.substr(first_colon + 1);
  }

  const auto address = IpAddress::parse(host);
  if (!address)
    return invalid(fmt::format("`{}` is no address with a port such as 127.0.0.1:8081", printable(text, 80)));
  if (!port && !default_port) return invalid(fmt::format("`{}` has no port", printable(text, 80)));
  const auto number = port ? parse_port(*port) : default_port;
  if (!number) return invalid(fmt::format("`{}`: the port must be 1 to 65535", printable(text, 80)));
  return Endpoint{*address, *number};
}

std::optional<Endpoint> Endpoint::from_sockaddr(const sockaddr& from) {
  const auto address = IpAddress::from_sockaddr(from);
  if (!address) return std::nullopt;
  in_port_t port = 0;  // at the same place in both families
  static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
  std::memcpy(&port, reinterpret_cast<const char*>(&from) + offsetof(sockaddr_in, sin_port), sizeof port);
  return Endpoint{*address, ntohs(port)};
}

socklen_t Endpoint::to_sockaddr(sockaddr_storage& to) const {
  to = {};
  if (address.is_v4()) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    in.sin_addr.s_addr = htonl(address.v4_bits());
    std::memcpy(&to, &in, sizeof in);
    return sizeof in;
  }
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port);
  const auto bytes = to_bytes(address);
  std::memcpy(in.sin6_addr.s6_addr, bytes.data(), bytes.size());
  std::memcpy(&to, &in, sizeof in);
  return sizeof in;
}

std::string Endpoint::to_string() const {
  return address.is_v4() ? fmt::format("{}:{}", address.to_string(), port)
                         : fmt::format("[{}]:{}", address.to_string(), port);
}

}  // namespace sluice
