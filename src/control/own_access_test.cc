#include "control/own_access.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "control/store/test_folder.h"
#include "control/token_gate.h"
#include "io/loop.h"
#include "net/tls/testing.h"

namespace sluice {
namespace {

constexpr std::string_view kToken = "0123456789abcdefghijklmnop";

class Access : public testing::Test {
 protected:
  Result<std::unique_ptr<OwnAccess>> create(std::vector<IpAddress> listens = {IpAddress::v4(10, 0, 0, 7)}) {
    if (options_.state_folder.empty()) options_.state_folder = folder_.path("state");
    return OwnAccess::create(options_, listens, metrics_);
  }
  std::string refused() {
    const auto access = create();
    return access ? "" : access.error().message;
  }
  std::string token() const {
    const std::string line = folder_.read("state/.access/token");
    return line.substr(0, line.find('\n'));
  }
  unsigned mode(std::string_view name) const {
    struct stat what{};
    CHECK(::stat(folder_.path(name).c_str(), &what) == 0);
    return what.st_mode & 0777;
  }
  void write(const TlsKeyPair& pair) {
    folder_.write("a.crt", pair.certificates);
    folder_.write("a.key", pair.private_key);
    options_.certificate_file = folder_.path("a.crt");
    options_.key_file = folder_.path("a.key");
  }

  TestFolder folder_;
  OwnAccessOptions options_;
  Metrics metrics_{1};
};

bool admits(const OwnAccess& access, std::string_view token) {
  return access.admits("Bearer " + std::string(token));
}

TEST_F(Access, makes_authority_certificate_and_token_where_none_are_named) {
  const auto access = create();
  ASSERT_TRUE(access) << access.error().message;
  EXPECT_EQ((*access)->certificate().issuer, "CN=sluice");
  EXPECT_EQ((*access)->certificate().ip_names, std::vector<std::string>{"10.0.0.7"});
  EXPECT_TRUE(admits(**access, token()));
  EXPECT_EQ(mode("state/.access"), 0700U);
  EXPECT_EQ(mode("state/.access/authority.pem"), 0600U);
  EXPECT_EQ(mode("state/.access/token"), 0600U);
  EXPECT_FALSE(folder_.read("state/.access/ca.crt").contains("PRIVATE"));
}

TEST_F(Access, finds_what_it_made_again_and_shows_another_certificate_of_the_same_authority) {
  const std::string serial = (*create())->certificate().serial;
  const std::string made = token() + folder_.read("state/.access/authority.pem") + folder_.read("state/.access/ca.crt");
  EXPECT_NE((*create())->certificate().serial, serial);
  EXPECT_EQ(token() + folder_.read("state/.access/authority.pem") + folder_.read("state/.access/ca.crt"), made);
}

TEST_F(Access, clients_that_trust_its_authority_are_shown_a_certificate_for_its_addresses_and_names) {
  options_.names = {"gateway.example"};
  auto access = create({IpAddress::v4(0, 0, 0, 0)});
  ASSERT_TRUE(access);
  const auto credentials = read_own_credentials(options_.state_folder, "", "");
  ASSERT_TRUE(credentials) << credentials.error().message;
  EXPECT_TRUE(admits(**access, credentials->token));
  const auto client = TlsClientContext::create({.ca = credentials->ca});
  ASSERT_TRUE(client);
  for (const std::string_view name : {"gateway.example", "localhost", "127.0.0.1", "::1", "other.example"}) {
    Loop loop;
    auto pair = tls_over(memory_streams(loop), (*access)->chains(), *client, {.name = name});
    const Handshakes done = shake_hands(loop, pair);
    EXPECT_EQ(done.upstream.has_value(), name != "other.example") << name;
  }
}

TEST_F(Access, admits_its_tokens_and_nothing_else) {
  folder_.write("tokens", fmt::format("# of operators\n{}\r\n\n  second-token-of-twenty-and-more \n", kToken));
  options_.token_file = folder_.path("tokens");
  const auto access = create();
  ASSERT_TRUE(access) << access.error().message;
  const std::string good(kToken);
  for (const std::string& value : {"Bearer " + good, "bearer " + good, "BEARER   " + good + " ",
                                   std::string("Bearer second-token-of-twenty-and-more")})
    EXPECT_TRUE((*access)->admits(value)) << value;
  for (const std::string& value :
       {std::string(), std::string("Bearer"), std::string("Bearer "), good, "Basic " + good, "Bearer " + good + "x",
        "Bearer " + good.substr(1), std::string("Bearer # of operators"), "Bearer " + good + "," + good,
        std::string(2000, 'x'), "Bearer " + std::string(100'000, 'x')})
    EXPECT_FALSE((*access)->admits(value)) << value.substr(0, 60);
  EXPECT_FALSE(folder_.has("state/.access/token")) << "none is made where one is named";
}

TEST_F(Access, takes_other_tokens_as_soon_as_the_file_has_changed_and_keeps_the_old_ones_while_it_is_wrong) {
  folder_.write("tokens", kToken);
  options_.token_file = folder_.path("tokens");
  const auto access = *create();
  folder_.write("tokens", "short\n");
  EXPECT_FALSE(access->look(steady_now(), wall_now()));
  EXPECT_TRUE(admits(*access, kToken));
  folder_.write("tokens", "another-token-of-twenty-and-more\n");
  access->look(steady_now(), wall_now());
  EXPECT_FALSE(admits(*access, kToken));
  EXPECT_TRUE(admits(*access, "another-token-of-twenty-and-more"));
}

TEST_F(Access, counts_how_often_a_token_was_withdrawn) {
  folder_.write("tokens", kToken);
  options_.token_file = folder_.path("tokens");
  const auto access = *create();
  const auto withdrawn_after = [&](std::string_view text) {
    folder_.write("tokens", text);
    access->look(steady_now(), wall_now());
    return access->withdrawals();
  };
  EXPECT_EQ(withdrawn_after(fmt::format("{}\nanother-token-of-twenty-and-more\n", kToken)), 0U);
  EXPECT_EQ(withdrawn_after("short\n"), 0U) << "what was in force stays";
  EXPECT_EQ(withdrawn_after("another-token-of-twenty-and-more\n"), 1U);
}

TEST_F(Access, shows_a_certificate_of_files_and_another_one_when_they_have_changed) {
  const TestAuthority authority;
  write(authority.make({"gateway.example"}));
  const auto access = *create();
  EXPECT_EQ(access->certificate().subject, "CN=gateway.example");
  EXPECT_FALSE(folder_.has("state/.access/authority.pem")) << "none is made where one is named";
  EXPECT_FALSE(access->look(steady_now(), wall_now()));

  const TlsKeyPair renewed = authority.make({"renewed.example"});
  folder_.write("a.crt", renewed.certificates);
  EXPECT_FALSE(access->look(steady_now(), wall_now())) << "half of it";
  EXPECT_EQ(access->certificate().subject, "CN=gateway.example");
  folder_.write("a.key", renewed.private_key);
  EXPECT_TRUE(access->look(steady_now(), wall_now()));
  EXPECT_EQ(access->certificate().subject, "CN=renewed.example");
}

TEST_F(Access, makes_another_certificate_before_its_own_ends) {
  const auto access = *create();
  const std::string serial = access->certificate().serial;
  EXPECT_FALSE(access->look(steady_now(), wall_now() + std::chrono::days(59)));
  EXPECT_TRUE(access->look(steady_now(), wall_now() + std::chrono::days(61)));
  EXPECT_NE(access->certificate().serial, serial);
}

TEST_F(Access, says_what_is_wrong_and_never_a_token) {
  options_.state_folder = folder_.path("there/is/none");
  EXPECT_TRUE(refused().contains("--state names")) << refused();
  options_.state_folder = folder_.path("state");

  options_.token_file = folder_.path("tokens");
  EXPECT_TRUE(refused().contains("/tokens: No such file")) << refused();
  for (const std::string_view text : {"", "# none\n", "too-short", "twenty characters with a space",
                                      "zwanzig-zeichen-für-ein-wort", "good-token-of-twenty-and-more\nbad"}) {
    folder_.write("tokens", text);
    EXPECT_TRUE(refused().contains("tokens: ")) << refused();
    EXPECT_FALSE(refused().contains("short") || refused().contains("good-token")) << refused();
  }
  std::string many;
  for (int i = 0; i < 17; ++i) many += fmt::format("token-of-twenty-characters-{}\n", i);
  folder_.write("tokens", many);
  EXPECT_TRUE(refused().contains("more than 16 tokens")) << refused();

  options_.token_file.clear();
  ASSERT_EQ(refused(), "");
  folder_.write("state/.access/ca.crt", TestAuthority().pem());
  EXPECT_TRUE(refused().contains("ca.crt is not the certificate in authority.pem")) << refused();
  folder_.write("state/.access/authority.pem", "nothing");
  EXPECT_TRUE(refused().contains("authority.pem: ")) << refused();

  const TestAuthority authority;
  write(authority.make({"a.example"}));
  folder_.write("a.key", authority.make({"a.example"}).private_key);
  EXPECT_TRUE(refused().contains("a.key: the private key does not fit")) << refused();
}

TEST_F(Access, an_authority_that_ends_soon_is_to_be_replaced_by_hand_as_clients_have_it) {
  const auto ends = TlsAuthority::create("sluice", 60);
  folder_.write("state/.access/authority.pem", ends.private_key() + ends.certificate());
  EXPECT_TRUE(refused().contains("remove it")) << refused();
}

TEST(OwnName, is_what_a_certificate_can_be_for) {
  for (const auto name : {"gateway.example", "localhost", "10.0.0.7", "::1", "a-b.c"})
    EXPECT_TRUE(check_own_name(name)) << name;
  for (const auto name : {"", "a,DNS:b", "a:80", "*.example", "A.example", "a b", "http://a", "[::1]", ".a"})
    EXPECT_FALSE(check_own_name(name)) << name;
}

class Pages final : public AnsweringService {
 public:
  Task<Response> handle(Request& request) const override { return local_reply(request, 200, "behind", "test"); }
};

TEST_F(Access, callers_without_a_token_are_answered_401_and_nobody_behind_sees_them) {
  folder_.write("tokens", kToken);
  options_.token_file = folder_.path("tokens");
  const auto access = *create();
  const TokenGate gate("api", std::make_shared<Pages>(), *access, TokenGate::refusal_of_api(), metrics_);
  Loop loop;
  const auto status = [&](std::vector<std::string> values) {
    Arena arena;
    StreamInfo info;
    Request request(arena, loop, info);
    for (const std::string& value : values) request.headers.add(Known::authorization, value);
    auto answering = gate.handle(request);
    const Response response = *answering.take();
    EXPECT_EQ(response.close, response.status == 401);
    EXPECT_EQ(response.headers->get(Known::www_authenticate).has_value(), response.status == 401);
    return response.status;
  };
  const std::string good = "Bearer " + std::string(kToken);
  EXPECT_EQ(status({good}), 200);
  EXPECT_EQ(status({}), 401);
  EXPECT_EQ(status({"Bearer wrong"}), 401);
  EXPECT_EQ(status({good, good}), 401);
  EXPECT_EQ(status({"Bearer wrong", good}), 401);
  for (const auto& family : metrics_.collect())
    if (family.name == "sluice_callers_refused_total") EXPECT_EQ(family.samples.front().value, 4);
}

}  // namespace
}  // namespace sluice
