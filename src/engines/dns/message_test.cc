#include "engines/dns/message.h"

#include <gtest/gtest.h>

#include "engines/dns/testing.h"

namespace sluice::dns {
namespace {

constexpr auto kA = RecordType::a;
constexpr auto kAaaa = RecordType::aaaa;

std::string read(const MessageBuilder& message, std::string_view name = "a.test", RecordType type = kA,
                 uint16_t id = 7) {
  const auto answer = parse_answer(message.bytes, name, type, id);
  if (!answer) return "error: " + answer.error().message;
  std::string out = fmt::format("rcode {}", static_cast<int>(answer->rcode));
  if (answer->truncated) out += " truncated";
  for (const IpAddress& address : answer->addresses) out += " " + address.to_string();
  if (answer->endless) out += " endless";
  if (!answer->addresses.empty()) out += fmt::format(" ttl {}", answer->ttl.count());
  if (answer->negative_ttl) out += fmt::format(" negative {}", answer->negative_ttl->count());
  return out;
}

MessageBuilder good(unsigned answers, unsigned authority = 0, unsigned rcode = 0) {
  MessageBuilder message;
  message.header(7, kAnswerFlags | rcode, answers, authority).question("a.test", kA);
  return message;
}

TEST(DnsQuery, is_the_bytes_of_rfc_1035_with_edns) {
  std::array<uint8_t, kQueryBytesMax> buffer;
  const size_t length = write_query(buffer, "Tenant-1.mypaas.test.", kAaaa, 0xABCD);
  MessageBuilder expected;
  expected.u16(0xABCD).u16(0x0100).u16(1).u16(0).u16(0).u16(1).name("tenant-1.mypaas.test").u16(28).u16(1);
  expected.u8(0).u16(41).u16(1232).u32(0).u16(0);
  EXPECT_EQ(std::vector<uint8_t>(buffer.begin(), buffer.begin() + length), expected.bytes);
}

TEST(DnsQuery, leaves_edns_out_for_old_servers) {
  std::array<uint8_t, kQueryBytesMax> buffer;
  const size_t length = write_query(buffer, "a.test", kA, 1, Edns::without);
  MessageBuilder expected;
  expected.u16(1).u16(0x0100).u16(1).u16(0).u16(0).u16(0).name("a.test").u16(1).u16(1);
  EXPECT_EQ(std::vector<uint8_t>(buffer.begin(), buffer.begin() + length), expected.bytes);
}

TEST(DnsQuery, takes_the_longest_name_and_no_longer_one) {
  std::array<uint8_t, kQueryBytesMax> buffer;
  const std::string label(63, 'a');
  const std::string longest = label + "." + label + "." + label + "." + std::string(61, 'b');
  EXPECT_EQ(write_query(buffer, longest, kA, 1), kQueryBytesMax);
  for (const std::string& name : {longest + "b", label + "a.test", std::string(), std::string("."),
                                  std::string(".mypaas.test"), std::string("a..b"), std::string("a..")})
    EXPECT_EQ(write_query(buffer, name, kA, 1), 0u) << name;
}

TEST(DnsAnswer, gives_addresses_in_order_each_once_with_the_smallest_ttl) {
  EXPECT_EQ(read(good(4)
                     .address("a.test", "10.0.0.2", 60)
                     .address("A.TEST", "10.0.0.1", 30)
                     .address("a.test", "10.0.0.2", 90)
                     .address("b.test", "10.0.0.3", 1)),
            "rcode 0 10.0.0.2 10.0.0.1 ttl 30");
  MessageBuilder six;
  six.header(7, kAnswerFlags, 1).question("a.test", kAaaa).address("a.test", "2001:db8::1", 5);
  EXPECT_EQ(read(six, "a.test", kAaaa), "rcode 0 2001:db8::1 ttl 5");
  EXPECT_EQ(read(good(1).address("a.test", "10.0.0.1", 0x80000001)), "rcode 0 10.0.0.1 ttl 0");
}

TEST(DnsAnswer, follows_cnames_in_any_order_and_takes_the_smallest_ttl_of_the_chain) {
  EXPECT_EQ(
      read(good(3).address("c.test", "10.0.0.1", 300).cname("b.test", "c.test", 20).cname("a.test", "B.test", 100)),
      "rcode 0 10.0.0.1 ttl 20");
  EXPECT_EQ(read(good(1, 1).cname("a.test", "b.other", 9).soa("other", 40, 50)), "rcode 0 negative 40");
}

TEST(DnsAnswer, follows_compressed_names) {
  MessageBuilder message = good(2);                                            // the question's name is at 12
  message.pointer(12).u16(5).u16(1).u32(60).u16(4).u8(1).u8('b').pointer(14);  // b.test: "test" is at 14
  message.u8(1).u8('b').pointer(14).u16(1).u16(1).u32(60).u16(4).u32(0x0A000001);
  EXPECT_EQ(read(message), "rcode 0 10.0.0.1 ttl 60");
}

TEST(DnsAnswer, takes_chains_up_to_sixteen_and_refuses_loops) {
  const auto chain = [](unsigned length) {
    MessageBuilder message = good(length + 1);
    std::string name = "a.test";
    for (unsigned i = 0; i < length; ++i) {
      const std::string next = fmt::format("n{}.test", i);
      message.cname(name, next, 60);
      name = next;
    }
    return message.address(name, "10.0.0.1", 60);
  };
  EXPECT_EQ(read(chain(16)), "rcode 0 10.0.0.1 ttl 60");
  EXPECT_EQ(read(chain(17)), "rcode 0 endless");
  EXPECT_EQ(read(good(2).cname("a.test", "b.test", 1).cname("b.test", "a.test", 1)), "rcode 0 endless");
  EXPECT_EQ(read(good(1).cname("a.test", "a.test", 1)), "rcode 0 endless");
}

TEST(DnsAnswer, remembers_for_how_long_there_is_nothing) {
  EXPECT_EQ(read(good(0, 1, 3).soa("test", 300, 20)), "rcode 3 negative 20");
  EXPECT_EQ(read(good(0, 1, 3).soa("test", 10, 20)), "rcode 3 negative 10");
  EXPECT_EQ(read(good(0, 1).soa("", 10, 20)), "rcode 0 negative 10");
  EXPECT_EQ(read(good(0, 1, 3).soa("other", 10, 20)), "rcode 3");  // another zone cannot speak for the name
  EXPECT_EQ(read(good(0, 0, 3)), "rcode 3");
  EXPECT_EQ(read(good(0, 0, 2)), "rcode 2");
}

TEST(DnsAnswer, stops_at_the_truncation_flag) {
  MessageBuilder message;
  message.header(7, kAnswerFlags | 0x0200, 9).question("a.test", kA).u16(0xFFFF);
  EXPECT_EQ(read(message), "rcode 0 truncated");
}

TEST(DnsAnswer, bounds_the_number_of_addresses) {
  MessageBuilder message = good(200);
  for (unsigned i = 0; i < 200; ++i) message.address("a.test", fmt::format("10.0.0.{}", i), 60);
  EXPECT_EQ(parse_answer(message.bytes, "a.test", kA, 7)->addresses.size(), kAddressesMax);
  EXPECT_EQ(read(good(257)), "error: 257 answer records");
}

TEST(DnsAnswer, refuses_what_answers_another_query) {
  const auto with = [](uint16_t id, unsigned flags, std::string_view name, RecordType type) {
    MessageBuilder message;
    return message.header(id, flags, 1).question(name, type).address("a.test", "10.0.0.1", 60);
  };
  EXPECT_EQ(read(with(7, kAnswerFlags, "A.tEsT", kA)), "rcode 0 10.0.0.1 ttl 60");
  EXPECT_EQ(read(with(8, kAnswerFlags, "a.test", kA)), "error: the id is another query's");
  EXPECT_EQ(read(with(7, kAnswerFlags, "b.test", kA)), "error: the question is another query's");
  EXPECT_EQ(read(with(7, kAnswerFlags, "a.test", kAaaa)), "error: the question is another query's");
  EXPECT_EQ(read(with(7, 0x0100, "a.test", kA)), "error: a query, not an answer");
  EXPECT_EQ(read(with(7, 0x8980, "a.test", kA)), "error: not an answer to a standard query");
  MessageBuilder two;
  two.u16(7).u16(kAnswerFlags).u16(2).u16(0).u16(0).u16(0).question("a.test", kA).question("b.test", kA);
  EXPECT_EQ(read(two), "error: 2 questions instead of one");
}

TEST(DnsAnswer, refuses_bad_names_and_lengths) {
  const auto record_behind = [](auto&& write_owner, unsigned data_bytes = 4) {
    MessageBuilder message = good(1);
    write_owner(message);
    message.u16(1).u16(1).u32(60).u16(data_bytes).u32(0x0A000001);
    return read(message).substr(0, 5);
  };
  EXPECT_EQ(record_behind([](auto& m) { m.pointer(12); }), "rcode");
  const unsigned here = static_cast<unsigned>(good(1).bytes.size());
  EXPECT_EQ(record_behind([&](auto& m) { m.pointer(here); }), "error");                // to itself
  EXPECT_EQ(record_behind([&](auto& m) { m.pointer(here + 2); }), "error");            // forwards
  EXPECT_EQ(record_behind([&](auto& m) { m.u8(1).u8('a').pointer(here); }), "error");  // back to its own start
  EXPECT_EQ(record_behind([](auto& m) { m.pointer(0); }), "error");                    // into the header
  EXPECT_EQ(record_behind([](auto& m) { m.pointer(0x3FFF); }), "error");               // beyond the end
  EXPECT_EQ(record_behind([](auto& m) { m.u8(0x40).u8(0); }), "error");                // reserved label types
  EXPECT_EQ(record_behind([](auto& m) { m.u8(0x80).u8(0); }), "error");
  EXPECT_EQ(record_behind([](auto& m) { m.u8(63).u8('a'); }), "error");  // a label beyond the end
  EXPECT_EQ(record_behind([](auto& m) { m.pointer(12); }, 3), "error");  // an address of 3 bytes
  EXPECT_EQ(record_behind([](auto& m) { m.pointer(12); }, 5), "error");  // beyond the end
  EXPECT_EQ(record_behind([](auto& m) {
              for (int i = 0; i < 5; ++i) {
                m.u8(60);
                for (int j = 0; j < 60; ++j) m.u8('a');
              }
              m.u8(0);
            }),
            "error");  // over 255 bytes
  MessageBuilder cname = good(1);
  cname.record("a.test", RecordType::cname, 60, {1, 'b', 0, 0});  // a byte behind the target
  EXPECT_EQ(read(cname), "error: a CNAME with a bad target");
  MessageBuilder soa = good(0, 1, 3);
  soa.record("test", RecordType::soa, 60, {0, 0, 1, 2, 3});
  EXPECT_EQ(read(soa), "error: a bad SOA");
}

TEST(DnsAnswer, refuses_every_message_that_was_cut_off) {
  MessageBuilder whole = good(2, 0).cname("a.test", "b.test", 60).address("b.test", "10.0.0.1", 60);
  ASSERT_EQ(read(whole), "rcode 0 10.0.0.1 ttl 60");
  for (size_t length = 0; length < whole.bytes.size(); ++length)
    EXPECT_FALSE(parse_answer(std::span(whole.bytes).first(length), "a.test", kA, 7)) << length;
}

TEST(DnsAnswer, ignores_records_of_other_classes_and_types) {
  MessageBuilder message = good(2);
  message.name("a.test").u16(1).u16(3).u32(60).u16(4).u32(0x0A000001);  // class CHAOS
  message.record("a.test", static_cast<RecordType>(16), 60, {3, 'a', 'b', 'c'});
  EXPECT_EQ(read(message), "rcode 0");
}

}  // namespace
}  // namespace sluice::dns
