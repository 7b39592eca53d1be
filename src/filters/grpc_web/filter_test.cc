#include "filters/grpc_web/filter.h"

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "filters/grpc_web/web_body.h"
#include "http/grpc_testing.h"
#include "pipeline/testing.h"

namespace sluice::grpc_web {
namespace {

using grpc::framed;
using grpc::TrailingBody;

struct World {
  World() {
    EXPECT_EQ(gateway.listener("{}"), "");
    gateway.upstream = [this](Request& request) {
      seen_type = request.headers.get(Known::content_type).value_or("");
      seen_length = request.headers.has(Known::content_length);
      seen_grpc = request.grpc && request.accepts_trailers;
      for (const char* name : keeps) request.keep_from_response_trailers(name);
      Response response = make_response(request, 200, {{"content-type", "application/grpc"}}, pieces, slowly);
      auto* trailers = request.arena.make<Headers>(request.arena);
      for (const auto& [name, value] : said) trailers->add(name, value);
      if (response.body.reader)
        response.body.reader = request.arena.make<TrailingBody>(*response.body.reader, trailers);
      return response;
    };
  }
  FilterHarness::Answer send(std::string type, std::vector<std::string> body, std::string accept = "*/*") {
    return gateway.send({.method = "POST",
                         .headers = {{"content-type", std::move(type)}, {"accept", std::move(accept)}},
                         .body = std::move(body),
                         .slowly = slowly});
  }

  FilterHarness gateway{grpc_web_filter()};
  std::vector<std::string> pieces{framed("back")};
  std::vector<std::pair<const char*, const char*>> said{{"grpc-status", "0"}, {"x-t", "1"}};
  std::vector<const char*> keeps;
  bool slowly = false;
  std::string seen_type;
  bool seen_length = false;
  bool seen_grpc = false;
};

const std::string kTrailing = framed("grpc-status:0\r\nx-t:1\r\n", grpc::kTrailers);

TEST(GrpcWeb, becomes_gRPC_and_its_trailers_the_last_frame) {
  for (const std::string suffix : {"", "+proto"}) {
    for (const bool slowly : {false, true}) {
      World world;
      world.slowly = slowly;
      const auto answer =
          world.send("application/grpc-web" + suffix, {framed("hi").substr(0, 3), framed("hi").substr(3)});
      EXPECT_EQ(world.seen_type, "application/grpc");
      EXPECT_TRUE(world.seen_grpc);
      EXPECT_EQ(answer.upstream_body, framed("hi"));
      EXPECT_EQ(answer.header("content-type"), "application/grpc-web+proto");
      EXPECT_EQ(answer.header("content-length"), std::nullopt);
      EXPECT_EQ(answer.body, framed("back") + kTrailing);
    }
  }
}

TEST(GrpcWeb, as_text_is_Base64_both_ways_message_by_message) {
  World world;
  world.pieces = {framed("a"), framed("bc") + framed("def").substr(0, 6), framed("def").substr(6)};
  world.slowly = true;
  const std::string asked = base64_encode(framed("hi")) + base64_encode(framed("there"));
  const auto answer =
      world.send("application/grpc-web-text", {asked.substr(0, 3), asked.substr(3, 6), asked.substr(9)});
  EXPECT_EQ(answer.upstream_body, framed("hi") + framed("there"));
  EXPECT_FALSE(world.seen_length);
  EXPECT_EQ(answer.header("content-type"), "application/grpc-web-text+proto");
  EXPECT_EQ(answer.body, base64_encode(framed("a")) + base64_encode(framed("bc")) + base64_encode(framed("def")) +
                             base64_encode(kTrailing));
}

TEST(GrpcWeb, is_answered_in_the_form_that_accept_asks_for) {
  World world;
  auto answer = world.send("application/grpc-web", {framed("hi")}, "application/grpc-web-text");
  EXPECT_EQ(answer.body, base64_encode(framed("back")) + base64_encode(kTrailing));
  answer = world.send("application/grpc-web-text", {base64_encode(framed("hi"))}, "application/grpc-web+proto");
  EXPECT_EQ(answer.body, framed("back") + kTrailing);
}

TEST(GrpcWeb, passes_long_messages_through_a_small_buffer) {
  World world;
  std::string message(100'000, 'x');
  for (size_t i = 0; i < message.size(); ++i) message[i] = static_cast<char>(i * 7);
  world.pieces = {framed(message)};
  for (int i = 0; i < 5'000; ++i) world.pieces[0] += framed("");
  const auto answer = world.send("application/grpc-web-text", {base64_encode(framed(message))});
  EXPECT_EQ(answer.upstream_body, framed(message));
  std::string wanted = base64_encode(framed(message));
  for (int i = 0; i < 5'000; ++i) wanted += base64_encode(framed(""));
  EXPECT_EQ(answer.body, wanted + base64_encode(kTrailing));
}

// In one piece, byte by byte, and behind what was good.
TEST(GrpcWeb, refuses_text_that_is_no_Base64) {
  struct Row {
    std::string_view text;
    bool good;
  };
  for (const auto& [text, good] :
       {Row{"AAAA", true}, Row{"AA==", true}, Row{"AAA=AAA=", true}, Row{"AAA", false}, Row{"AA*A", false},
        Row{"A===", false}, Row{"====", false}, Row{"AAAAA", false}, Row{"AA=A", false}, Row{"AB==", false},
        Row{"AAB=", false}, Row{"AA==A", false}, Row{"AA-_", false}, Row{"AA AA", false}})
    for (const std::string_view before : {"", "AAAA", "AAA="})
      for (const bool in_bytes : {false, true}) {
        World world;
        const std::string all = std::string(before).append(text);
        std::vector<std::string> pieces;
        for (const char c : all) pieces.emplace_back(1, c);
        if (!in_bytes) pieces = {all};
        world.slowly = in_bytes;
        const auto answer = world.send("application/grpc-web-text", pieces);
        ASSERT_EQ(answer.error.has_value(), !good) << all;
        if (good) continue;
        EXPECT_EQ(answer.error->kind, ErrorKind::invalid) << all;
        EXPECT_EQ(answer.error->side, Side::downstream) << all;
      }
}

TEST(GrpcWeb, leaves_a_status_in_the_head_and_answers_that_are_no_gRPC) {
  World world;
  world.gateway.upstream = [](Request& request) {
    return make_response(request, 200, {{"content-type", "application/grpc"}, {"grpc-status", "5"}}, {});
  };
  auto answer = world.send("application/grpc-web", {framed("hi")});
  EXPECT_EQ(answer.header("grpc-status"), "5");
  EXPECT_EQ(answer.header("content-type"), "application/grpc-web+proto");
  EXPECT_EQ(answer.body, "");
  world.gateway.upstream = [](Request& request) {
    return make_response(request, 503, {{"content-type", "text/plain"}}, {"busy"});
  };
  answer = world.send("application/grpc-web", {framed("hi")});
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.body, "busy");
  EXPECT_EQ(answer.header("content-type"), "text/plain");
}

TEST(GrpcWeb, gets_the_gateways_own_answers_as_statuses) {
  World world;
  world.gateway.upstream = [](Request& request) { return reply(request, OutcomeKind::no_healthy_upstream); };
  const auto answer = world.send("application/grpc-web", {framed("hi")});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.header("grpc-status"), "14");
  EXPECT_EQ(answer.header("grpc-message"), "no healthy upstream");
  EXPECT_EQ(answer.header("content-type"), "application/grpc-web+proto");
}

// Also by whoever answers when the request has left the chain.
TEST(GrpcWeb, has_the_gateways_own_answers_in_the_form_that_is_wanted) {
  const std::tuple<const char*, const char*, const char*> rows[] = {
      {"application/grpc-web", "*/*", "application/grpc-web+proto"},
      {"application/grpc-web-text", "*/*", "application/grpc-web-text+proto"},
      {"application/grpc-web", "application/grpc-web-text", "application/grpc-web-text+proto"},
      {"application/grpc", "*/*", "application/grpc"},
  };
  for (const auto& [type, accept, own] : rows) {
    World world;
    std::string said;
    world.gateway.upstream = [&said](Request& request) {
      said = request.grpc_type;
      return reply(request, OutcomeKind::no_healthy_upstream);
    };
    world.send(type, {base64_encode(framed("hi"))}, accept);
    EXPECT_EQ(said, own) << type << ' ' << accept;
  }
}

TEST(GrpcWeb, says_no_trailers_that_are_not_the_upstreams_to_say) {
  World world;
  world.keeps = {"x-t"};
  EXPECT_EQ(world.send("application/grpc-web", {framed("hi")}).body,
            framed("back") + framed("grpc-status:0\r\n", grpc::kTrailers));
  world.said.clear();
  EXPECT_EQ(world.send("application/grpc-web", {framed("hi")}).body, framed("back"));
}

TEST(GrpcWeb, is_left_alone_where_it_is_disabled_and_so_is_everything_else) {
  World world;
  for (const char* type : {"application/grpc", "application/grpc+proto", "application/json", "application/grpc-webx"}) {
    const auto answer = world.send(type, {"hi"});
    EXPECT_EQ(world.seen_type, type);
    EXPECT_EQ(answer.body, framed("back"));
  }
  ASSERT_EQ(world.gateway.listener("grpcWeb: {disable: true}"), "");
  EXPECT_EQ(world.gateway.chain().filters.size(), 0U);
  world.send("application/grpc-web", {"hi"});
  EXPECT_EQ(world.seen_type, "application/grpc-web");
  ASSERT_EQ(world.gateway.listener("grpcWeb: {disable: false}"), "");
  EXPECT_EQ(world.gateway.chain().filters.size(), 1U);
}

}  // namespace
}  // namespace sluice::grpc_web
