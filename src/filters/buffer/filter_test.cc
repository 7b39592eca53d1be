#include "filters/buffer/filter.h"

#include <gtest/gtest.h>

#include "pipeline/testing.h"

namespace sluice::buffer {
namespace {

struct Gateway {
  explicit Gateway(std::string_view listener, std::string_view host = "{}", std::string_view route = "{}") {
    EXPECT_EQ(harness.listener(listener), "");
    EXPECT_EQ(harness.virtual_host(host), "");
    EXPECT_EQ(harness.route(route), "");
    harness.upstream = [this](Request& request) {
      length = request.body.length;
      return make_response(request, 200, {}, {"ok"});
    };
  }
  uint16_t status(std::vector<std::string> pieces) {
    length.reset();
    answer = harness.send({.method = "POST", .body = std::move(pieces), .slowly = true});
    return answer.status;
  }

  FilterHarness harness{buffer_filter()};
  FilterHarness::Answer answer;
  std::optional<uint64_t> length;  // of the body as the upstream was told
};

TEST(BufferFilter, gives_the_upstream_a_body_that_is_whole) {
  Gateway gateway("buffer: {maxRequestBytes: 6}");
  EXPECT_EQ(gateway.status({"ab", "cd", "ef"}), 200);
  EXPECT_EQ(gateway.answer.upstream_body, "abcdef");
  EXPECT_EQ(gateway.length, 6U);
}

TEST(BufferFilter, refuses_a_body_that_is_longer) {
  Gateway gateway("buffer: {maxRequestBytes: 5}");
  EXPECT_EQ(gateway.status({"ab", "cd", "ef"}), 413);
  EXPECT_EQ(gateway.answer.details, "request_payload_too_large");
  EXPECT_FALSE(gateway.answer.reached_upstream);
}

TEST(BufferFilter, is_not_in_the_way_of_requests_without_a_body) {
  Gateway gateway("buffer: {maxRequestBytes: 5}");
  EXPECT_EQ(gateway.status({}), 200);
  EXPECT_FALSE(gateway.length);
}

TEST(BufferFilter, has_the_limit_of_the_most_specific_level) {
  constexpr std::string_view kBase = "buffer: {maxRequestBytes: 1}";
  constexpr std::string_view kSix = "bufferPerRoute: {buffer: {maxRequestBytes: 6}}",
                             kOff = "bufferPerRoute: {disabled: true}";
  EXPECT_EQ(Gateway(kBase).status({"abcdef"}), 413);
  EXPECT_EQ(Gateway(kBase, kSix).status({"abcdef"}), 200);
  EXPECT_EQ(Gateway(kBase, kSix).status({"abcdefg"}), 413);
  EXPECT_EQ(Gateway(kBase, kSix, "bufferPerRoute: {buffer: {maxRequestBytes: 2}}").status({"abcdef"}), 413);
  EXPECT_TRUE(Gateway(kBase, kSix, kOff).harness.chain().filters.empty());
}

TEST(BufferFilter, is_in_no_chain_without_the_gateways_word) {
  EXPECT_TRUE(Gateway("{}", "bufferPerRoute: {buffer: {maxRequestBytes: 6}}").harness.chain().filters.empty());
}

TEST(BufferFilter, says_that_a_level_has_no_effect_without_the_gateways_word) {
  FilterHarness harness(buffer_filter());
  EXPECT_EQ(harness.virtual_host("bufferPerRoute: {buffer: {maxRequestBytes: 6}}"), "");
  EXPECT_EQ(harness.route("bufferPerRoute: {disabled: true}"), "");  // nothing is what it gets
  EXPECT_TRUE(harness.chain().filters.empty());
  ASSERT_EQ(harness.without_effect.size(), 1U);
  EXPECT_TRUE(harness.without_effect[0].starts_with("bufferPerRoute: has no httpGateway.options.buffer"));
}

TEST(BufferConfig, refuses_what_means_nothing) {
  FilterHarness harness(buffer_filter());
  EXPECT_TRUE(harness.listener("buffer: {}").contains("buffer.maxRequestBytes: is required"));
  EXPECT_TRUE(harness.listener("buffer: {maxRequestBytes: 0}")
                  .contains("buffer.maxRequestBytes: must be from 1 to 4294967295, not 0"));
  EXPECT_TRUE(harness.route("bufferPerRoute: {}").contains("one of disabled, buffer must be set"));
  EXPECT_TRUE(harness.route("bufferPerRoute: {disabled: false}").contains("bufferPerRoute.disabled: must be true"));
  EXPECT_TRUE(harness.route("bufferPerRoute: {disabled: true, buffer: {maxRequestBytes: 1}}").contains("only one of"));
}

}  // namespace
}  // namespace sluice::buffer
