#include "serve/request_setup.h"

#include <gtest/gtest.h>

#include "http/h1/server_session.h"
#include "io/testing.h"
#include "net/memory_stream.h"

namespace sluice {
namespace {

// A head and the request that is made from it.
struct Prepared {
  Prepared(std::string head_text, const ListenerConfig& config) : text(std::move(head_text)) {
    StreamPair ends = memory_streams(loop);
    const iovec part{text.data(), text.size()};
    CHECK(ends.upstream->try_write(std::span(&part, 1)));
    session = h1::make_server_session(std::move(ends.downstream));
    client = std::move(ends.upstream);
    settle(loop);
    auto coming = [&]() -> Task<void> {
      auto next = session->next({.head = config.limits}, arena);
      stream = CO_TRY(co_await next);
      co_return Status{};
    };
    Runner runner(nullptr, [](void*, Result<void>) {});
    runner.start(coming());
    CHECK(stream != nullptr);
    failure = set_up_request(stream->request(), config, *SocketAddress::parse("203.0.113.7", 4711), request);
  }

  std::string names() const {
    std::string out;
    for (const HeaderField& field : request.headers) (out += out.empty() ? "" : " ") += field.name;
    return out;
  }

  std::string text;
  Loop loop;
  std::unique_ptr<Stream> client;
  std::unique_ptr<ServerSession> session;
  Arena arena;
  ServerStreamPtr stream;
  StreamInfo info;
  Request request{arena, loop, info};
  OutcomeKind failure = OutcomeKind::none;
};

TEST(Path, is_normalised_and_merged_each_only_when_asked_for) {
  struct Row {
    std::string_view asked, untouched_but_for_slashes, normalised, both;
  };
  const Row rows[] = {
      {"/a/b?c", "/a/b?c", "/a/b?c", "/a/b?c"},
      {"/a//b///c?x//y/../z", "/a/b/c?x//y/../z", "/a//b///c?x//y/../z", "/a/b/c?x//y/../z"},
      {"//", "/", "//", "/"},
      {"/a//", "/a/", "/a//", "/a/"},
      {"/a/./b/../c", "/a/./b/../c", "/a/c", "/a/c"},
      {"/%61/%2F%2f", "/%61/%2F%2f", "/a/%2F%2f", "/a/%2F%2f"},
      {"/a\\b\\..\\c", "/a\\b\\..\\c", "/a/c", "/a/c"},
      {"/a\\/b", "/a\\/b", "/a//b", "/a/b"},
      {"/a//../b", "/a/../b", "/a/b", "/a/b"},  // the empty segment is the one above
      {"/a//%2e%2e/b", "/a/%2e%2e/b", "/a/b", "/a/b"},
      {"/../..//a/..", "/../../a/..", "//", "/"},
      {"/a/;x=1/b", "/a/b", "/a/;x=1/b", "/a/b"},  // an empty segment, too, to a servlet container
      {"/;/a/%3bx//;y", "/a/;y", "/;/a/%3bx//;y", "/a/;y"},
      {"/;x", "/;x", "/;x", "/;x"},
  };
  for (const Row& row : rows)
    for (const bool normalize : {false, true})
      for (const bool merge : {false, true}) {
        const ListenerConfig config{.normalize_path = normalize, .merge_slashes = merge};
        const Prepared done(fmt::format("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", row.asked), config);
        ASSERT_EQ(done.failure, OutcomeKind::none) << row.asked;
        EXPECT_EQ(done.request.path,
                  normalize ? (merge ? row.both : row.normalised) : (merge ? row.untouched_but_for_slashes : row.asked))
            << row.asked << " " << normalize << merge;
        EXPECT_EQ(done.info.original_path, row.asked);
      }
}

TEST(Path, of_the_whole_server_stays) {
  const Prepared done("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", {.merge_slashes = true});
  EXPECT_EQ(done.request.path, "*");
}

TEST(GatewayFields, of_other_gateways_are_never_taken_from_clients) {
  const std::string head =
      "GET / HTTP/1.1\r\nHost: h\r\nX-Envoy-Internal: true\r\nX-Envoy-External-Address: 10.0.0.1\r\n"
      "x-envoy-attempt-count: 1\r\nx-envoy-upstream-rq-timeout-ms: 1\r\nx-envoy-upstream-rq-per-try-timeout-ms: 1\r\n"
      "x-envoy-expected-rq-timeout-ms: 1\r\nx-envoy-retry-on: 5xx\r\nx-envoy-max-retries: 9\r\n"
      "x-envoy-force-trace: 1\r\nx-envoy-decorator-operation: o\r\nx-envoy-original-path: /p\r\nx-envoy-new: 1\r\n"
      "X-Forwarded-Client-Cert: Subject=\"CN=admin\"\r\nx-mine: 1\r\n\r\n";
  const Prepared edge(head, {.generate_request_id = false, .use_remote_address = true});
  EXPECT_EQ(edge.names(), "x-mine x-forwarded-for x-forwarded-proto");
  const Prepared behind_another(head, {.generate_request_id = false, .use_remote_address = true, .trusted_hops = 1});
  EXPECT_EQ(behind_another.names(), "x-mine x-forwarded-for x-forwarded-proto");
  const Prepared inside(head, {.generate_request_id = false});
  EXPECT_EQ(inside.names(), "x-mine x-forwarded-proto");
}

TEST(GatewayFields, are_not_imitated_by_other_spellings) {
  const std::string head =
      "GET / HTTP/1.1\r\nHost: h\r\nX_Forwarded_For: 10.0.0.1\r\nx-forwarded_proto: https\r\nx_envoy_internal: true\r\n"
      "x_request_id: 1\r\nX_Mine: 1\r\nx_forwarded: 1\r\nContent_Length: 30\r\ntransfer_encoding: chunked\r\n"
      "Keep_Alive: 1\r\nproxy_connection: close\r\nhttp2_settings: x\r\nproxy_authorization: x\r\n\r\n";
  for (const bool edge : {false, true}) {
    const Prepared done(head, {.generate_request_id = false, .use_remote_address = edge});
    EXPECT_EQ(done.names(),
              edge ? "x_mine x_forwarded x-forwarded-for x-forwarded-proto" : "x_mine x_forwarded x-forwarded-proto");
  }
}

TEST(GatewayFields, cannot_be_taken_away_by_connection) {
  const Prepared done(
      "GET / HTTP/1.1\r\nHost: h\r\nConnection: forwarded, x-forwarded-port, x-mine\r\nForwarded: for=a\r\n"
      "X-Forwarded-Port: 81\r\nX-Mine: 1\r\n\r\n",
      {.generate_request_id = false});
  EXPECT_EQ(done.names(), "forwarded x-forwarded-port x-forwarded-proto");
}

TEST(Upgrades, that_nobody_offers_end_here) {
  for (const std::string_view fields :
       {"Connection: Upgrade\r\nUpgrade: TLS/1.2\r\n",
        "Connection: upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        "HTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Connection: Upgrade\r\nUpgrade: h2c, TLS/1.2, unheard-of\r\n", "Upgrade: websocket\r\n",
        "Connection: Upgrade\r\nUpgrade: websockets\r\n", "Connection: Upgrade\r\nUpgrade: \r\n"}) {
    for (const bool websocket : {false, true}) {
      const Prepared done(fmt::format("GET / HTTP/1.1\r\nHost: h\r\n{}x-mine: 1\r\n\r\n", fields),
                          {.generate_request_id = false, .websocket = websocket});
      EXPECT_EQ(done.failure, OutcomeKind::none) << fields;
      EXPECT_FALSE(done.request.upgrade) << fields;
      EXPECT_EQ(done.names(), "x-mine x-forwarded-proto") << fields;
    }
  }
  const std::string handshake = "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: {}\r\n\r\n";
  for (const std::string_view offer : {"websocket", "WebSocket", "h2c, websocket"}) {
    const std::string head = fmt::format(fmt::runtime(handshake), offer);
    EXPECT_TRUE(Prepared(head, {}).request.upgrade) << offer;
    const Prepared refused(head, {.websocket = false});
    EXPECT_EQ(refused.failure, OutcomeKind::upgrade_refused) << offer;
  }
}

TEST(Targets, with_https_are_not_served_in_clear) {
  for (const std::string_view target : {"https://h/", "HTTPS://h", "https://h:80/x", "https://h:443/"}) {
    const Prepared done(fmt::format("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", target), {});
    EXPECT_EQ(done.failure, OutcomeKind::https_target) << target;
  }
  EXPECT_EQ(Prepared("GET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n", {}).failure, OutcomeKind::none);
}

}  // namespace
}  // namespace sluice
