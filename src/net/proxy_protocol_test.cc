#include "net/proxy_protocol.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

using namespace std::string_literals;

const std::string kSignature = "\r\n\r\n\0\r\nQUIT\n"s;

std::string number(size_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value)};
}
std::string header2(uint8_t command, uint8_t family, std::string_view rest) {
  return kSignature + static_cast<char>(command) + static_cast<char>(family) + number(rest.size()).append(rest);
}
std::string tlv(uint8_t type, std::string_view value) {
  return static_cast<char>(type) + number(value.size()).append(value);
}
const std::string kIpv4 = "\xC0\x00\x02\x01\xC0\x00\x02\x02"s + number(56324) + number(443);
const std::string kIpv6 = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01" + "\x20\x01\x0d\xb8"s +
                          std::string(11, '\0') + "\x02" + number(1) + number(65535);

// "source > destination", "none", "more", "other" or what is broken.
std::string said(std::string_view bytes) {
  const auto read = read_proxy_header(bytes);
  if (!read) {
    EXPECT_EQ(read.error().side, Side::downstream);
    return read.error().kind == ErrorKind::not_found ? "other" : read.error().message;
  }
  if (!*read) return "more";
  const auto& proxied = (*read)->proxied;
  return proxied ? proxied->source.to_string() + " > " + proxied->destination.to_string() : "none";
}
std::string broken(std::string_view why) {
  return "the PROXY protocol header is broken: " + std::string(why);
}

TEST(ProxyProtocol, tells_whose_connection_it_is) {
  const struct {
    std::string bytes, said;
  } rows[] = {
      {"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n", "192.0.2.1:56324 > 192.0.2.2:443"},
      {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255:65535 > 255.255.255.255:65535"},
      {"PROXY TCP4 192.0.2.1 192.0.2.2 0 443\r\n", "192.0.2.1:0 > 192.0.2.2:443"},
      {"PROXY TCP6 2001:db8::1 ::1 1 2\r\n", "[2001:db8::1]:1 > [::1]:2"},
      {"PROXY UNKNOWN\r\n", "none"},
      {"PROXY UNKNOWN ffff::1 whatever 65535\r\n", "none"},
      {header2(0x21, 0x11, kIpv4), "192.0.2.1:56324 > 192.0.2.2:443"},
      {header2(0x21, 0x21, kIpv6), "[2001:db8::1]:1 > [2001:db8::2]:65535"},
      {header2(0x21, 0x11, kIpv4 + tlv(4, "noop")), "192.0.2.1:56324 > 192.0.2.2:443"},
      {header2(0x20, 0x11, kIpv4), "none"},  // LOCAL, whatever it says
      {header2(0x20, 0x00, ""), "none"},
      {header2(0x21, 0x00, ""), "none"},     // UNSPEC
      {header2(0x21, 0x12, kIpv4), "none"},  // datagrams are not passed on here
      {header2(0x21, 0x31, std::string(216, 'u')), "none"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(said(row.bytes), row.said) << row.bytes;
    const auto with_more = read_proxy_header(row.bytes + "GET / HTTP/1.1\r\n");
    ASSERT_TRUE(with_more && *with_more);
    EXPECT_EQ((*with_more)->length, row.bytes.size());
    EXPECT_EQ((*with_more)->version, row.bytes[0] == 'P' ? 1 : 2);
    for (size_t i = 0; i < row.bytes.size(); ++i)
      EXPECT_EQ(said(std::string_view(row.bytes).substr(0, i)), "more") << row.bytes << " " << i;
  }
}

TEST(ProxyProtocol, is_refused_where_it_is_broken) {
  const struct {
    std::string bytes, why;
  } rows[] = {
      {"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\n", "its line does not end in CRLF"},
      {"PROXY " + std::string(200, 'x'), "its line does not end"},
      {"PROXY UNKNOWN " + std::string(92, 'x') + "\r\n", "its line does not end"},
      {"PROXY TCP5 192.0.2.1 192.0.2.2 56324 443\r\n", "it names no known protocol"},
      {"PROXY\x20\r\n", "it names no known protocol"},
      {"PROXY tcp4 192.0.2.1 192.0.2.2 56324 443\r\n", "it names no known protocol"},
      {"PROXY TCP4\r\n", "its addresses are none"},
      {"PROXY TCP4 192.0.2.1 192.0.2.2 56324\r\n", "its addresses are none"},
      {"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443 1\r\n", "its addresses are none"},
      {"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443 \r\n", "its addresses are none"},
      {"PROXY TCP4  192.0.2.1 192.0.2.2 56324 443\r\n", "its addresses are none"},
      {"PROXY TCP4 192.0.2.01 192.0.2.2 56324 443\r\n", "its addresses are none"},
      {"PROXY TCP4 192.0.2.1 192.0.2.2 065 443\r\n", "its addresses are none"},
      {"PROXY TCP4 192.0.2.1 192.0.2.2 65536 443\r\n", "its addresses are none"},
      {"PROXY TCP4 192.0.2.1 192.0.2.2 +1 443\r\n", "its addresses are none"},
      {"PROXY TCP4 2001:db8::1 ::1 1 2\r\n", "its addresses are none"},
      {"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n", "its addresses are none"},
      {"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", "its addresses are none"},
      {header2(0x11, 0x11, kIpv4), "its version is unknown"},
      {header2(0x22, 0x11, kIpv4), "its command is unknown"},
      {header2(0x21, 0x41, kIpv4), "its family is unknown"},
      {header2(0x21, 0x13, kIpv4), "its family is unknown"},
      {header2(0x21, 0x11, kIpv4.substr(1)), "it is too short for its addresses"},
      {header2(0x21, 0x21, kIpv4), "it is too short for its addresses"},
      {header2(0x21, 0x11, kIpv4 + "\x04"), "a TLV does not end within it"},
      {header2(0x21, 0x11, kIpv4 + "\x04" + number(2) + "x"), "a TLV does not end within it"},
      {header2(0x21, 0x11, kIpv4 + tlv(3, "abc")), "its checksum is none"},
      {header2(0x21, 0x11, kIpv4 + tlv(3, "\0\0\0\0"s)), "its checksum is wrong"},
      {header2(0x21, 0x11, kIpv4 + std::string(16'384, '\0')).substr(0, 16), "it is too long"},
  };
  for (const auto& row : rows) EXPECT_EQ(said(row.bytes), broken(row.why)) << row.bytes;
}

TEST(ProxyProtocol, is_not_what_begins_otherwise) {
  for (const auto& bytes : {"G"s, "GET / HTTP/1.1\r\n"s, "PRO "s, "PROXYA"s, "proxy TCP4"s, "\r\nGET"s,
                            "\r\n\r\n\0\r\nQUIT\r"s, "\x16\x03\x01"s})
    EXPECT_EQ(said(bytes), "other") << bytes;
}

TEST(ProxyProtocol, gives_its_tlvs_and_believes_a_checksum) {
  // As python's crc32c of the header with zeros in its place says.
  const auto read =
      read_proxy_header(header2(0x21, 0x11, kIpv4 + tlv(2, "a.example") + tlv(0xEA, "\x01vpce") + tlv(4, "")));
  ASSERT_TRUE(read && *read);
  EXPECT_EQ((*read)->tlvs, (std::vector<ProxyTlv>{{2, "a.example"}, {0xEA, "\x01vpce"}, {4, ""}}));
  const auto checked = read_proxy_header(header2(0x21, 0x11, kIpv4 + tlv(3, "\xd6\xc8\xc7\x5f")));
  ASSERT_TRUE(checked && *checked);
  EXPECT_EQ((*checked)->tlvs.size(), 1U);
}

TEST(ProxyProtocol, is_read_in_a_few_pieces_that_take_nothing_behind_version_2) {
  for (const std::string& header :
       {"PROXY UNKNOWN\r\n"s, "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"s, header2(0x20, 0, ""),
        header2(0x21, 0x11, kIpv4), header2(0x21, 0x21, kIpv6 + tlv(4, std::string(300, 'x')))}) {
    const std::string all = header + std::string(500, 'x');
    size_t at = 0, reads = 0;
    for (; said(all.substr(0, at)) == "more"; ++reads) at += proxy_header_wants(all.substr(0, at));
    EXPECT_LE(reads, 3U);
    EXPECT_EQ(at, header[0] == 'P' ? ProxyHeader::kBytesMaxV1 : header.size()) << header;
  }
}

TEST(ProxyProtocol, says_for_whom_it_speaks) {
  const auto from = *SocketAddress::parse("192.0.2.1", 56324), to = *SocketAddress::parse("192.0.2.2", 443);
  const auto from6 = *SocketAddress::parse("2001:db8::1", 1), to6 = *SocketAddress::parse("2001:db8::2", 65535);
  const auto mapped = *SocketAddress::parse("::ffff:192.0.2.1", 56324);
  using enum ProxyProtocol;
  EXPECT_EQ(write_proxy_header(v1, ProxiedConnection{from, to}), "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n");
  EXPECT_EQ(write_proxy_header(v1, ProxiedConnection{mapped, to}), "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n");
  EXPECT_EQ(write_proxy_header(v1, ProxiedConnection{from6, to6}), "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n");
  EXPECT_EQ(write_proxy_header(v1, ProxiedConnection{from6, to}), "PROXY UNKNOWN\r\n");
  EXPECT_EQ(write_proxy_header(v1, std::nullopt), "PROXY UNKNOWN\r\n");
  EXPECT_EQ(write_proxy_header(v2, ProxiedConnection{from, to}), header2(0x21, 0x11, kIpv4));
  EXPECT_EQ(write_proxy_header(v2, ProxiedConnection{from6, to6}), header2(0x21, 0x21, kIpv6));
  EXPECT_EQ(write_proxy_header(v2, ProxiedConnection{from6, to}), header2(0x20, 0, ""));
  EXPECT_EQ(write_proxy_header(v2, std::nullopt), header2(0x20, 0, ""));
}

}  // namespace
}  // namespace sluice
