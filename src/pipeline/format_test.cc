#include "pipeline/format.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <cstdlib>

#include "config/documents.h"
#include "io/loop.h"
#include "net/tls_info.h"

namespace sluice {
namespace {

// A finished exchange with something in every field that operators ask for.
class Formats : public testing::Test {
 protected:
  Formats() {
    info.start_wall = *parse_iso("2030-01-01T02:03:04.567Z") + Nanos(89);
    info.start = SteadyTime(1s);
    info.request_end = SteadyTime(1s) + 5ms;
    info.upstream_first_byte = SteadyTime(1s) + 20ms;
    info.code = 200;
    info.bytes_received = 12;
    info.bytes_sent = 3456;
    info.method = "GET";
    info.original_path = "/shop?q=1";
    info.route_name = "vh-route-0-matcher-0";
    info.upstream_cluster = "echo_gloo-system";
    info.upstream_host = "[::1]:9001";
    info.upstream_protocol = "HTTP/2";
    info.upstream_local_address = "127.0.0.1:40000";
    info.connection_id = 7;
    info.attempts = 2;
    info.downstream_peer = &peer;
    info.downstream_address = &local;
    info.details = "via_upstream";
    info.metadata.push_back(
        {"jwt", "principal", R"({"sub":"al\"ice","n":1.5,"list":[1,2],"deep":{"er":"x"},"none":null})", nullptr});
    request.method = "GET";
    request.path = "/shop?q=1";
    request.authority = "api.test";
    request.headers.add("user-agent", "curl/8");
    request.headers.add("x-many", "one");
    request.headers.add("x-many", "two");
    request.headers.add("x-url", "/a?b");
    response.status = 200;
    response.headers = &response_headers;
    response_headers.add("x-envoy-upstream-service-time", "3");
    trailers.add("grpc-status", "0");
  }

  FormatInput input() {
    return {.request = &request,
            .response = &response,
            .info = info,
            .now = SteadyTime(1s) + 30ms,
            .response_trailers = &trailers};
  }

  std::string text(std::string_view format, FormatUse use = FormatUse::log) {
    auto compiled = Format::compile(format, use);
    if (!compiled) return "error: " + compiled.error().message;
    std::string out;
    compiled->append(out, input());
    return out;
  }

  std::string json(std::string_view yaml) {
    auto tree = read_json(yaml);
    if (!tree) return "no JSON";
    auto compiled = JsonFormat::compile(*tree);
    if (!compiled) return "error: " + compiled.error().message;
    std::string out;
    compiled->append(out, input());
    return out;
  }

  static std::optional<Node> read_json(std::string_view yaml) {
    auto documents = parse_documents(yaml);
    if (!documents || documents->empty()) return std::nullopt;
    return std::move((*documents)[0].node);
  }

  Loop loop;
  Arena arena;
  StreamInfo info;
  SocketAddress peer = *SocketAddress::parse("192.0.2.7", 5555);
  SocketAddress local = *SocketAddress::parse("127.0.0.1", 8080);
  Request request{arena, loop, info};
  Headers response_headers{arena};
  Headers trailers{arena};
  Response response;
};

struct Row {
  std::string_view format;
  std::string expected;
};

TEST_F(Formats, fill_in_every_operator) {
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  ::setenv("SLUICE_FORMAT_TEST", "abcdef", 1);
  const Row rows[] = {
      {"", ""},
      {"no operators at all", "no operators at all"},
      {"100%%", "100%"},
      {"%%REQ(X)%%", "%REQ(X)%"},
      {"%START_TIME%", "2030-01-01T02:03:04.567Z"},
      {"%START_TIME()%", "2030-01-01T02:03:04.567Z"},
      {"%START_TIME(%s.%3f)%", "1893463384.567"},
      {"%START_TIME(%Y/%m/%d %H:%M:%S.%6f)%", "2030/01/01 02:03:04.567000"},
      {"%START_TIME(%f)%", "567000089"},
      {"%START_TIME((%H) 100%%)%", "(02) 100%"},
      {"%REQ(:METHOD)% %REQ(:PATH)% %REQ(:AUTHORITY)% %REQ(:SCHEME)%", "GET /shop?q=1 api.test http"},
      {"%REQ(User-Agent)%", "curl/8"},
      {"%REQ(user-agent):4%", "curl"},
      {"%REQ(user-agent):100%", "curl/8"},
      {"%REQ(X-MANY)%", "one"},
      {"%REQ(X-NONE)%", "-"},
      {"%REQ(X-NONE?USER-AGENT)%", "curl/8"},
      {"%REQ(X-NONE?X-NEITHER)%", "-"},
      {"%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", "/shop?q=1"},
      {"%REQ_WITHOUT_QUERY(:PATH)%", "/shop"},
      {"%REQ_WITHOUT_QUERY(X-NONE?X-URL)%", "/a"},
      {"%REQ_WITHOUT_QUERY(X-NONE)%", "-"},
      {"%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% %RESP(X-NONE)% %RESP(:STATUS)%", "3 - 200"},
      {"%TRAILER(GRPC-STATUS)%", "0"},
      {"%GRPC_STATUS%", "-"},  // it is none
      {"%TRAILER(X)%", "-"},
      {"%PROTOCOL%", "HTTP/1.1"},
      {"%RESPONSE_CODE% %RESPONSE_CODE_DETAILS% %RESPONSE_FLAGS%", "200 via_upstream -"},
      {"%BYTES_RECEIVED% %BYTES_SENT%", "12 3456"},
      {"%DURATION% %REQUEST_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%", "30 5 20 10"},
      {"%UPSTREAM_HOST% %UPSTREAM_CLUSTER% %UPSTREAM_REQUEST_ATTEMPT_COUNT%", "[::1]:9001 echo_gloo-system 2"},
      {"%UPSTREAM_PROTOCOL%", "HTTP/2"},
      {"%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %UPSTREAM_REMOTE_PORT%", "::1 9001"},
      {"%UPSTREAM_LOCAL_ADDRESS% %UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%", "127.0.0.1:40000 127.0.0.1"},
      {"%UPSTREAM_TRANSPORT_FAILURE_REASON%", "-"},
      {"%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "192.0.2.7:5555 192.0.2.7"},
      {"%DOWNSTREAM_DIRECT_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_PORT%", "192.0.2.7:5555 5555"},
      {"%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_PORT%", "127.0.0.1:8080 8080"},
      {"%ROUTE_NAME% %CONNECTION_ID%", "vh-route-0-matcher-0 7"},
      {"%HOSTNAME%", host},
      {"%ENVIRONMENT(SLUICE_FORMAT_TEST)% %ENVIRONMENT(SLUICE_FORMAT_TEST):3%", "abcdef abc"},
      {"%ENVIRONMENT(SLUICE_NO_SUCH_VARIABLE)%", "-"},
      {"%DYNAMIC_METADATA(jwt:principal:sub)%", "al\"ice"},
      {"%DYNAMIC_METADATA(jwt:principal:deep)%", R"({"er":"x"})"},
      {"%DYNAMIC_METADATA(jwt:principal:deep:er)%", "x"},
      {"%DYNAMIC_METADATA(jwt:principal:n)% %DYNAMIC_METADATA(jwt:principal:list)%", "1.5 [1,2]"},
      {"%DYNAMIC_METADATA(jwt:principal:list):3%", "[1,"},
      {"%DYNAMIC_METADATA(jwt:principal:none)%", "-"},
      {"%DYNAMIC_METADATA(jwt:principal:sub:below)%", "-"},
      {"%DYNAMIC_METADATA(jwt:nobody)% %DYNAMIC_METADATA(other)%", "- -"},
      {"%METADATA(DYNAMIC:jwt:principal:deep:er)%", "x"},
  };
  for (const Row& row : rows) EXPECT_EQ(text(row.format), row.expected) << row.format;
}

// Envoy's GrpcStatusFormatter: of trailers, head and HTTP status the first that there is.
TEST_F(Formats, say_the_status_of_gRPC) {
  constexpr const char* kAll = "%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS(NUMBER)% %GRPC_STATUS_NUMBER%";
  EXPECT_EQ(text(kAll), "- - - -") << "it is no gRPC";
  request.grpc = true;
  trailers.set("grpc-status", "3");
  EXPECT_EQ(text(kAll), "InvalidArgument INVALID_ARGUMENT 3 3");
  EXPECT_EQ(text("%GRPC_STATUS(CAMEL_STRING)%"), "InvalidArgument");
  EXPECT_EQ(json("{a: '%GRPC_STATUS_NUMBER%', b: '%GRPC_STATUS%'}"), R"({"a":3,"b":"InvalidArgument"})"
                                                                     "\n");
  trailers.set("grpc-status", "99");
  EXPECT_EQ(text(kAll), "99 99 99 99");
  trailers.remove("grpc-status");
  response_headers.add("grpc-status", "14");
  EXPECT_EQ(text(kAll), "Unavailable UNAVAILABLE 14 14");
  response_headers.remove("grpc-status");
  info.code = 404;
  EXPECT_EQ(text("%GRPC_STATUS%"), "Unimplemented");
  info.grpc_status = 8;
  EXPECT_EQ(text("%GRPC_STATUS%"), "ResourceExhausted");
  EXPECT_TRUE(text("%GRPC_STATUS(X)%").contains("write CAMEL_STRING, SNAKE_STRING or NUMBER"));
}

TEST_F(Formats, refuse_what_they_cannot_fill_in_and_say_why) {
  const Row rows[] = {
      {"%", "a lone % at byte 0: write %% for a percent sign"},
      {"100% sure", "a lone % at byte 3: write %% for a percent sign"},
      {"%%%", "a lone % at byte 2: write %% for a percent sign"},
      {"%PROTOCOL", "\"%PROTOCOL\" at byte 0 has no closing %"},
      {"x%REQ(:PATH", "\"%REQ(:PATH\" at byte 1 has no closing %"},
      {"%REQ(:PATH)", "\"%REQ(:PATH)\" at byte 0 has no closing %"},
      {"%REQ(:PATH):%", "\"%REQ(:PATH):%\" at byte 0 has no closing %"},
      {"%REQ(:PATH):x%", "\"%REQ(:PATH):x%\" at byte 0 has no closing %"},
      {"%PROTOCOL:-1%", "\"%PROTOCOL:-1%\" at byte 0 has no closing %"},
      {"%PROTOCAL%", "unknown operator %PROTOCAL%; did you mean %PROTOCOL%?"},
      {"%protocol%", "unknown operator %protocol%; did you mean %PROTOCOL%?"},
      {"%NOTHING_LIKE_THAT_EXISTS%", "unknown operator %NOTHING_LIKE_THAT_EXISTS%"},
      {"%PROTOCOL(X)%", "operator %PROTOCOL%: takes nothing in parentheses"},
      {"%REQ%", "operator %REQ%: needs a header's name: %REQ(NAME)%"},
      {"%REQ()%", "operator %REQ%: \"\" names no header; write %REQ(NAME)% or %REQ(NAME?OTHER)%"},
      {"%REQ(A?)%", "operator %REQ%: \"A?\" names no header; write %REQ(NAME)% or %REQ(NAME?OTHER)%"},
      {"%REQ(A B)%", "operator %REQ%: \"A B\" names no header; write %REQ(NAME)% or %REQ(NAME?OTHER)%"},
      {"%REQ(A?B?C)%", "operator %REQ%: \"A?B?C\" names no header; write %REQ(NAME)% or %REQ(NAME?OTHER)%"},
      {"%START_TIME(%Q)%", "\"%Q\" is no conversion of a time format; use those of strftime, %s, %f or %3f"},
      {"%START_TIME(%n)%", "\"%n\" is no conversion of a time format; use those of strftime, %s, %f or %3f"},
      {"%START_TIME(%)%", "\"%\" is no conversion of a time format; use those of strftime, %s, %f or %3f"},
      {"%ENVIRONMENT%", "operator %ENVIRONMENT%: needs a variable's name: %ENVIRONMENT(NAME)%"},
      {"%ENVIRONMENT()%", "operator %ENVIRONMENT%: needs a variable's name: %ENVIRONMENT(NAME)%"},
      {"%DYNAMIC_METADATA%", "operator %DYNAMIC_METADATA%: needs a namespace: %DYNAMIC_METADATA(namespace:key)%"},
      {"%DYNAMIC_METADATA(a::b)%",
       "operator %DYNAMIC_METADATA%: write the namespace and keys as in %DYNAMIC_METADATA(namespace:key:key)%"},
      {"%METADATA(DYNAMIC)%", "operator %METADATA%: write %METADATA(DYNAMIC:namespace:key)%"},
      {"%METADATA(ROUTE:a:b)%", "operator %METADATA(ROUTE)% is not supported yet"},
      {"%FILTER_STATE(a:PLAIN)%", "operator %FILTER_STATE(a:PLAIN)% is not supported yet"},
      {"%FILTER_STATE(envoy.stream.upstream_address:X)%",
       "operator %FILTER_STATE%: write PLAIN or TYPED behind the key"},
      {"%UPSTREAM_TLS_VERSION%", "operator %UPSTREAM_TLS_VERSION% is not supported yet"},
      {"%DOWNSTREAM_TLS_VERSION(x)%", "operator %DOWNSTREAM_TLS_VERSION%: takes nothing in parentheses"},
  };
  for (const Row& row : rows) EXPECT_EQ(text(row.format), "error: " + row.expected) << row.format;
  EXPECT_EQ(text(std::string(Format::kTextBytesMax + 1, 'x')),
            "error: the format has 16385 bytes, more than the limit of 16384");
  EXPECT_EQ(text("%START_TIME(" + std::string(200, 'x') + ")%"), "error: the time format has 200 bytes, more than 128");
}

TEST_F(Formats, say_that_an_operator_is_not_supported_by_the_kind_of_the_error) {
  EXPECT_EQ(Format::compile("%FILTER_STATE(a)%").error().kind, ErrorKind::unsupported);
  EXPECT_EQ(Format::compile("%FILTER_STAT(a)%").error().kind, ErrorKind::invalid);
}

TEST_F(Formats, show_the_path_before_a_rewrite_and_not_what_a_filter_took_out_before) {
  request.path = "/shop";
  EXPECT_EQ(text("%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"), "/shop");
  info.rewritten_path = "/shop?q=1";
  request.path = "/rewritten";
  request.headers.add(Known::x_envoy_original_path, "/a lie of the client");
  EXPECT_EQ(text("%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %REQ(:PATH)%"), "/shop?q=1 /rewritten");
}

TEST_F(Formats, write_control_bytes_of_values_so_that_a_line_stays_a_line) {
  request.headers.set("user-agent", "a\nb\x01\x7f\tc\xc3\xa4");
  EXPECT_EQ(text("%REQ(USER-AGENT)%\n"), "a\\x0ab\\x01\\x7f\\x09c\xc3\xa4\n");
  EXPECT_EQ(text("%REQ(USER-AGENT)%", FormatUse::header_value), "a\nb\x01\x7f\tc\xc3\xa4");
}

TEST_F(Formats, leave_missing_values_out_of_header_values) {
  EXPECT_EQ(text("[%REQ(X-NONE)%]", FormatUse::header_value), "[]");
}

TEST_F(Formats, know_the_trusted_client_where_it_is_not_the_peer) {
  info.downstream_remote = "203.0.113.9";
  EXPECT_EQ(text("%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"), "203.0.113.9:0 203.0.113.9");
  EXPECT_EQ(text("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"), "192.0.2.7");
  info.downstream_remote = "2001:db8::1";
  EXPECT_EQ(text("%DOWNSTREAM_REMOTE_ADDRESS%"), "[2001:db8::1]:0");
}

TEST_F(Formats, keep_details_one_word) {
  info.details = "a b c";
  EXPECT_EQ(text("%RESPONSE_CODE_DETAILS%"), "a_b_c");
}

TEST_F(Formats, work_when_no_head_could_be_read) {
  StreamInfo bare;
  bare.method = "BREW";
  auto format = Format::compile(
      "%REQ(:METHOD)% %REQ(:PATH)% %REQ(HOST)% %RESP(A)% %RESPONSE_CODE% %RESPONSE_FLAGS% %DOWNSTREAM_REMOTE_ADDRESS% "
      "%DOWNSTREAM_LOCAL_PORT% %REQUEST_DURATION% %TRAILER(X)%");
  ASSERT_TRUE(format);
  std::string out;
  format->append(out, {.info = bare, .now = SteadyTime()});
  EXPECT_EQ(out, "BREW - - - 0 - - - - -");
}

TEST_F(Formats, tell_a_constant_from_one_that_depends_on_the_request) {
  EXPECT_TRUE(Format::compile("100%%")->is_constant());
  EXPECT_EQ(Format::compile("100%%")->constant(), "100%");
  EXPECT_FALSE(Format::compile("%PROTOCOL%")->is_constant());
}

TEST_F(Formats, as_json_keep_types_and_write_null_for_what_is_missing) {
  EXPECT_EQ(json(R"({code: '%RESPONSE_CODE%', who: '%REQ(X-User)%', took: '%DURATION%ms',
                     claims: {sub: '%DYNAMIC_METADATA(jwt:principal:sub)%', n: '%DYNAMIC_METADATA(jwt:principal:n)%'},
                     flags: '%RESPONSE_FLAGS%', v: 1, on: true, off: null, list: ['a', '%PROTOCOL%', []], none: {}})"),
            R"({"code":200,"who":null,"took":"30ms","claims":{"sub":"al\"ice","n":1.5},"flags":"-","v":1,"on":true,)"
            R"("off":null,"list":["a","HTTP/1.1",[]],"none":{}})"
            "\n");
}

TEST_F(Formats, as_json_quote_whatever_a_client_sends) {
  request.headers.set("user-agent", "a\"\n\\\xff");
  EXPECT_EQ(json(R"({ua: '%REQ(USER-AGENT)%', 'k"': 'x%REQ(USER-AGENT)%%REQ(X-NONE)%'})"),
            "{\"ua\":\"a\\\"\\n\\\\\xEF\xBF\xBD\",\"k\\\"\":\"xa\\\"\\n\\\\\xEF\xBF\xBD-\"}\n");
}

TEST_F(Formats, as_json_cut_values_stay_json) {
  EXPECT_EQ(json("{a: '%DYNAMIC_METADATA(jwt:principal:deep):4%'}"), "{\"a\":\"{\\\"er\"}\n");
}

TEST_F(Formats, as_json_name_the_key_of_a_bad_text) {
  EXPECT_EQ(json("{a: {b: '%NOPE_NOPE_NOPE%'}}"), "error: a.b: unknown operator %NOPE_NOPE_NOPE%");
  EXPECT_EQ(json("[1]"), "error: expected a map, got a list");
}

TEST_F(Formats, tell_of_the_clients_TLS) {
  auto peer_certificate = std::make_shared<PeerCertificate>();
  peer_certificate->info = {.subject = "CN=client",
                            .issuer = "CN=ca",
                            .serial = "0a",
                            .fingerprint_sha256 = "f256",
                            .fingerprint_sha1 = "f1",
                            .dns_names = {"a.test", "b.test"},
                            .uri_names = {"spiffe://a"},
                            .ip_names = {"127.0.0.1"},
                            .email_names = {"a@b"},
                            .not_before = *parse_iso("2029-01-02T03:04:05Z"),
                            .not_after = *parse_iso("2031-01-02T03:04:05Z")};
  peer_certificate->pem = "a\nb";
  auto own = std::make_shared<CertificateInfo>();
  own->subject = "CN=own";
  own->dns_names = {"own.test"};
  TlsInfo tls;
  tls.version = "TLSv1.3";
  tls.cipher = "TLS_AES_128_GCM_SHA256";
  tls.sni = "api.test";
  tls.session_id = "0011";
  tls.own = own;
  const std::string_view all =
      "%DOWNSTREAM_TLS_VERSION% %DOWNSTREAM_TLS_CIPHER% %DOWNSTREAM_TLS_SESSION_ID% %REQUESTED_SERVER_NAME%";
  const std::string_view of_peer =
      "%DOWNSTREAM_PEER_SUBJECT% %DOWNSTREAM_PEER_ISSUER% %DOWNSTREAM_PEER_SERIAL% %DOWNSTREAM_PEER_FINGERPRINT_256% "
      "%DOWNSTREAM_PEER_FINGERPRINT_1% %DOWNSTREAM_PEER_CERT% %DOWNSTREAM_PEER_CERT_V_START% "
      "%DOWNSTREAM_PEER_CERT_V_END(%Y)% %DOWNSTREAM_PEER_URI_SAN% %DOWNSTREAM_PEER_DNS_SAN% %DOWNSTREAM_PEER_IP_SAN% "
      "%DOWNSTREAM_PEER_EMAIL_SAN%";
  const std::string_view of_own =
      "%DOWNSTREAM_LOCAL_SUBJECT% %DOWNSTREAM_LOCAL_DNS_SAN% %DOWNSTREAM_LOCAL_URI_SAN% %DOWNSTREAM_LOCAL_IP_SAN%";
  EXPECT_EQ(text(all), "- - - -") << "in the clear";
  EXPECT_EQ(text(of_own), "- - - -");
  info.tls = &tls;
  info.requested_server_name = tls.sni;
  EXPECT_EQ(text(all), "TLSv1.3 TLS_AES_128_GCM_SHA256 0011 api.test");
  EXPECT_EQ(text(of_own), "CN=own own.test - -");
  EXPECT_EQ(text(of_peer), "- - - - - - - - - - - -") << "without a certificate";
  tls.peer = peer_certificate;
  EXPECT_EQ(text(of_peer),
            "CN=client CN=ca 0a f256 f1 a%0Ab 2029-01-02T03:04:05.000Z 2031 spiffe://a a.test,b.test 127.0.0.1 a@b");
}

}  // namespace
}  // namespace sluice
