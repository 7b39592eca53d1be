#include "filters/compression/filter.h"

#include <gtest/gtest.h>

#include "engines/coding/decoder.h"
#include "pipeline/rerouting.h"
#include "pipeline/testing.h"

namespace sluice::compression {
namespace {

using coding::Coding;
using Fields = std::vector<std::pair<std::string, std::string>>;

const std::string kPage(1000, 'a');
const Fields kText{{"content-type", "text/plain"}};

std::string decoded(Coding coding, std::string_view bytes) {
  auto decoder = coding::Decoder::create(std::span(&coding, 1));
  std::string out, buffer(4096, '\0');
  for (;;) {
    const auto more = decoder->decode(bytes, buffer);
    if (!more || *more == 0) break;
    out.append(buffer, 0, *more);
  }
  EXPECT_TRUE(decoder->finish());
  return out;
}

struct Gateway {
  explicit Gateway(std::string_view options = "gzip: {}", std::optional<kinds::Brotli> brotli = {}) {
    harness.settings.brotli = brotli;
    EXPECT_EQ(harness.listener(options), "");
  }

  const FilterHarness::Answer& answer(const Fields& asked, const Fields& headers = kText,
                                      const std::vector<std::string>& pieces = {kPage}, bool with_length = true,
                                      uint16_t status = 200, std::string method = "GET") {
    harness.upstream = [=, this](Request& request) {
      upstream_saw = std::string(request.headers.joined("accept-encoding").value_or("nothing"));
      return make_response(request, status, headers, pieces, false, with_length);
    };
    last = harness.send({.method = std::move(method), .headers = asked});
    return last;
  }
  // How the response is coded that is asked for so.
  std::string coding_of(const Fields& asked, const Fields& headers = kText,
                        const std::vector<std::string>& pieces = {kPage}, bool with_length = true,
                        uint16_t status = 200, std::string method = "GET") {
    return answer(asked, headers, pieces, with_length, status, std::move(method))
        .header("content-encoding")
        .value_or("");
  }
  int64_t count(std::string_view name) {
    for (const Metrics::Family& family : harness.metrics.collect())
      if (family.name == name) return static_cast<int64_t>(family.samples[0].value);
    return -1;
  }

  FilterHarness harness{compression_filter()};
  FilterHarness::Answer last;
  std::string upstream_saw;
};

const Fields kGzip{{"accept-encoding", "gzip"}};

TEST(Compression, sends_a_body_that_is_the_same_and_says_so) {
  Gateway gateway;
  const auto& answer = gateway.answer(
      kGzip, {{"content-type", "text/plain; charset=utf-8"}, {"accept-ranges", "bytes"}, {"etag", "\"a\""}});
  EXPECT_EQ(answer.header("content-encoding"), "gzip");
  EXPECT_EQ(answer.header("vary"), "accept-encoding");
  EXPECT_EQ(answer.header("etag"), "W/\"a\"");
  EXPECT_FALSE(answer.header("content-length"));
  EXPECT_FALSE(answer.header("accept-ranges"));
  EXPECT_LT(answer.body.size(), 100U);
  EXPECT_EQ(decoded(Coding::gzip, answer.body), kPage);
  EXPECT_EQ(gateway.count("envoy_http_gzip_compressed"), 1);
  EXPECT_EQ(gateway.count("envoy_http_gzip_total_uncompressed_bytes"), 1000);
  EXPECT_EQ(gateway.count("envoy_http_gzip_total_compressed_bytes"), static_cast<int64_t>(answer.body.size()));
}

TEST(Compression, is_the_clients_choice) {
  Gateway both("gzip: {}", kinds::Brotli{}), brotli("{}", kinds::Brotli{}), gzip;
  const auto asks = [](std::string_view what) { return Fields{{"accept-encoding", std::string(what)}}; };
  EXPECT_EQ(both.coding_of(asks("gzip, br")), "br");
  EXPECT_EQ(decoded(Coding::brotli, both.last.body), kPage);
  EXPECT_EQ(both.count("sluice_brotli_compressed_total"), 1);
  EXPECT_EQ(both.count("sluice_brotli_uncompressed_bytes_total"), 1000);
  EXPECT_EQ(both.coding_of(asks("gzip, br;q=0.9")), "gzip");
  EXPECT_EQ(both.coding_of(asks("identity")), "");
  EXPECT_EQ(both.last.header("vary"), "accept-encoding") << "another client gets it otherwise";
  EXPECT_EQ(both.last.body, kPage);
  EXPECT_EQ(gzip.coding_of(asks("br")), "");
  EXPECT_EQ(brotli.coding_of(asks("gzip")), "");
  EXPECT_EQ(brotli.coding_of(asks("br")), "br");
  EXPECT_EQ(gzip.coding_of({}), "");
  EXPECT_EQ(gzip.count("envoy_http_gzip_no_accept_header"), 1);
  EXPECT_EQ(gzip.count("envoy_http_gzip_not_compressed"), 2);
}

TEST(Compression, leaves_alone_what_is_not_to_be_compressed) {
  Gateway gateway;
  const auto with = [](std::string_view name, std::string_view value) {
    Fields out = kText;
    out.emplace_back(name, value);
    return out;
  };
  const std::string of_29(29, 'a'), of_30(30, 'a');
  EXPECT_EQ(gateway.coding_of(kGzip, kText, {of_29}), "");
  EXPECT_EQ(gateway.count("envoy_http_gzip_content_length_too_small"), 1);
  EXPECT_FALSE(gateway.last.header("vary"));
  EXPECT_EQ(gateway.coding_of(kGzip, kText, {of_30}), "gzip");
  EXPECT_EQ(gateway.coding_of(kGzip, kText, {"a"}, false), "gzip") << "its length is not known";
  EXPECT_EQ(gateway.coding_of(kGzip, {}), "gzip") << "it has no type";
  EXPECT_EQ(gateway.coding_of(kGzip, {{"content-type", "image/png"}}), "");
  EXPECT_EQ(gateway.coding_of(kGzip, {{"content-type", "Text/HTML;charset=x"}}), "gzip");
  EXPECT_EQ(gateway.coding_of(kGzip, with("content-encoding", "br")), "br");
  EXPECT_EQ(gateway.last.body, kPage);
  EXPECT_EQ(gateway.coding_of(kGzip, with("cache-control", "public, No-Transform")), "");
  EXPECT_EQ(gateway.coding_of(kGzip, with("content-digest", "x")), "");
  EXPECT_EQ(gateway.coding_of(kGzip, with("digest", "x")), "");
  EXPECT_EQ(gateway.coding_of(kGzip, kText, {kPage}, true, 206), "");
  EXPECT_EQ(gateway.coding_of(kGzip, kText, {kPage}, true, 404), "gzip");
  EXPECT_EQ(gateway.coding_of(kGzip, kText, {}, true, 204), "");
  EXPECT_EQ(gateway.coding_of(kGzip, kText, {kPage}, true, 200, "HEAD"), "");
}

TEST(Compression, keeps_what_vary_and_etag_say) {
  Gateway gateway;
  const auto vary = [&](std::string_view upstreams) {
    return *gateway.answer(kGzip, {{"content-type", "text/plain"}, {"vary", std::string(upstreams)}}).header("vary");
  };
  EXPECT_EQ(vary("origin"), "origin, accept-encoding");
  EXPECT_EQ(vary("Origin, Accept-Encoding"), "Origin, Accept-Encoding");
  EXPECT_EQ(vary("*"), "*");
  EXPECT_EQ(gateway.answer(kGzip, {{"etag", "W/\"a\""}}).header("etag"), "W/\"a\"");
}

TEST(Compression, does_as_it_is_told) {
  Gateway listed(
      "gzip: {contentType: [image/x], contentLength: 100, disableOnEtagHeader: true, removeAcceptEncodingHeader: "
      "true}");
  const Fields image{{"content-type", "image/x"}};
  EXPECT_EQ(listed.coding_of(kGzip, image), "gzip");
  EXPECT_EQ(listed.upstream_saw, "nothing");
  EXPECT_EQ(listed.coding_of(kGzip), "");
  EXPECT_EQ(listed.coding_of(kGzip, image, {std::string(99, 'a')}), "");
  EXPECT_EQ(listed.coding_of(kGzip, {{"content-type", "image/x"}, {"etag", "\"a\""}}), "");
  EXPECT_EQ(listed.last.header("etag"), "\"a\"");
  EXPECT_EQ(listed.count("envoy_http_gzip_not_compressed_etag"), 1);
  Gateway usual;
  usual.coding_of(kGzip);
  EXPECT_EQ(usual.upstream_saw, "gzip");

  std::string text;
  for (unsigned i = 0; text.size() < 100'000; ++i) text += std::to_string(i * 2654435761U) + " and so on, ";
  const auto bytes = [&](std::string_view options) {
    Gateway gateway(options);
    const auto& answer = gateway.answer(kGzip, kText, {text});
    EXPECT_EQ(decoded(Coding::gzip, answer.body), text);
    return answer.body.size();
  };
  const size_t usually = bytes("gzip: {}");
  EXPECT_LT(bytes("gzip: {compressionLevel: BEST}"), usually);
  EXPECT_GT(bytes("gzip: {compressionLevel: SPEED}"), usually);
  EXPECT_GT(bytes("gzip: {compressionStrategy: HUFFMAN}"), usually);
  EXPECT_NE(bytes("gzip: {compressionStrategy: RLE}"), usually);
  EXPECT_LT(bytes("gzip: {windowBits: 15}"), usually);
  EXPECT_NE(bytes("gzip: {memoryLevel: 1}"), usually);
}

TEST(Compression, has_brotlis_quality_and_window_as_they_are_set) {
  std::string text;
  for (unsigned i = 0; text.size() < 100'000; ++i) text += std::to_string(i * 2654435761U) + " and so on, ";
  text += text;  // what a window of less than 100,000 bytes does not see
  const auto bytes = [&](kinds::Brotli brotli) {
    Gateway gateway("{}", brotli);
    const auto& answer = gateway.answer({{"accept-encoding", "br"}}, kText, {text});
    EXPECT_EQ(decoded(Coding::brotli, answer.body), text);
    return answer.body.size();
  };
  EXPECT_LT(bytes({.quality = 5}), bytes({.quality = 0}));
  EXPECT_LT(bytes({.quality = 5, .window_bits = 18}), bytes({.quality = 5, .window_bits = 12}) * 3 / 4);
}

// Gives its pieces when it is let.
class Slow final : public BodyReader {
 public:
  Slow(Loop& loop, Event& go) : loop_(loop), go_(go) {}
  Task<Chunk> read() override {
    auto waiting = go_.wait(loop_);
    CO_TRY(co_await waiting);
    co_return Chunk{text_, ++given_ == 3};
  }

 private:
  Loop& loop_;
  Event& go_;
  char text_[10] = {'d', 'a', 't', 'a', ':', ' ', 'x', '\n', '\n', ' '};
  int given_ = 0;
};

TEST(CompressedBody, lets_out_what_came_while_the_rest_is_waited_for) {
  Loop loop;
  loop.use_manual_clock(SteadyTime(1s), {});
  Event go;
  Metrics metrics(1);
  const Counters counters(metrics);
  std::string buffer(CompressedBody::kBufferBytes, '\0');
  for (const bool brotli : {false, true}) {
    Slow inner(loop, go);
    CompressedBody body(inner, brotli ? *coding::make_brotli_encoder({}) : *coding::make_gzip_encoder({}), nullptr,
                        counters.gzip_bytes, buffer);
    std::string out;
    int pieces = 0;
    bool done = false;
    const auto read = [&]() -> Task<void> {
      for (bool last = false; !last;) {
        auto reading = body.read();
        const Chunk chunk = CO_TRY(co_await reading);
        out.append(chunk.bytes.data(), chunk.bytes.size());
        last = chunk.last;
        ++pieces;
      }
      done = true;
      co_return Status{};
    };
    Runner runner(nullptr, [](void*, Result<void>) {});
    runner.start(read());
    for (int i = 1; i <= 3; ++i) {
      go.notify(loop);
      for (int turns = 0; turns < 10; ++turns) loop.advance(1ms);
      EXPECT_EQ(pieces, i);
    }
    ASSERT_TRUE(done);
    EXPECT_EQ(decoded(brotli ? Coding::brotli : Coding::gzip, out).size(), 30U);
  }
}

TEST(Compression, of_many_pieces_and_long_bodies_is_whole) {
  std::vector<std::string> pieces;
  std::string text;
  for (unsigned i = 0; i < 3000; ++i) {
    pieces.push_back(std::to_string(i * 2654435761U) + std::string(i % 97, 'x'));
    text += pieces.back();
  }
  for (const bool brotli : {false, true}) {
    Gateway gateway(brotli ? "{}" : "gzip: {}", brotli ? std::optional(kinds::Brotli{}) : std::nullopt);
    const auto& answer = gateway.answer({{"accept-encoding", brotli ? "br" : "gzip"}}, kText, pieces, false);
    EXPECT_EQ(decoded(brotli ? Coding::brotli : Coding::gzip, answer.body), text);
  }
}

// Wherever the buffer's end falls: a flush into the last few bytes of it would be one more mark than is needed.
TEST(CompressedBody, is_whole_with_any_buffer) {
  Loop loop;
  loop.use_manual_clock(SteadyTime(1s), {});
  Metrics metrics(1);
  const Counters counters(metrics);
  std::vector<std::string> pieces;
  std::string text;
  for (unsigned i = 0; i < 40; ++i) text += pieces.emplace_back(std::to_string(i * 2654435761U));
  for (size_t room = coding::Encoder::kRoomMin; room < 80; ++room) {
    PiecesBody inner(loop, pieces, true);
    std::string buffer(room, '\0'), out;
    CompressedBody body(inner, *coding::make_gzip_encoder({}), nullptr, counters.gzip_bytes, buffer);
    bool done = false;
    const auto read = [&]() -> Task<void> {
      for (bool last = false; !last;) {
        auto reading = body.read();
        const Chunk chunk = CO_TRY(co_await reading);
        out.append(chunk.bytes.data(), chunk.bytes.size());
        last = chunk.last;
      }
      done = true;
      co_return Status{};
    };
    Runner runner(nullptr, [](void*, Result<void>) {});
    runner.start(read());
    for (int turns = 0; !done && turns < 1000; ++turns) loop.advance(1ms);
    ASSERT_TRUE(done) << room;
    EXPECT_EQ(decoded(Coding::gzip, out), text) << room;
  }
}

TEST(Compression, is_left_out_when_bodies_may_take_no_more_memory) {
  Metrics metrics(1);
  BodyBudget budget(100'000, metrics);
  Loop loop;
  const kinds::ProxySettings settings;
  KeptState kept;
  OptionSet listener;
  listener.set("gzip", Options{});
  const auto filters = compression_filter().build(
      {.listener = &listener, .settings = &settings, .body_budget = &budget, .metrics = &metrics, .kept = &kept});
  ASSERT_EQ(filters->size(), 1U);
  struct Page final : Service {
    Task<Response> handle(Request& request) const override {
      return make_response(request, 200, {{"content-type", "text/plain"}}, {kPage});
    }
  };
  const Chain chain{.filters = *filters, .terminal = std::make_shared<Page>()};
  std::vector<std::unique_ptr<Arena>> arenas;
  int compressed = 0;
  for (int i = 0; i < 5; ++i) {
    Arena& arena = *arenas.emplace_back(std::make_unique<Arena>());
    StreamInfo info;
    Request request(arena, loop, info);
    request.headers.add(Known::accept_encoding, "gzip");
    request.route.chain = &chain;
    auto answering = run_chain(request);
    ASSERT_TRUE(answering.ready());
    const auto response = answering.take();
    ASSERT_TRUE(response);
    compressed += response->headers->has(Known::content_encoding);
  }
  EXPECT_EQ(compressed, 1);  // 56 KiB and 64 KiB for it
  EXPECT_EQ(metrics.metric({"sluice_compression_no_memory_total", ""})->value(), 4);
}

// What masks bodies would else have to undo it.
TEST(Compression, comes_last_also_when_the_route_was_chosen_again) {
  Gateway gateway;
  gateway.answer(kGzip);
  const Chain chain = gateway.harness.chain();
  Loop loop;
  Arena arena;
  StreamInfo info;
  Request request(arena, loop, info);
  request.headers.add(Known::accept_encoding, "gzip");
  Chain other = chain;
  struct Page final : Service {
    Task<Response> handle(Request& request) const override {
      return make_response(request, 200, {{"content-type", "text/plain"}}, {kPage});
    }
  };
  struct Onward final : Filter {
    explicit Onward(const Chain& t) : to(t) {}
    Task<Response> handle(Request& request, Next next) const override {
      request.route.chain = &to;
      return next(request);
    }
    const Chain& to;
  };
  struct Sees final : Filter {
    Task<Response> handle(Request& request, Next next) const override {
      auto rest = next(request);
      Response response = CO_TRY(co_await rest);
      saw = std::string(response.headers->get(Known::content_encoding).value_or("nothing"));
      co_return response;
    }
    mutable std::string saw;
  };
  const auto sees = std::make_shared<Sees>();
  other.filters.push_back({Stage::dlp, sees});
  other.terminal = std::make_shared<Page>();
  Chain first = chain;
  first.filters.push_back({Stage::cors, std::make_shared<Onward>(other)});
  request.route.chain = &first;
  auto handling = [&]() -> Task<Response> {
    auto running = run_chain(request);
    const Response response = CO_TRY(co_await running);
    EXPECT_NE(request.rerouting, nullptr);
    auto finishing = finish_rerouted(request, response);
    co_return co_await finishing;
  };
  std::optional<std::string> coding;
  auto run = [&]() -> Task<void> {
    auto task = handling();
    const Response response = CO_TRY(co_await task);
    coding = response.headers->get(Known::content_encoding).value_or("nothing");
    co_return Status{};
  };
  Runner runner(nullptr, [](void*, Result<void>) {});
  runner.start(run());
  EXPECT_EQ(sees->saw, "nothing");
  EXPECT_EQ(coding, "gzip");
}

TEST(CompressionConfig, refuses_what_is_out_of_range) {
  FilterHarness harness(compression_filter());
  struct Row {
    std::string_view options, said;
  };
  std::string many = "gzip: {contentType: [";
  for (int i = 0; i < 51; ++i) many += "a,";
  many += "]}";
  for (const Row& row : {Row{"gzip: {contentLength: 29}", "gzip.contentLength: must be from 30 to 4294967295, not 29"},
                         Row{"gzip: {memoryLevel: 0}", "gzip.memoryLevel: must be from 1 to 9, not 0"},
                         Row{"gzip: {memoryLevel: 10}", "gzip.memoryLevel: must be"},
                         Row{"gzip: {windowBits: 8}", "gzip.windowBits: must be from 9 to 15, not 8"},
                         Row{"gzip: {windowBits: 16}", "gzip.windowBits: must be"},
                         Row{"gzip: {compressionLevel: FAST}", "gzip.compressionLevel: expected one of DEFAULT"},
                         Row{"gzip: {compressionStrategy: FIXED}", "gzip.compressionStrategy: expected one of"},
                         Row{many, "gzip.contentType: must have at most 50 entries"}})
    EXPECT_TRUE(harness.listener(row.options).contains(row.said)) << harness.listener(row.options);
}

}  // namespace
}  // namespace sluice::compression
