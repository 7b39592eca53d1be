#include <gtest/gtest.h>

#include <random>

#include "engines/coding/encode_for_tests.h"
#include "filters/dlp/config.h"
#include "filters/dlp/filter.h"
#include "pipeline/testing.h"

namespace sluice::dlp {
namespace {

using coding::Coding;
using coding::testing::encoded;
using Fields = std::vector<std::pair<std::string, std::string>>;

constexpr std::string_view kBuiltins = "dlp: {actions: [{actionType: SSN}, {actionType: ALL_CREDIT_CARDS}]}";
constexpr std::string_view kSecret = R"({"ssn":"123-45-6789","card":"4111-1111-1111-1111"})";
constexpr std::string_view kMasked = R"({"ssn":"XXX-XX-X789","card":"XXXX-XXXX-XXXX-1111"})";

// A gateway with these options, whose upstream answers as told.
class Gateway {
 public:
  explicit Gateway(std::string_view route_options, std::string_view virtual_host_options = "{}")
      : harness(dlp_filter()) {
    EXPECT_EQ(harness.virtual_host(virtual_host_options), "");
    EXPECT_EQ(harness.route(route_options), "");
  }

  FilterHarness::Answer answer(Fields headers, std::vector<std::string> pieces, bool slowly = false,
                               uint16_t status = 200, bool with_length = true, std::string method = "GET") {
    harness.upstream = [=](Request& request) {
      return make_response(request, status, headers, pieces, slowly, with_length);
    };
    return harness.send({.method = std::move(method)});
  }
  FilterHarness::Answer answer(std::string_view body) { return answer({}, {std::string(body)}); }

  int64_t matches(const std::string& action) {
    for (const Metrics::Family& family : harness.metrics.collect()) {
      if (family.name != "sluice_dlp_matches_total") continue;
      for (const Metrics::Sample& sample : family.samples) {
        if (sample.labels == Labels{{"action", action}}) return sample.value;
      }
    }
    return -1;
  }

  FilterHarness harness;
};

std::vector<std::string> cut(std::string_view text, size_t size) {
  std::vector<std::string> pieces;
  for (size_t at = 0; at < text.size(); at += size) pieces.emplace_back(text.substr(at, size));
  return pieces;
}

// --- Masking ---

TEST(DlpFilter, masks_a_body_and_keeps_its_length) {
  Gateway gateway(kBuiltins);
  const auto answer = gateway.answer(kSecret);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, kMasked);
  EXPECT_EQ(answer.header("content-length"), std::to_string(kSecret.size()));
  EXPECT_EQ(gateway.matches("SSN"), 1);
  EXPECT_EQ(gateway.matches("VISA"), 1);
  EXPECT_EQ(gateway.matches("AMEX"), 0);
}

TEST(DlpFilter, masks_however_the_body_comes) {
  Gateway gateway(kBuiltins);
  for (size_t size = 1; size <= kSecret.size(); ++size) {
    for (const bool slowly : {false, true}) {
      for (const bool with_length : {false, true}) {
        const auto answer = gateway.answer({}, cut(kSecret, size), slowly, 200, with_length);
        EXPECT_EQ(answer.body, kMasked) << size;
        EXPECT_FALSE(answer.error);
      }
    }
  }
}

TEST(DlpFilter, masks_bodies_of_any_content_type) {
  Gateway gateway(kBuiltins);
  for (const char* type :
       {"application/json", "text/html", "image/png", "application/octet-stream", "text/event-stream"}) {
    EXPECT_EQ(gateway.answer({{"content-type", type}}, {std::string(kSecret)}).body, kMasked) << type;
  }
}

TEST(DlpFilter, leaves_a_body_without_secrets_and_its_head_alone) {
  Gateway gateway(kBuiltins);
  const auto answer = gateway.answer({{"etag", "\"a\""}, {"accept-ranges", "bytes"}}, {"nothing 12345"});
  EXPECT_EQ(answer.body, "nothing 12345");
  EXPECT_EQ(answer.header("etag"), "\"a\"");
  EXPECT_EQ(answer.header("accept-ranges"), "bytes");
}

// Hands out one piece, then never ends.
class Endless final : public BodyReader {
 public:
  explicit Endless(std::string piece) : piece_(std::move(piece)) {}
  Task<Chunk> read() override {
    if (std::exchange(asked_, true)) return fail(ErrorKind::timeout, "nothing more comes");
    return Chunk{{piece_.data(), piece_.size()}, false};
  }

 private:
  std::string piece_;
  bool asked_ = false;
};

TEST(DlpFilter, lets_an_event_pass_at_once_while_the_stream_goes_on) {
  Gateway gateway(kBuiltins);
  gateway.harness.upstream = [](Request& request) {
    Response response = make_response(request, 200, {{"content-type", "text/event-stream"}}, {});
    response.body.reader = request.arena.make<Endless>("data: 123-45-6789\n\n");
    return response;
  };
  const auto answer = gateway.harness.send({});
  EXPECT_EQ(answer.body, "data: XXX-XX-X789\n\n");
  EXPECT_EQ(answer.error->kind, ErrorKind::timeout);
  EXPECT_EQ(gateway.matches("SSN"), 1) << "counted though the body never ended";
}

TEST(DlpFilter, masks_local_replies_too) {
  Gateway gateway(kBuiltins);
  gateway.harness.upstream = [](Request& request) {
    return local_reply(request, 403, "no entry for 123-45-6789", "denied");
  };
  const auto answer = gateway.harness.send({});
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(answer.body, "no entry for XXX-XX-X789");
  EXPECT_EQ(answer.details, "denied");
}

TEST(DlpFilter, masks_where_the_body_lies) {
  static std::string body;
  body = kSecret;
  Gateway gateway(kBuiltins);
  gateway.harness.upstream = [](Request& request) {
    Response response = make_response(request, 200, {}, {});
    response.body = {request.arena.make<TextBody>(std::span(body)), body.size()};
    return response;
  };
  EXPECT_EQ(gateway.harness.send({}).body, kMasked);
  EXPECT_EQ(body, kMasked);
}

class WithTrailers final : public BodyReader {
 public:
  WithTrailers(Arena& arena, std::vector<std::string> pieces) : pieces_(std::move(pieces)), trailers_(arena) {
    trailers_.add("x-check", "123-45-6789");
  }
  Task<Chunk> read() override {
    std::string& piece = pieces_[at_++];
    return Chunk{{piece.data(), piece.size()}, at_ == pieces_.size()};
  }
  const Headers* trailers() const override { return &trailers_; }

 private:
  std::vector<std::string> pieces_;
  Headers trailers_;
  size_t at_ = 0;
};

TEST(DlpFilter, leaves_trailers_alone) {
  for (const std::string_view options :
       {kBuiltins, std::string_view(R"(dlp: {actions: [{customAction: {regexActions: [{regex: "1+"}]}}]})")}) {
    Gateway gateway(options);
    BodyReader* reader = nullptr;
    std::string trailer;
    gateway.harness.upstream = [&](Request& request) {
      Response response = make_response(request, 200, {}, {});
      response.body.reader =
          request.arena.make<WithTrailers>(request.arena, std::vector<std::string>{"123-45", "-6789"});
      return response;
    };
    // The harness does not look at trailers: ask the reader that the filter made.
    Arena arena;
    StreamInfo info;
    Request request(arena, gateway.harness.loop, info);
    request.method = "GET";
    request.route.chain = &gateway.harness.chain();
    Runner runner(&trailer, [](void*, Result<void>) {});
    const auto run = [](Request& asked, BodyReader*& out, std::string& found) -> Task<void> {
      auto sending = run_chain(asked);
      Response response = CO_TRY(co_await sending);
      out = response.body.reader;
      for (bool last = false; !last;) {
        auto reading = out->read();
        const Chunk chunk = CO_TRY(co_await reading);
        last = chunk.last;
      }
      if (const Headers* trailers = out->trailers()) found = trailers->get("x-check").value_or("");
      co_return Status{};
    };
    runner.start(run(request, reader, trailer));
    ASSERT_FALSE(runner.running());
    EXPECT_EQ(trailer, "123-45-6789") << options;
  }
}

TEST(DlpFilter, leaves_answers_to_head_and_answers_without_a_body_alone) {
  Gateway gateway(kBuiltins);
  const Fields gzip = {{"content-encoding", "gzip"}, {"content-length", "99"}, {"etag", "\"a\""}};
  for (const uint16_t status : {204, 304}) {
    const auto answer = gateway.answer(gzip, {}, false, status);
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(answer.headers.size(), gzip.size());
  }
  const auto head = gateway.answer(gzip, {}, false, 200, true, "HEAD");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.header("content-encoding"), "gzip");
  EXPECT_EQ(head.header("content-length"), "99");
}

TEST(DlpFilter, an_error_behind_it_stays_an_error) {
  Gateway gateway(kBuiltins);
  gateway.harness.upstream = [](Request& request) {
    Response response = make_response(request, 200, {}, {});
    auto* broken = request.arena.make<Endless>("x");
    (void)broken->read();
    response.body.reader = broken;
    return response;
  };
  EXPECT_EQ(gateway.harness.send({}).error->kind, ErrorKind::timeout);
}

// --- Codings ---

TEST(DlpFilter, decodes_a_compressed_body_masks_it_and_says_so_in_the_head) {
  Gateway gateway(kBuiltins);
  const std::pair<Coding, std::string> rows[] = {
      {Coding::gzip, "gzip"}, {Coding::gzip, "X-GZIP"}, {Coding::deflate, "deflate"}, {Coding::brotli, "br"}};
  for (const auto& [coding, name] : rows) {
    const std::string coded = encoded(coding, kSecret);
    for (const size_t size : {size_t{1}, size_t{10}, coded.size()}) {
      for (const bool slowly : {false, true}) {
        const auto answer = gateway.answer(
            {{"content-encoding", name}, {"etag", "\"a\""}, {"accept-ranges", "bytes"}, {"content-type", "text/plain"}},
            cut(coded, size), slowly);
        EXPECT_EQ(answer.status, 200);
        EXPECT_EQ(answer.body, kMasked) << name << " in pieces of " << size;
        EXPECT_EQ(answer.headers, (Fields{{"content-type", "text/plain"}}));
      }
    }
  }
}

TEST(DlpFilter, decodes_codings_upon_codings_in_one_field_or_several) {
  Gateway gateway(kBuiltins);
  const std::string coded = encoded(Coding::gzip, encoded(Coding::brotli, kSecret));
  EXPECT_EQ(gateway.answer({{"content-encoding", "br, gzip"}}, {coded}).body, kMasked);
  EXPECT_EQ(gateway.answer({{"content-encoding", "br"}, {"content-encoding", "gzip"}}, {coded}).body, kMasked);
}

TEST(DlpFilter, decodes_a_large_body) {
  Gateway gateway(kBuiltins);
  std::string text;
  std::string masked;
  std::mt19937 random(5);
  while (text.size() < 300'000) {
    const std::string line = fmt::format("{} of {}\n", random() % 100, random() % 10'000);
    text += line + "4111 1111 1111 1111\n";
    masked += line + "XXXX XXXX XXXX 1111\n";
  }
  const std::string coded = encoded(Coding::gzip, text);
  for (const size_t size : {size_t{500}, size_t{20'000}, coded.size()}) {
    EXPECT_EQ(gateway.answer({{"content-encoding", "gzip"}}, cut(coded, size)).body, masked);
  }
}

TEST(DlpFilter, identity_is_no_coding) {
  Gateway gateway(kBuiltins);
  const auto answer = gateway.answer({{"content-encoding", "identity"}}, {std::string(kSecret)});
  EXPECT_EQ(answer.body, kMasked);
  EXPECT_TRUE(answer.header("content-length"));
}

struct RefusedRow {
  uint16_t status;
  Fields headers;
  std::string_view details;
};

TEST(DlpFilter, holds_back_what_it_cannot_mask) {
  Gateway gateway(kBuiltins);
  const RefusedRow rows[] = {
      {200, {{"content-encoding", "zstd"}}, "dlp_unsupported_content_encoding"},
      {200, {{"content-encoding", "compress"}}, "dlp_unsupported_content_encoding"},
      {200, {{"content-encoding", "gzip, aes128gcm"}}, "dlp_unsupported_content_encoding"},
      {200, {{"content-encoding", "gzip"}, {"content-encoding", "zstd"}}, "dlp_unsupported_content_encoding"},
      {200, {{"content-encoding", "gzip,gzip,gzip,gzip"}}, "dlp_unsupported_content_encoding"},
      {206, {{"content-encoding", "gzip"}, {"content-range", "bytes 0-9/99"}}, "dlp_encoded_range"},
      {206, {{"content-type", "multipart/byteranges; boundary=x"}}, "dlp_multipart_byteranges"},
      {206, {{"content-type", "Multipart/ByteRanges"}}, "dlp_multipart_byteranges"},
  };
  for (const RefusedRow& row : rows) {
    const auto answer = gateway.answer(row.headers, {std::string(kSecret)}, false, row.status);
    EXPECT_EQ(answer.status, 502) << row.details;
    EXPECT_EQ(answer.details, row.details);
    EXPECT_TRUE(answer.body.starts_with("response not maskable: ")) << answer.body;
    EXPECT_EQ(answer.body.find("6789"), std::string::npos);
    EXPECT_FALSE(answer.header("content-encoding"));
  }
  EXPECT_EQ(gateway.harness.metrics.metric({"sluice_dlp_refused_total", ""})->value(), std::ssize(rows));
}

TEST(DlpFilter, a_broken_or_cut_off_compressed_body_ends_in_an_error_of_the_upstream) {
  Gateway gateway(kBuiltins);
  const std::string good = encoded(Coding::gzip, kSecret);
  for (const std::string& coded :
       {good.substr(0, good.size() - 1), good + "x", std::string("plain text"), good.substr(0, 5)}) {
    const auto answer = gateway.answer({{"content-encoding", "gzip"}}, {coded});
    ASSERT_TRUE(answer.error);
    EXPECT_EQ(answer.error->kind, ErrorKind::invalid);
    EXPECT_EQ(answer.error->side, Side::upstream);
    EXPECT_EQ(answer.body.find("6789"), std::string::npos);
  }
}

TEST(DlpFilter, a_bomb_ends_in_an_error_before_it_has_grown) {
  Gateway gateway(kBuiltins);
  const std::string bomb = encoded(Coding::brotli, std::string(64 << 20, 'a'));
  const auto answer = gateway.answer({{"content-encoding", "br"}}, {bomb});
  ASSERT_TRUE(answer.error);
  EXPECT_EQ(answer.error->kind, ErrorKind::limit);
  EXPECT_LT(answer.body.size(), 2u << 20);
}

TEST(DlpFilter, masks_a_range_by_itself) {
  Gateway gateway(kBuiltins);
  const auto answer = gateway.answer({{"content-range", "bytes 5-24/99"}}, {"a 123-45-6789 b 4111"}, false, 206);
  EXPECT_EQ(answer.status, 206);
  EXPECT_EQ(answer.body, "a XXX-XX-X789 b 4111");
  EXPECT_EQ(answer.header("content-range"), "bytes 5-24/99");
}

// --- Custom actions ---

constexpr std::string_view kAccount = R"yaml(
dlp:
  actions:
  - customAction:
      name: account
      regexActions:
      - {regex: '"acct":"(\w{1,20})"', subgroup: 1}
      percent: {value: 50}
)yaml";

TEST(DlpFilter, masks_a_subgroup_of_a_custom_expression) {
  Gateway gateway(kAccount);
  const std::string body = R"({"acct":"AB12CD34"})";
  for (size_t size = 1; size <= body.size(); ++size) {
    EXPECT_EQ(gateway.answer({}, cut(body, size), size % 2 == 0).body, R"({"acct":"XXXXCD34"})");
  }
  EXPECT_EQ(gateway.matches("account"), static_cast<int64_t>(body.size()));
}

constexpr std::string_view kUnbounded = R"(
dlp:
  actions:
  - customAction: {name: word, regex: ["secret \\w+"], maskChar: "*", percent: {value: 100}}
)";

TEST(DlpFilter, an_expression_without_a_bound_waits_for_the_whole_body) {
  Gateway gateway(kUnbounded);
  for (const bool slowly : {false, true}) {
    const auto answer = gateway.answer({}, {"a sec", "ret wo", "rd b"}, slowly);
    EXPECT_EQ(answer.body, "a ****** **** b");
    EXPECT_EQ(answer.header("content-length"), "15");
  }
  EXPECT_EQ(gateway.answer({{"content-encoding", "gzip"}}, {encoded(Coding::gzip, "secret word")}).body, "****** ****");
  EXPECT_EQ(gateway.matches("word"), 3);
}

TEST(DlpFilter, a_body_too_long_for_an_expression_without_a_bound_is_answered_500) {
  Gateway gateway("{}");
  gateway.harness.body_buffer_bytes_max = 10;
  EXPECT_EQ(gateway.harness.route(kUnbounded), "");
  for (const bool with_length : {true, false}) {
    const auto answer = gateway.answer({}, {"secret", " word"}, true, 200, with_length);
    EXPECT_EQ(answer.status, 500);
    EXPECT_EQ(answer.body, "Internal Server Error");
    EXPECT_EQ(answer.details, "response_payload_too_large");
  }
  EXPECT_EQ(gateway.answer("secret wor").body, "****** ***");
}

// One that waits for the whole body, and one that streams: what was not masked does not leave.
TEST(DlpFilter, an_expression_that_looks_far_beyond_each_match_is_answered_500_or_cut) {
  const std::string secret(1'000'000, 'a');
  const auto options = [](std::string_view expression) {
    return fmt::format(
        "dlp: {{actions: [{{customAction: {{name: x, regex: ['{}'], maskChar: '*', percent: {{value: 100}}}}}}]}}",
        expression);
  };
  Gateway whole(options("a(?:.*b)?"));
  auto answer = whole.answer({}, cut(secret, 16'000), true);
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.body, "Internal Server Error");
  EXPECT_EQ(answer.details, "dlp_regex_too_costly");
  EXPECT_EQ(whole.harness.metrics.metric({"sluice_dlp_regex_too_costly_total", ""})->value(), 1);
  EXPECT_EQ(whole.harness.metrics.metric({"sluice_dlp_refused_total", ""})->value(), 1);

  Gateway streaming(options("a(?:.{0,1000}b)?"));
  for (const bool slowly : {false, true}) {
    answer = streaming.answer({}, cut(secret, 16'000), slowly);
    ASSERT_TRUE(answer.error);
    EXPECT_EQ(answer.error->kind, ErrorKind::limit);
    EXPECT_EQ(answer.body, std::string(answer.body.size(), '*'));
  }
  EXPECT_EQ(streaming.harness.metrics.metric({"sluice_dlp_regex_too_costly_total", ""})->value(), 2);
}

// Says one piece, then breaks off.
class BreaksOff final : public BodyReader {
 public:
  explicit BreaksOff(std::string piece) : piece_(std::move(piece)) {}
  Task<Chunk> read() override {
    if (!std::exchange(said_, true)) return Chunk{piece_, false};
    return fail(ErrorKind::invalid, "broken chunked coding", Side::upstream);
  }

 private:
  std::string piece_;
  bool said_ = false;
};

// Not the coding of the content: whoever is told so looks for the fault in the wrong place.
TEST(DlpFilter, a_body_that_breaks_off_while_it_is_waited_for_is_no_broken_coding) {
  for (const bool compressed : {false, true}) {
    Gateway gateway(kUnbounded);
    BreaksOff body(compressed ? encoded(Coding::gzip, kSecret).substr(0, 20) : std::string(kSecret));
    gateway.harness.upstream = [&](Request& request) {
      Response response = make_response(request, 200, compressed ? Fields{{"content-encoding", "gzip"}} : Fields{}, {});
      response.body = {&body, std::nullopt};
      return response;
    };
    const auto answer = gateway.harness.send({});
    ASSERT_TRUE(answer.error) << answer.body;
    EXPECT_EQ(answer.error->message, "broken chunked coding");
  }
}

TEST(DlpFilter, a_broken_compressed_body_that_was_waited_for_is_answered_502) {
  Gateway gateway(kUnbounded);
  const auto answer = gateway.answer({{"content-encoding", "gzip"}}, {"plain text"});
  EXPECT_EQ(answer.status, 502);
  EXPECT_EQ(answer.details, "dlp_broken_encoding");
}

TEST(DlpFilter, shadow_counts_and_changes_nothing) {
  Gateway gateway("dlp: {actions: [{actionType: SSN, shadow: true}]}");
  EXPECT_EQ(gateway.answer(kSecret).body, kSecret);
  EXPECT_EQ(gateway.matches("SSN"), 1);
  const std::string coded = encoded(Coding::gzip, kSecret);
  const auto answer = gateway.answer({{"content-encoding", "gzip"}}, {coded});
  EXPECT_EQ(answer.body, coded);
  EXPECT_EQ(answer.header("content-encoding"), "gzip");
  EXPECT_EQ(gateway.answer({{"content-encoding", "zstd"}}, {"x"}).status, 200);
}

// --- Levels ---

TEST(DlpFilter, the_route_replaces_the_virtual_host_and_an_empty_list_switches_off) {
  const std::string text = "123-45-6789 4111111111111111";
  Gateway inherited("{}", "dlp: {actions: [{actionType: SSN}]}");
  EXPECT_EQ(inherited.answer(text).body, "XXX-XX-X789 4111111111111111");
  Gateway replaced("dlp: {actions: [{actionType: VISA}]}", "dlp: {actions: [{actionType: SSN}]}");
  EXPECT_EQ(replaced.answer(text).body, "123-45-6789 XXXXXXXXXXXX1111");
  Gateway off("dlp: {}", "dlp: {actions: [{actionType: SSN}]}");
  EXPECT_EQ(off.answer(text).body, text);
  EXPECT_TRUE(off.harness.chain().filters.empty());
  Gateway none("{}");
  EXPECT_TRUE(none.harness.chain().filters.empty());
}

TEST(DlpFilter, stands_outermost) {
  Gateway gateway(kBuiltins);
  ASSERT_EQ(gateway.harness.chain().filters.size(), 1u);
  EXPECT_EQ(gateway.harness.chain().filters[0].stage, Stage::dlp);
}

TEST(DlpFilter, is_the_same_for_equal_options_wherever_they_stand) {
  FilterHarness gateway(dlp_filter());
  const std::string ssn = "dlp: {actions: [{actionType: SSN}]}";
  EXPECT_EQ(gateway.virtual_host(ssn), "");
  const auto inherited = gateway.chain().filters.at(0).filter;
  EXPECT_EQ(gateway.route(ssn), "");
  EXPECT_EQ(gateway.chain().filters.at(0).filter, inherited);
  EXPECT_EQ(gateway.route("dlp: {actions: [{actionType: SSN, shadow: true}]}"), "");
  EXPECT_NE(gateway.chain().filters.at(0).filter, inherited);
  gateway.body_buffer_bytes_max = 7;
  EXPECT_EQ(gateway.route(ssn), "");
  EXPECT_NE(gateway.chain().filters.at(0).filter, inherited);
}

// --- Configuration ---

TEST(DlpConfig, takes_every_type_by_name_and_by_number_and_snake_case) {
  for (const char* type : {"SSN", "MASTERCARD", "VISA", "AMEX", "DISCOVER", "JCB", "DINERS_CLUB",
                           "CREDIT_CARD_TRACKERS", "ALL_CREDIT_CARDS", "ALL_CREDIT_CARDS_COMBINED", "1"}) {
    Gateway gateway(fmt::format("dlp: {{enabledFor: RESPONSE_BODY, actions: [{{action_type: {}}}]}}", type));
    EXPECT_EQ(gateway.harness.chain().filters.size(), 1u) << type;
  }
}

TEST(DlpConfig, regex_runs_before_regex_actions) {
  Gateway gateway(
      R"(dlp: {actions: [{customAction: {regexActions: [{regex: "Xb"}], regex: ["ab?"], percent: {value: 50}}}]})");
  EXPECT_EQ(gateway.answer("ab").body, "Xb") << "half of ab, then half of Xb";
  EXPECT_EQ(gateway.matches("custom"), 2);
}

struct BadRow {
  std::string_view options;
  std::string_view says;
};

TEST(DlpConfig, refuses_what_it_cannot_do_and_says_where) {
  constexpr BadRow kRows[] = {
      {"dlp: {actions: [{actionType: KEYVALUE}]}", "dlp.actions[0].actionType: KEYVALUE is not supported yet"},
      {"dlp: {actions: [{actionType: SSN, keyValueAction: {keyToMask: a}}]}", "not supported yet"},
      {"dlp: {enabledFor: ACCESS_LOGS}", "dlp.enabledFor: ACCESS_LOGS and ALL are not supported yet"},
      {"dlp: {enabledFor: ALL, actions: [{actionType: SSN}]}", "not supported yet"},
      {"dlp: {dlpRules: []}", "not supported yet"},
      {"dlp: {actions: [{actionType: SSM}]}", "SSM"},
      {"dlp: {actions: [{actionTyp: SSN}]}", "did you mean \"actionType\""},
      {"dlp: {actions: {actionType: SSN}}", "a list"},
      {"dlp: {actions: [{}]}", "dlp.actions[0].customAction: is missing"},
      {"dlp: {actions: [{actionType: CUSTOM}]}", "is missing"},
      {"dlp: {actions: [{actionType: SSN, customAction: {name: a}}]}", "only for actionType CUSTOM"},
      {"dlp: {actions: [{customAction: {name: a}}]}", "names no expression"},
      {"dlp: {actions: [{customAction: {regexActions: [{subgroup: 1}]}}]}", "regexActions[0].regex"},
      {"dlp: {actions: [{customAction: {regexActions: [{regex: ''}]}}]}", "the regex is empty"},
      {"dlp: {actions: [{customAction: {regexActions: [{regex: 'a(?=b)'}]}}]}",
       "dlp.actions[0].customAction.regexActions[0].regex: regex `a(?=b)`: look-ahead (?= is not supported"},
      {"dlp: {actions: [{customAction: {regexActions: [{regex: '(a'}]}}]}", "missing )"},
      {"dlp: {actions: [{customAction: {regexActions: [{regex: '(a)', subgroup: 2}]}}]}", "there is no subgroup 2"},
      {"dlp: {actions: [{customAction: {regexActions: [{regex: 'a', subgroup: -1}]}}]}", "subgroup"},
      {"dlp: {actions: [{customAction: {regex: ['a', '(b)\\2']}}]}", "customAction.regex[1]: regex"},
      {"dlp: {actions: [{customAction: {regex: ['a'], maskChar: XY}}]}", "maskChar: must be a single byte"},
      {"dlp: {actions: [{customAction: {regex: ['a'], maskChar: 'é'}}]}", "maskChar: must be a single byte"},
      {"dlp: {actions: [{customAction: {regex: ['a'], percent: {value: 101}}}]}", "must be from 0 to 100"},
      {"dlp: {actions: [{customAction: {regex: ['a'], percent: {value: -0.5}}}]}", "must be from 0 to 100"},
      {"dlp: {actions: [{customAction: {regex: ['a'], percent: 50}}]}", "percent"},
  };
  for (const BadRow& row : kRows) {
    FilterHarness harness(dlp_filter());
    EXPECT_NE(harness.route(row.options).find(row.says), std::string::npos) << row.options << "\n"
                                                                            << harness.route(row.options);
  }
}

TEST(DlpConfig, is_not_supported_on_listeners_yet) {
  FilterHarness harness(dlp_filter());
  EXPECT_NE(harness.listener("dlp: {dlpRules: []}").find("not supported yet"), std::string::npos);
}

}  // namespace
}  // namespace sluice::dlp
