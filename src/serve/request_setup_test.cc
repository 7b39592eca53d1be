#include "serve/request_setup.h"

#include <gtest/gtest.h>

#include "http/h1/server_session.h"
#include "io/testing.h"
#include "net/memory_stream.h"
#include "net/tls_info.h"

namespace sluice {
namespace {

// A head and the request that is made from it.
struct Prepared {
  Prepared(std::string head_text, const ListenerConfig& config, const TlsInfo* tls = nullptr)
      : text(std::move(head_text)) {
    info.tls = tls;
    StreamPair ends = memory_streams(loop);
    const iovec part{text.data(), text.size()};
    CHECK(ends.upstream->try_write(std::span(&part, 1)));
    session = h1::make_server_session(std::move(ends.downstream));
    client = std::move(ends.upstream);
    settle(loop);
    auto coming = [&]() -> Task<void> {
      auto next = session->next({.head = config.limits, .http1 = &config.http1}, arena);
      stream = CO_TRY(co_await next);
      co_return Status{};
    };
    Runner runner(nullptr, [](void*, Result<void>) {});
    runner.start(coming());
    CHECK(stream != nullptr);
    info.downstream_address = &local;
    failure = set_up_request(stream->request(), config, *SocketAddress::parse("203.0.113.7", 4711), request);
  }

  std::string names() const {
    std::string out;
    for (const HeaderField& field : request.headers) (out += out.empty() ? "" : " ") += field.name;
    return out;
  }

  std::string all(std::string_view name) const { return std::string(request.headers.joined(name).value_or("-")); }

  const SocketAddress local = *SocketAddress::parse("192.0.2.1", 8443);
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

TEST(Targets, with_https_ask_for_it_where_the_listener_lets_them) {
  const TlsInfo tls;
  ListenerConfig config;
  config.https_targets = true;
  const auto asks = [&](std::string_view target, const TlsInfo* by = nullptr) {
    const Prepared done(fmt::format("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", target), config, by);
    EXPECT_EQ(done.failure, OutcomeKind::none) << target;
    EXPECT_EQ(done.request.scheme, by ? "https" : "http");
    return done.request.asks_for_https;
  };
  EXPECT_TRUE(asks("https://h/"));
  EXPECT_TRUE(asks("HTTPS://h:8443/x", &tls));
  EXPECT_FALSE(asks("http://h/"));
  EXPECT_FALSE(asks("/"));
  EXPECT_FALSE(asks("/", &tls));
  config.https_targets = false;
  EXPECT_FALSE(asks("https://h/", &tls));
}

// As HTTP/2 has it, whose sessions tell it beside the target.
TEST(Targets, of_HTTP2_ask_for_https_by_their_scheme_where_it_is_not_the_connections) {
  const TlsInfo tls;
  ListenerConfig config;
  for (const bool allowed : {true, false}) {
    config.https_targets = allowed;
    for (const TlsInfo* by : {static_cast<const TlsInfo*>(nullptr), &tls}) {
      for (const std::string_view scheme : {"HTTPS", "http"}) {
        Prepared came("GET / HTTP/1.1\r\nHost: h\r\n\r\n", config, by);
        came.stream->request().scheme = scheme;
        EXPECT_EQ(set_up_request(came.stream->request(), config, came.local, came.request), OutcomeKind::none);
        EXPECT_EQ(came.request.asks_for_https, allowed && !by && scheme == "HTTPS");
      }
    }
  }
}

TEST(Path, with_escaped_slashes_is_kept_refused_redirected_or_read_with_slashes) {
  Metrics metrics(1);
  const auto counters = std::make_shared<ServerMetrics>(metrics, "test");
  struct Row {
    std::string_view asked, forwarded, redirected;
  };
  const Row rows[] = {
      {"/a/b?x=%2f", "/a/b?x=%2f", ""},
      {"/a%2Fb%2fc?x=%2F", "/a/b/c?x=%2F", "/a/b/c?x=%2F"},
      {"/a%5Cb%5c", "/a/b/", "/a/b/"},
      {"/a%2F..%2Fb", "/b", "/b"},  // what it becomes is normalised like any other
      {"/a/%2F%2Fb", "/a/b", "/a/b"},
      {"/%2Fevil.test/", "/evil.test/", "/evil.test/"},
      {"/a%252Fb", "/a%252Fb", ""},  // once
      {"/a%2", "/a%2", ""},
      {"*", "*", ""},
  };
  for (const Row& row : rows) {
    const auto asked = [&](EscapedSlashes how, std::string_view more = "") {
      return Prepared(fmt::format("OPTIONS {} HTTP/1.1\r\nHost: h\r\n{}\r\n", row.asked, more),
                      {.escaped_slashes = how, .merge_slashes = true, .metrics = counters});
    };
    const bool has_any = !row.redirected.empty();
    EXPECT_EQ(asked(EscapedSlashes::reject).failure, has_any ? OutcomeKind::path_refused : OutcomeKind::none)
        << row.asked;
    const Prepared redirected = asked(EscapedSlashes::redirect);
    EXPECT_EQ(redirected.failure, has_any ? OutcomeKind::path_redirected : OutcomeKind::none) << row.asked;
    if (has_any) {
      EXPECT_EQ(redirected.request.path, row.redirected);
      EXPECT_EQ(asked(EscapedSlashes::redirect, "Content-Type: application/grpc+proto\r\n").failure,
                OutcomeKind::path_refused);
    }
    const Prepared forwarded = asked(EscapedSlashes::forward);
    EXPECT_EQ(forwarded.failure, OutcomeKind::none);
    EXPECT_EQ(forwarded.request.path, row.forwarded);
    EXPECT_EQ(asked(EscapedSlashes::keep).failure, OutcomeKind::none);
  }
  EXPECT_EQ(counters->paths_rejected->value(), 10);
  EXPECT_EQ(counters->paths_redirected->value(), 5);
}

TEST(Fields, with_underscores_are_kept_dropped_or_refuse_their_request) {
  Metrics metrics(1);
  const auto counters = std::make_shared<ServerMetrics>(metrics, "test");
  const auto asked = [&](UnderscoreNames how, std::string_view fields) {
    return Prepared(fmt::format("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", fields),
                    {.generate_request_id = false, .underscore_names = how, .metrics = counters});
  };
  constexpr std::string_view kWith = "x_a: 1\r\nx-b: 2\r\nx-c_d: 3\r\n", kWithout = "x-a: _\r\nx-b: 2\r\n";
  EXPECT_EQ(asked(UnderscoreNames::allow, kWith).names(), "x_a x-b x-c_d x-forwarded-proto");
  EXPECT_EQ(asked(UnderscoreNames::drop, kWith).names(), "x-b x-forwarded-proto");
  EXPECT_EQ(asked(UnderscoreNames::drop, kWithout).names(), "x-a x-b x-forwarded-proto");
  EXPECT_EQ(asked(UnderscoreNames::reject, kWith).failure, OutcomeKind::underscore_in_name);
  EXPECT_EQ(asked(UnderscoreNames::reject, kWithout).failure, OutcomeKind::none);
  EXPECT_EQ(counters->underscores_dropped->value(), 2);
  EXPECT_EQ(counters->underscores_rejected->value(), 1);
}

TEST(ForwardedFor, is_left_as_it_came_where_that_is_wanted) {
  const std::string head = "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n";
  EXPECT_EQ(Prepared(head, {.use_remote_address = true}).all("x-forwarded-for"), "10.0.0.1,203.0.113.7");
  EXPECT_EQ(Prepared(head, {.use_remote_address = true, .append_forwarded_for = false}).all("x-forwarded-for"),
            "10.0.0.1");
}

TEST(ForwardedFor, names_the_client_by_its_first_entry_where_that_is_wanted) {
  const std::string head = "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 10.0.0.1, 10.0.0.2\r\n\r\n";
  EXPECT_EQ(Prepared(head, {}).info.downstream_remote, "10.0.0.2");
  EXPECT_EQ(Prepared(head, {.leftmost_forwarded_for = true}).info.downstream_remote, "10.0.0.1");
  EXPECT_EQ(Prepared(head, {.use_remote_address = true, .leftmost_forwarded_for = true}).info.downstream_remote,
            "10.0.0.1");
  EXPECT_EQ(Prepared("GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: unknown\r\n\r\n", {.leftmost_forwarded_for = true})
                .info.downstream_remote,
            "");
}

TEST(ForwardedPort, is_the_one_that_the_client_came_to_unless_a_trusted_proxy_said_another) {
  const auto port = [](std::string_view field, bool use_remote, uint32_t hops) {
    return Prepared(fmt::format("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", field),
                    {.use_remote_address = use_remote, .trusted_hops = hops, .append_forwarded_port = true})
        .all("x-forwarded-port");
  };
  constexpr std::string_view kSaid = "X-Forwarded-Port: 443\r\n";
  EXPECT_EQ(port("", true, 0), "8443");
  EXPECT_EQ(port(kSaid, true, 0), "8443");
  EXPECT_EQ(port(kSaid, true, 1), "443");
  EXPECT_EQ(port("", true, 1), "8443");
  EXPECT_EQ(port(kSaid, false, 0), "443");
  EXPECT_EQ(Prepared("GET / HTTP/1.1\r\nHost: h\r\n\r\n", {}).all("x-forwarded-port"), "-");
}

TEST(InternalAddresses, are_believed_what_gateways_tell_one_another) {
  const auto asked = [](std::string_view forwarded_for, bool use_remote, std::string_view range) {
    ListenerConfig config{.use_remote_address = use_remote};
    if (!range.empty()) config.internal.push_back(*Cidr::parse(range));
    return Prepared(fmt::format("GET / HTTP/1.1\r\nHost: h\r\n{}x-envoy-retry-on: 5xx\r\nx-request-id: mine\r\n\r\n",
                                forwarded_for),
                    config);
  };
  constexpr std::string_view kOne = "x-forwarded-for: 10.1.2.3\r\n", kTwo = "x-forwarded-for: 10.1.2.3, 10.1.2.4\r\n";
  struct Row {
    std::string_view forwarded_for;
    bool use_remote;
    std::string_view range;
    bool internal;
  };
  const Row rows[] = {
      {"", true, "203.0.113.0/24", true},
      {"", true, "10.0.0.0/8", false},
      {"", true, "", false},
      {kOne, true, "203.0.113.0/24", false},  // it came through another proxy
      {kOne, false, "10.0.0.0/8", true},
      {kTwo, false, "10.0.0.0/8", false},
      {"", false, "203.0.113.0/24", false},
      {"x-forwarded-for: nobody\r\n", false, "0.0.0.0/0", false},
  };
  for (const Row& row : rows) {
    const Prepared done = asked(row.forwarded_for, row.use_remote, row.range);
    EXPECT_EQ(done.all("x-envoy-internal"), row.internal ? "true" : "-") << row.forwarded_for << row.range;
    EXPECT_EQ(done.all("x-envoy-retry-on"), row.internal ? "5xx" : "-");
    EXPECT_EQ(done.info.request_id == "mine", row.internal || !row.use_remote);
  }
  const Prepared liar("GET / HTTP/1.1\r\nHost: h\r\nx-envoy-internal: true\r\n\r\n", {});
  EXPECT_EQ(liar.all("x-envoy-internal"), "-");
}

TEST(Expectation, is_the_upstreams_to_fulfil_or_the_gateways) {
  const std::string head = "PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n";
  const Prepared passed(head, {}), own(head, {.passes_on_continue = false});
  EXPECT_TRUE(passed.request.expects_continue);
  EXPECT_EQ(passed.all("expect"), "100-continue");
  EXPECT_FALSE(own.request.expects_continue);
  EXPECT_EQ(own.all("expect"), "-");
}

TEST(WrittenNames, are_kept_where_they_are_asked_for) {
  const std::string head = "GET / HTTP/1.1\r\nHost: h\r\nX-MiXed: 1\r\nplain: 2\r\nX-Mixed: 3\r\n\r\n";
  EXPECT_EQ(Prepared(head, {}).request.written_names, nullptr);
  const Prepared kept(head, {.http1 = {.keep_case = true}});
  ASSERT_NE(kept.request.written_names, nullptr);
  EXPECT_EQ(kept.request.written_names->find("x-mixed"), "X-MiXed");
  EXPECT_EQ(kept.request.written_names->find("plain"), "plain");
  EXPECT_EQ(kept.request.written_names->find("x-forwarded-proto"), "x-forwarded-proto");
  EXPECT_EQ(kept.all("x-mixed"), "1,3");
}

TEST(Scheme, is_that_of_the_connection_and_is_told_upstream) {
  const TlsInfo tls;
  ListenerConfig config;
  config.use_remote_address = true;
  const Prepared clear("GET / HTTP/1.1\r\nhost: h\r\nx-forwarded-proto: https\r\n\r\n", config);
  EXPECT_EQ(clear.request.scheme, "http");
  EXPECT_EQ(clear.request.headers.get("x-forwarded-proto"), "http");
  const Prepared by_tls("GET / HTTP/1.1\r\nhost: h\r\n\r\n", config, &tls);
  EXPECT_EQ(by_tls.request.scheme, "https");
  EXPECT_EQ(by_tls.request.headers.get("x-forwarded-proto"), "https");
  config.use_remote_address = false;
  const Prepared behind_another("GET / HTTP/1.1\r\nhost: h\r\nx-forwarded-proto: http\r\n\r\n", config, &tls);
  EXPECT_EQ(behind_another.request.headers.get("x-forwarded-proto"), "http") << "as a trusted proxy in front says";
}

TEST(Scheme, https_in_an_absolute_target_is_taken_where_the_client_speaks_TLS) {
  const TlsInfo tls;
  const std::string head = "GET https://h/a HTTP/1.1\r\nhost: h\r\n\r\n";
  EXPECT_EQ(Prepared(head, ListenerConfig()).failure, OutcomeKind::https_target);
  const Prepared taken(head, ListenerConfig(), &tls);
  EXPECT_EQ(taken.failure, OutcomeKind::none);
  EXPECT_EQ(taken.request.path, "/a");
}

}  // namespace
}  // namespace sluice
