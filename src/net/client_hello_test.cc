#include "net/client_hello.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

std::string number(size_t value, size_t bytes) {
  std::string out;
  for (size_t i = bytes; i > 0; --i) out += static_cast<char>(value >> (8 * (i - 1)));
  return out;
}
std::string vector(std::string_view bytes, size_t length_bytes) {
  return number(bytes.size(), length_bytes).append(bytes);
}
std::string extension(uint16_t type, std::string_view body) {
  return number(type, 2) + vector(body, 2);
}
std::string server_name(std::string_view name) {
  return extension(0, vector(std::string(1, '\0') + vector(name, 2), 2));
}
std::string body(std::string_view extensions, std::string_view suites = "\x13\x01\x13\x02") {
  return "\x03\x03" + std::string(32, 'r') + vector(std::string(32, 's'), 1) + vector(suites, 2) +
         vector(std::string(1, '\0'), 1) + (extensions.empty() ? std::string() : vector(extensions, 2));
}
std::string message(std::string_view hello) {
  return "\x01" + vector(hello, 3);
}
std::string record(std::string_view payload, uint8_t type = 22) {
  return number(type, 1) + "\x03\x01" + vector(payload, 2);
}
// Cut into records of so many bytes.
std::string records(std::string_view handshake, size_t each) {
  std::string out;
  for (; !handshake.empty(); handshake.remove_prefix(std::min(each, handshake.size())))
    out += record(handshake.substr(0, each));
  return out;
}
std::string usual() {
  return message(body(server_name("Shop.Example") + extension(16, vector(vector("h2", 1) + vector("http/1.1", 1), 2)) +
                      extension(10, "whatever") + extension(43, vector("\x03\x04\x03\x03", 1))));
}
std::string error_of(std::string_view bytes) {
  const auto read = read_client_hello(bytes);
  if (read) return *read ? "a hello" : "more";
  EXPECT_EQ(read.error().side, Side::downstream);
  return read.error().message;
}

TEST(ClientHello, tells_what_the_client_asks_for) {
  const auto read = read_client_hello(record(usual()) + "what comes behind is not looked at");
  ASSERT_TRUE(read && *read);
  const ClientHello& hello = **read;
  EXPECT_EQ(hello.server_name, "shop.example");
  EXPECT_EQ(hello.alpn, (std::vector<std::string>{"h2", "http/1.1"}));
  EXPECT_EQ(hello.cipher_suites, (std::vector<uint16_t>{0x1301, 0x1302}));
  EXPECT_EQ(hello.versions, (std::vector<uint16_t>{0x0304, 0x0303}));
}

TEST(ClientHello, may_have_no_extensions_or_none_that_says_anything) {
  for (const std::string& bytes : {record(message(body(""))), record(message(body(extension(65281, "")))),
                                   record(message(body(extension(0, vector(number(7, 1) + vector("other", 2), 2)))))}) {
    const auto read = read_client_hello(bytes);
    ASSERT_TRUE(read && *read);
    EXPECT_EQ((*read)->server_name, "");
    EXPECT_TRUE((*read)->alpn.empty());
    EXPECT_EQ((*read)->versions, (std::vector<uint16_t>{0x0303}));
  }
}

TEST(ClientHello, may_be_cut_over_records_and_reads_anywhere) {
  const auto whole = read_client_hello(record(usual()));
  for (const size_t each : {1, 2, 3, 4, 5, 50, 1000}) {
    const std::string bytes = records(usual(), each);
    ClientHelloReader reader;
    for (size_t i = 0; i + 1 < bytes.size(); ++i) {
      const auto fed = reader.feed(bytes.substr(i, 1));
      ASSERT_TRUE(fed) << fed.error().message;
      EXPECT_FALSE(*fed) << i;
    }
    const auto last = reader.feed(bytes.substr(bytes.size() - 1));
    ASSERT_TRUE(last && *last);
    EXPECT_EQ(reader.hello(), **whole);
    const auto at_once = read_client_hello(bytes);
    ASSERT_TRUE(at_once);
    EXPECT_EQ(*at_once, *whole);
  }
}

TEST(ClientHello, is_waited_for_while_it_may_still_come) {
  const std::string bytes = record(usual());
  for (size_t i = 0; i < bytes.size(); ++i) EXPECT_EQ(error_of(std::string_view(bytes).substr(0, i)), "more") << i;
}

TEST(ClientHello, is_told_from_other_protocols_by_its_first_bytes) {
  EXPECT_EQ(error_of("G"), "no TLS ClientHello: it begins with something else");
  EXPECT_EQ(error_of("SSH-2.0-x\r\n"), "no TLS ClientHello: it begins with something else");
  EXPECT_EQ(error_of("\x80\x2e\x01\x03\x01"), "no TLS ClientHello: it begins with something else");  // of SSL 2
  EXPECT_EQ(error_of(record("\x02\x28", 21)), "no TLS ClientHello: it begins with something else");  // an alert
  EXPECT_EQ(error_of("\x16\x02\x01" + number(5, 2)), "no TLS ClientHello: its version is unknown");
  EXPECT_EQ(error_of(record("\x02")), "no TLS ClientHello: it begins with another message");
}

TEST(ClientHello, is_refused_where_a_length_is_wrong) {
  const std::string hello = body(server_name("a.example"));
  const struct {
    const char* what;
    std::string bytes;
    const char* why;
  } rows[] = {
      {"an empty record", record(""), "a record has no possible length"},
      {"one that is too long", "\x16\x03\x01" + number((1 << 14) + 1, 2), "a record has no possible length"},
      {"nothing but a length", record(message("")), "it is broken"},
      {"a random cut short", record(message(hello.substr(0, 20))), "it is broken"},
      {"cut in a list", record(message(hello.substr(0, 70))), "it is broken"},
      {"bytes behind", record(message(hello + "x")), "its extensions are broken"},
      {"extensions cut short", record(message(hello.substr(0, hello.size() - 1))), "its extensions are broken"},
      {"half a suite", record(message(body("", "\x13\x01\x13"))), "it is broken"},
      {"no suite", record(message(body("", ""))), "it is broken"},
      {"a name list cut short", record(message(body(extension(0, number(9, 2))))),
       "the server_name extension is broken"},
      {"an empty name list", record(message(body(extension(0, number(0, 2))))), "the server_name extension is broken"},
      {"a name cut short", record(message(body(extension(0, vector(number(0, 1) + number(9, 2) + "a", 2))))),
       "the server_name extension is broken"},
      {"an empty name", record(message(body(server_name("")))), "the server name is no name"},
      {"a name with a zero", record(message(body(server_name(std::string_view("a\0b", 3))))),
       "the server name is no name"},
      {"a name with a space", record(message(body(server_name("a b")))), "the server name is no name"},
      {"a long name", record(message(body(server_name(std::string(256, 'a'))))), "the server name is no name"},
      {"two names",
       record(message(body(
           extension(0, vector(std::string(1, '\0') + vector("a", 2) + std::string(1, '\0') + vector("b", 2), 2))))),
       "there are two server names"},
      {"an extension twice", record(message(body(server_name("a") + server_name("b")))), "an extension is there twice"},
      {"an empty protocol", record(message(body(extension(16, vector(vector("", 1), 2))))),
       "the ALPN extension is broken"},
      {"no protocol", record(message(body(extension(16, number(0, 2))))), "the ALPN extension is broken"},
      {"half a version", record(message(body(extension(43, vector("\x03\x04\x03", 1))))),
       "the supported_versions extension is broken"},
      {"versions and more", record(message(body(extension(43, vector("\x03\x04", 1) + "x")))),
       "the supported_versions extension is broken"},
      {"a session id that is too long",
       record(message("\x03\x03" + std::string(32, 'r') + vector(std::string(33, 's'), 1) + vector("\x13\x01", 2) +
                      vector("x", 1))),
       "its session id is too long"},
  };
  for (const auto& row : rows)
    EXPECT_EQ(error_of(row.bytes), std::string("no TLS ClientHello: ") + row.why) << row.what;
}

TEST(ClientHello, has_a_bound_however_it_is_cut) {
  const std::string large = message(body(extension(21, std::string(60'000, 'p'))));
  const auto read = read_client_hello(records(large, 1 << 14));
  EXPECT_TRUE(read && *read);
  EXPECT_EQ(error_of(record("\x01" + number(ClientHelloReader::kBytesMax + 1, 3))),
            "no TLS ClientHello: it is too long");
  // Within that, but in pieces so small that their headers make it more.
  ClientHelloReader reader;
  size_t fed = 0;
  Result<bool> last = false;
  for (size_t i = 0; last && !*last && i < large.size(); ++i, fed += 6) last = reader.feed(record(large.substr(i, 1)));
  ASSERT_FALSE(last);
  EXPECT_EQ(last.error().message, "no TLS ClientHello: it is too long");
  EXPECT_LE(fed, ClientHelloReader::kBytesMax + 6);
}

}  // namespace
}  // namespace sluice
