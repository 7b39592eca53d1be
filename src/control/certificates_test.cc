#include "control/certificates.h"

#include <gtest/gtest.h>

#include "base/log.h"
#include "config/documents.h"
#include "net/tls/testing.h"

namespace sluice {
namespace {

std::vector<std::string> lines;

class Certificates : public testing::Test {
 protected:
  void show(std::string_view from, const TestAuthority::Wish& wish, std::string_view service) {
    if (snapshot_.listeners.empty()) snapshot_.listeners.push_back(std::make_unique<SnapshotListener>());
    auto certificate = std::make_shared<ServerCertificate>();
    certificate->context = *TlsServerContext::create({.key_pair = authority_.make(wish)}, shared_);
    certificate->from = from;
    SnapshotListener& listener = *snapshot_.listeners.front();
    listener.gateway = "gloo-system/tls";
    chains_.push_back({.sni_domains = wish.names, .context = certificate->context});
    SnapshotHttp& http = listener.http.empty() ? listener.http.emplace_back() : listener.http.front();
    http.chains.push_back({.certificate = certificate, .services = {{"VirtualService", "ns", std::string(service)}}});
    http.config.tls = *TlsServerChains::create(chains_);
  }

  TestAuthority authority_;
  TlsServerShared shared_;
  std::vector<TlsServerChains::Chain> chains_;
  Snapshot snapshot_;
};

TEST_F(Certificates, are_listed_with_their_ends_and_uses_the_first_end_first) {
  show("Secret ns/a", {.names = {"a.test"}, .days_to = 30}, "va");
  show("file /b.pem", {.names = {"b.test", "c.test"}, .days_to = 10}, "vb");
  const auto rows = certificate_rows(snapshot_, wall_now());
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].from, "file /b.pem");
  EXPECT_EQ(rows[0].days_left, 9);
  EXPECT_EQ(rows[1].days_left, 29);
  const auto json = parse_json(certificates_json(rows));
  ASSERT_TRUE(json);
  const Node& first = json->list()->front();
  EXPECT_EQ(first.text_at({"subject"}), "CN=b.test");
  EXPECT_EQ(first.text_at({"issuer"}), "CN=Test CA");
  EXPECT_EQ(first.text_at({"expires"}), format_iso_seconds(rows[0].certificate->not_after));
  const Node& use = first.find("usedBy")->list()->front();
  EXPECT_EQ(use.text_at({"gateway"}), "gloo-system/tls");
  EXPECT_EQ(to_json(*use.find("virtualServices")), R"(["ns/vb"])");
  EXPECT_EQ(to_json(*use.find("sniDomains")), R"(["b.test","c.test"])");
  EXPECT_EQ(certificates_text(rows).substr(0, 31),
            "    9 days  CN=b.test  " + format_iso_seconds(rows[0].certificate->not_after).substr(0, 8));
}

TEST_F(Certificates, that_are_not_of_a_Gateway_have_their_place_among_the_others) {
  const TlsKeyPair own = authority_.make({.names = {"own.test"}, .days_to = 20});
  const auto context = *TlsServerContext::create({.key_pair = own}, shared_);
  show("a", {.names = {"a.test"}, .days_to = 30}, "va");
  show("b", {.names = {"b.test"}, .days_to = 10}, "vb");
  auto rows = certificate_rows(snapshot_, wall_now());
  add_row(rows, {.from = "own", .certificate = &context->certificate(), .days_left = 19, .used_by = {}});
  std::string order;
  for (const CertificateRow& row : rows) order += row.from + " ";
  EXPECT_EQ(order, "b own a ");
}

TEST_F(Certificates, that_end_within_two_weeks_are_warned_of_and_no_others) {
  show("a", {.names = {"a.test"}, .days_to = 30}, "va");
  show("b", {.names = {"b.test"}, .days_to = 10}, "vb");
  show("c", {.names = {"c.test"}, .days_from = -3, .days_to = -1}, "vc");
  lines.clear();
  log::set_sink([](std::string_view line) { lines.emplace_back(line); });
  warn_of_endings(certificate_rows(snapshot_, wall_now()));
  log::set_sink(nullptr);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_TRUE(lines[0].contains("a certificate has ended") && lines[0].contains("CN=c.test")) << lines[0];
  EXPECT_TRUE(lines[1].contains("a certificate ends soon") && lines[1].contains("from=b")) << lines[1];
}

TEST_F(Certificates, that_are_many_are_told_of_in_few_lines) {
  for (int i = 0; i < 25; ++i) show(fmt::format("s{}", i), {.names = {fmt::format("n{}.test", i)}, .days_to = 3}, "v");
  lines.clear();
  log::set_sink([](std::string_view line) { lines.emplace_back(line); });
  warn_of_endings(certificate_rows(snapshot_, wall_now()));
  log::set_sink(nullptr);
  ASSERT_EQ(lines.size(), 21U);
  EXPECT_TRUE(lines.back().contains("more=5")) << lines.back();
}

}  // namespace
}  // namespace sluice
