#include "pipeline/outcome.h"

#include <gtest/gtest.h>
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "config/kinds/max_stream_duration.h"
#include "io/loop.h"
#include "pipeline/message.h"
#include "pipeline/rescue.h"

namespace sluice {
namespace {

using Kind = OutcomeKind;

// As clients and logs know it, written down by hand: flags and details of Envoy's documentation, error types of
// RFC 9209 2.3 (2.3.1 dns_timeout to 2.3.32 proxy_loop_detected).
struct Row {
  Kind kind;
  Side side;
  int status;        // 0: whoever answers says it, or nobody can be answered
  const char* flag;  // %RESPONSE_FLAGS%
  const char* details;
  int proxy_status;   // 0: as without localAnswers
  const char* error;  // Proxy-Status; "by status": what the answer's status says; "none": no Proxy-Status
  bool closes;
  const char* reached_by;  // "file: words", of a test in which a request ends so
};
constexpr auto kDown = Side::downstream;
constexpr auto kOurs = Side::ours;
constexpr auto kUp = Side::upstream;
constexpr bool kCloses = true;
constexpr bool kGoesOn = false;
constexpr const char* kReset = "upstream_reset_before_response_started";

const Row kKnown[] = {
    {Kind::none, kUp, 0, "-", "", 0, "none", kGoesOn, "src/serve/connection_test.cc: answers_requests_one_after"},
    {Kind::malformed_request, kDown, 400, "DPE", "http1.codec_error", 0, "by status", kCloses,
     "src/serve/connection_test.cc: 400 DPE http1.codec_error"},
    {Kind::unknown_transfer_coding, kDown, 501, "DPE", "http1.codec_error", 0, "by status", kCloses,
     "src/serve/connection_test.cc: Transfer-Encoding: gzip"},
    {Kind::no_host, kDown, 400, "-", "missing_host_header", 0, "by status", kCloses,
     "src/serve/connection_test.cc: 400 - missing_host_header"},
    {Kind::request_line_too_long, kDown, 414, "DPE", "http1.headers_too_large", 0, "by status", kCloses,
     "src/serve/connection_test.cc: refuses_what_is_no_request_and_closes"},
    {Kind::request_head_too_large, kDown, 431, "DPE", "http1.headers_too_large", 0, "by status", kCloses,
     "src/serve/connection_test.cc: refuses_a_head_with_too_many_fields_or_bytes"},
    {Kind::request_head_timeout, kDown, 408, "-", "request_header_timeout", 0, "by status", kCloses,
     "src/serve/connection_test.cc: 408 - request_header_timeout"},
    {Kind::old_version, kDown, 426, "-", "low_version", 0, "by status", kCloses,
     "src/serve/connection_test.cc: 426 - low_version"},
    {Kind::unknown_expectation, kDown, 417, "-", "expectation_failed", 0, "by status", kCloses,
     "src/serve/connection_test.cc: 417 - expectation_failed"},
    {Kind::method_not_supported, kDown, 405, "-", "method_not_allowed", 0, "by status", kCloses,
     "src/serve/connection_test.cc: 405 - method_not_allowed"},
    {Kind::https_target, kDown, 501, "-", "https_target_not_supported", 0, "by status", kCloses,
     "src/serve/connection_test.cc: 501 - https_target_not_supported"},
    {Kind::upgrade_refused, kDown, 403, "-", "upgrade_failed", 0, "by status", kCloses,
     "src/serve/connection_test.cc: 403 - upgrade_failed"},
    {Kind::underscore_in_name, kDown, 400, "DPE", "http1.unexpected_underscore", 0, "by status", kCloses,
     "src/serve/connection_test.cc: 400 DPE http1.unexpected_underscore"},
    {Kind::path_refused, kDown, 400, "-", "path_normalization_failed", 0, "by status", kGoesOn,
     "src/serve/connection_test.cc: 400 - path_normalization_failed"},
    {Kind::path_redirected, kDown, 307, "-", "path_normalization_failed", 0, "none", kGoesOn,
     "src/serve/connection_test.cc: 307 - path_normalization_failed"},
    {Kind::client_idle, kDown, 408, "SI", "stream_idle_timeout", 0, "by status", kCloses,
     "src/forward/exchange_test.cc: blames_the_client_for_a_request_that_does_not_go_on"},
    {Kind::request_too_large, kDown, 413, "-", "request_payload_too_large", 0, "by status", kGoesOn,
     "src/pipeline/outcome_test.cc: downstream limit"},
    {Kind::request_timeout, kDown, 408, "-", "request_overall_timeout", 0, "by status", kCloses,
     "src/serve/connection_test.cc: ends_an_upload_at_its_deadline_however_fast_it_comes"},
    {Kind::exchange_timeout, kOurs, 408, "-", "max_duration_timeout", 0, "by status", kCloses,
     "src/serve/connection_test.cc: 408 - max_duration_timeout"},
    {Kind::client_gone, kDown, 400, "DC", "downstream_remote_disconnect", 0, "by status", kCloses,
     "src/serve/connection_test.cc: 0 DC downstream_remote_disconnect"},
    {Kind::no_route, kOurs, 404, "NR", "route_not_found", 0, "by status", kGoesOn,
     "src/route/router_test.cc: route_not_found"},
    {Kind::route_too_costly, kOurs, 500, "-", "route_match_too_costly", 0, "by status", kGoesOn,
     "src/route/router_test.cc: route_match_too_costly"},
    {Kind::route_changed_too_often, kOurs, 500, "-", "route_chosen_too_often", 0, "by status", kGoesOn,
     "src/route/router_test.cc: route_chosen_too_often"},
    {Kind::empty_host, kOurs, 400, "-", "empty_host_header", 0, "by status", kGoesOn,
     "src/route/terminals_test.cc: empty_host_header"},
    {Kind::invalid_rewrite, kOurs, 400, "-", "invalid_rewritten_path", 0, "by status", kGoesOn,
     "src/forward/exchange_test.cc: invalid_rewritten_path"},
    {Kind::redirect_too_costly, kOurs, 500, "-", "redirect_regex_too_costly", 0, "by status", kGoesOn,
     "src/route/router_test.cc: redirect_regex_too_costly"},
    {Kind::invalid_destination, kOurs, 400, "-", "invalid_destination", 0, "by status", kGoesOn,
     "src/forward/dynamic_upstream_test.cc: 400 invalid_destination"},
    {Kind::destination_denied, kOurs, 403, "-", "destination_ip_prohibited", 403, "destination_ip_prohibited", kGoesOn,
     "src/forward/dynamic_upstream_test.cc: destination_ip_prohibited{private,default/private}"},
    {Kind::tls_prohibited, kOurs, 403, "-", "destination_tls_prohibited", 403, "http_request_denied", kGoesOn,
     "src/forward/tls_test.cc: destination_tls_prohibited{lab/r}"},
    {Kind::policy_not_in_force, kOurs, 403, "-", "egress_policy_not_in_force", 0, "proxy_configuration_error", kGoesOn,
     "tests/e2e/test_policies.py: egress_policy_not_in_force{gloo-system/de"},
    {Kind::service_not_in_force, kOurs, 503, "-", "virtual_service_not_in_force", 0, "proxy_configuration_error",
     kGoesOn, "tests/e2e/test_policies.py: virtual_service_not_in_force"},
    {Kind::dns_timeout, kOurs, 503, "DF", "dns_resolution_failure", 504, "dns_timeout", kGoesOn,
     "tests/e2e/test_dns.py: test_a_server_that_never_answers_ends_in_503_after_the_query_timeout"},
    {Kind::dns_no_such_name, kOurs, 503, "DF", "dns_resolution_failure", 502, "destination_not_found", kGoesOn,
     "src/forward/dynamic_upstream_test.cc: dns_resolution_failure{invalid_name}"},
    {Kind::dns_failure, kOurs, 503, "DF", "dns_resolution_failure", 502, "dns_error", kGoesOn,
     "tests/scenarios/proxy_answers.yaml: broken.test: {rcode: SERVFAIL}"},
    {Kind::dns_table_full, kOurs, 503, "-", "dns_cache_overflow", 503, "destination_unavailable", kGoesOn,
     "tests/e2e/test_dns.py: dns_cache_overflow"},
    {Kind::dns_too_many_pending, kOurs, 503, "-", "dynamic_forward_proxy_pending_request_overflow", 503,
     "destination_unavailable", kGoesOn,
     "src/forward/dynamic_upstream_test.cc: dynamic_forward_proxy_pending_request_overflow"},
    {Kind::response_too_large, kOurs, 500, "-", "response_payload_too_large", 0, "http_response_body_size", kGoesOn,
     "src/filters/dlp/dlp_test.cc: response_payload_too_large"},
    {Kind::response_coding, kUp, 0, "-", "", 0, "http_response_content_coding", kGoesOn,
     "src/filters/dlp/dlp_test.cc: dlp_broken_encoding"},
    {Kind::body_memory_exhausted, kOurs, 503, "-", "body_memory_exhausted", 0, "by status", kGoesOn,
     "src/serve/connection_test.cc: collects_bodies_as_far_as_all_together_may_be_large"},
    {Kind::overload, kOurs, 503, "OM", "overload", 0, "by status", kGoesOn,
     "src/serve/connection_test.cc: refused_while_there_is_no_memory"},
    {Kind::internal_error, kOurs, 500, "-", "internal_error", 0, "by status", kGoesOn,
     "src/pipeline/outcome_test.cc: ours internal"},
    {Kind::own_answer, kOurs, 0, "-", "", 0, "by status", kGoesOn,
     "src/filters/jwt/filter_test.cc: jwt_authn_access_denied{Jwt_is_missing}"},
    {Kind::direct_response, kOurs, 0, "-", "direct_response", 0, "none", kGoesOn,
     "src/route/router_test.cc: direct_response"},
    {Kind::connect_failure, kUp, 503, "UF", "upstream_reset_before_response_started{remote_connection_failure}", 502,
     "connection_refused", kGoesOn, "src/forward/exchange_test.cc: says_why_a_connection_could_not_be_made"},
    {Kind::connect_timeout, kUp, 503, "UF", "upstream_reset_before_response_started{connection_timeout}", 504,
     "connection_timeout", kGoesOn,
     "src/forward/exchange_test.cc: upstream_reset_before_response_started{connection_timeout}"},
    {Kind::tls_failure, kUp, 503, "UF", "upstream_reset_before_response_started{remote_connection_failure|TLS_error}",
     502, "tls_protocol_error", kGoesOn, "src/forward/tls_test.cc: no silent fall-back"},
    {Kind::certificate_refused, kUp, 503, "UF",
     "upstream_reset_before_response_started{remote_connection_failure|TLS_error}", 502, "tls_certificate_error",
     kGoesOn, "src/forward/tls_test.cc: a_refused_certificate_is_told_with_name_check_and_issuer"},
    {Kind::upstream_ended, kUp, 503, "UC", "upstream_reset_before_response_started{connection_termination}", 502,
     "connection_terminated", kGoesOn,
     "src/forward/exchange_test.cc: tells_that_the_upstream_closed_without_an_answer"},
    {Kind::upstream_protocol, kUp, 502, "UPE", "upstream_reset_before_response_started{protocol_error}", 502,
     "http_protocol_error", kGoesOn, "src/forward/exchange_test.cc: tells_a_broken_answer_from_a_good_one"},
    {Kind::upstream_overflow, kUp, 503, "UO", "upstream_reset_before_response_started{overflow}", 503,
     "connection_limit_reached", kGoesOn, "src/forward/exchange_test.cc: reset reason: overflow"},
    {Kind::route_timeout, kUp, 504, "UT", "response_timeout", 504, "connection_read_timeout", kGoesOn,
     "src/forward/exchange_test.cc: gives_up_at_the_routes_timeout"},
    {Kind::per_try_timeout, kUp, 504, "UT", "upstream_per_try_timeout", 504, "connection_read_timeout", kGoesOn,
     "src/forward/retries_test.cc: upstream_per_try_timeout"},
    {Kind::upstream_idle, kUp, 504, "SI", "stream_idle_timeout", 504, "connection_read_timeout", kGoesOn,
     "tests/e2e/test_limits.py: test_a_silent_destination_is_504_after_the_stream_idle_timeout"},
    {Kind::no_healthy_upstream, kUp, 503, "UH", "no_healthy_upstream", 503, "destination_unavailable", kGoesOn,
     "src/forward/static_upstream_test.cc: has_no_host_when_its_name_is_unknown"},
    {Kind::no_cluster, kOurs, 503, "NC", "cluster_not_found", 503, "destination_unavailable", kGoesOn,
     "tests/e2e/test_mypaas.py: cluster_not_found"},
    {Kind::response_ended, kUp, 502, "UC", "upstream_response_broken", 502, "http_response_incomplete", kGoesOn,
     "src/serve/connection_test.cc: answers_properly_when_a_body_fails_before_its_head_has_gone"},
    {Kind::response_invalid, kUp, 502, "UPE", "upstream_response_broken", 502, "http_protocol_error", kGoesOn,
     "src/pipeline/outcome_test.cc: upstream invalid"},
    {Kind::response_expands, kUp, 500, "UC", "response_payload_too_large", 502, "connection_terminated", kGoesOn,
     "src/pipeline/outcome_test.cc: upstream limit"},
    {Kind::cut_ended, kUp, 0, "UC", "upstream_reset_after_response_started{connection_termination}", 0, "none", kGoesOn,
     "src/serve/connection_test.cc: upstream_reset_after_response_started{connection_termination}"},
    {Kind::cut_invalid, kUp, 0, "UPE", "upstream_reset_after_response_started{protocol_error}", 0, "none", kGoesOn,
     "src/serve/connection_test.cc: upstream_reset_after_response_started{protocol_error}"},
};

struct Asked {
  Asked() { request.path = "/"; }

  Arena arena;
  Loop loop;
  StreamInfo info;
  Request request{arena, loop, info};
};

TEST(Outcomes, of_every_kind_are_what_clients_and_logs_know_them_by) {
  ASSERT_EQ(std::size(kKnown), static_cast<size_t>(Kind::count));
  for (const Row& known : kKnown) {
    const OutcomeTerms& terms = terms_of(known.kind);
    EXPECT_EQ(Outcome(known.kind).side(), known.side) << known.details;
    EXPECT_EQ(terms.status, known.status) << known.details;
    EXPECT_EQ(terms.closes, known.closes) << known.details;
    ASSERT_EQ(terms.proxy.has_value(), std::string_view(known.error) != "none") << known.details;
    if (terms.proxy) {
      EXPECT_EQ(terms.proxy->status, known.proxy_status) << known.details;
      EXPECT_EQ(terms.proxy->error.empty() ? "by status" : terms.proxy->error, known.error);
    }
    Asked asked;
    asked.info.end(known.kind, asked.arena);
    EXPECT_EQ(asked.info.details, known.details);
    EXPECT_EQ(asked.info.flags_text(), known.flag) << known.details;
    EXPECT_EQ(asked.info.outcome.kind, known.kind);
  }
}

// A client of gRPC sees HTTP's 200 and the status in the head ("Trailers-Only"), whatever it was.
TEST(Outcomes, are_statuses_to_clients_of_gRPC) {
  const std::tuple<Kind, const char*, const char*, uint16_t> rows[] = {
      {Kind::no_route, "12", "", 404},
      {Kind::malformed_request, "13", "Bad Request", 400},
      {Kind::destination_denied, "7", "", 403},
      {Kind::upstream_overflow, "14",
       "upstream connect error or disconnect/reset before headers. reset reason: overflow", 503},
      {Kind::route_timeout, "14", "upstream request timeout", 504},
      {Kind::exchange_timeout, "4", "downstream duration timeout", 408},
      {Kind::request_too_large, "2", "Payload Too Large", 413},
  };
  for (const auto& [kind, status, message, http] : rows) {
    Asked asked;
    asked.request.grpc = true;
    const Response response = reply(asked.request, kind);
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.status_before_grpc, http);
    EXPECT_EQ(response.headers->get("content-type"), "application/grpc");
    EXPECT_EQ(response.headers->get("grpc-status"), status);
    EXPECT_EQ(response.headers->get("grpc-message").value_or(""), message);
    EXPECT_TRUE(response.body.empty());
    EXPECT_TRUE(response.local);
    EXPECT_EQ(asked.info.details, terms_of(kind).details);
  }
  Asked asked;
  asked.request.grpc = true;
  const Response own = local_reply(asked.request, 401, "Jwt is \"missing\"\n", "jwt");
  EXPECT_EQ(own.headers->get("grpc-status"), "16");
  EXPECT_EQ(own.headers->get("grpc-message"), "Jwt is \"missing\"%0A");
}

// What a client has sent wrongly by HTTP/2 is not said in the words of HTTP/1.
TEST(Outcomes, name_no_other_protocol_than_the_one_that_carried_the_request) {
  const std::pair<Kind, const char*> rows[] = {
      {Kind::malformed_request, "http2.violation.of.messaging.rule"},
      {Kind::request_line_too_long, "http2.too_many_headers"},
      {Kind::request_head_too_large, "http2.too_many_headers"},
      {Kind::underscore_in_name, "http2.unexpected_underscore"},
      {Kind::no_host, "missing_host_header"},
  };
  for (const auto& [kind, details] : rows) {
    Asked asked;
    asked.info.protocol = "HTTP/2";
    reply(asked.request, kind);
    EXPECT_EQ(asked.info.details, details);
  }
  for (size_t kind = 0; kind < static_cast<size_t>(Kind::count); ++kind) {
    Asked asked;
    asked.info.protocol = "HTTP/2";
    asked.info.end(static_cast<Kind>(kind), asked.arena);
    EXPECT_FALSE(asked.info.details.starts_with("http1")) << asked.info.details;
  }
}

TEST(Outcomes, say_what_is_wrong_with_a_body_to_clients_of_gRPC) {
  Asked asked;
  asked.request.grpc = true;
  const Error error{.kind = ErrorKind::invalid, .message = "the body is not Base64", .side = Side::downstream};
  EXPECT_EQ(rescue(asked.request, error).headers->get("grpc-message"), "the body is not Base64");
  asked.request.grpc = false;
  EXPECT_EQ(rescue(asked.request, error).headers->get("grpc-message"), std::nullopt);
}

// maxStreamDuration: the route's own, or what grpc-timeout asks for within its bounds.
TEST(StreamDeadline, is_as_the_route_and_grpc_timeout_say) {
  struct Rules final : RouteRules {
    void rewrite_request(Request&) const override {}
    void finish_response(Request&, Response&) const override {}
  };
  struct Row {
    kinds::MaxStreamDuration limit;
    const char* asks;  // nullptr: nothing
    std::optional<Nanos> after;
  };
  constexpr Nanos kNever = Nanos::max();
  const Row rows[] = {
      {{}, nullptr, std::nullopt},
      {{}, "1S", std::nullopt},
      {{.max_stream_duration = 5s}, "1S", 5s},
      {{.max_stream_duration = 0s}, nullptr, kNever},
      {{.max_stream_duration = 5s, .grpc_timeout_header_max = 3s}, nullptr, 5s},
      {{.max_stream_duration = 5s, .grpc_timeout_header_max = 3s}, "what", 5s},
      {{.max_stream_duration = 5s, .grpc_timeout_header_max = 3s}, "2S", 2s},
      {{.max_stream_duration = 5s, .grpc_timeout_header_max = 3s}, "1H", 3s},
      {{.grpc_timeout_header_max = 0s}, "1H", 1h},
      {{.grpc_timeout_header_max = 3s, .grpc_timeout_header_offset = 500ms}, "2S", 1500ms},
      {{.grpc_timeout_header_max = 3s, .grpc_timeout_header_offset = 500ms}, "1H", 2500ms},
      {{.grpc_timeout_header_max = 3s, .grpc_timeout_header_offset = 2s}, "2S", 2s},
  };
  for (const Row& row : rows) {
    Asked asked;
    asked.info.start = SteadyTime(1000s);
    Rules rules;
    rules.stream_duration = std::make_shared<const kinds::MaxStreamDuration>(row.limit);
    asked.request.route.rules = &rules;
    if (row.asks) asked.request.headers.add("grpc-timeout", row.asks);
    const auto deadline = asked.request.stream_deadline();
    ASSERT_EQ(deadline.has_value(), row.after.has_value()) << (row.asks ? row.asks : "-");
    if (!deadline) continue;
    EXPECT_EQ(*deadline, *row.after == kNever ? SteadyTime::max() : SteadyTime(1000s) + *row.after);
  }
  Asked unrouted;
  EXPECT_FALSE(unrouted.request.stream_deadline());
}

// The words stand in that file of the source.
TEST(Outcomes, of_every_kind_are_reached_by_some_test) {
  std::filesystem::path root = std::filesystem::read_symlink("/proc/self/exe");
  while (root.has_relative_path() && !std::filesystem::exists(root / "src/pipeline/outcome_test.cc"))
    root = root.parent_path();
  for (const Row& known : kKnown) {
    const std::string_view named = known.reached_by;
    const size_t colon = named.find(": ");
    std::ifstream file(root / named.substr(0, colon));
    const std::string text(std::istreambuf_iterator<char>(file), {});
    EXPECT_TRUE(text.contains(named.substr(colon + 2))) << "there is no such test: " << named;
  }
}

TEST(Outcomes, have_the_rule_behind_their_details_in_one_word) {
  Asked asked;
  asked.info.end({Kind::destination_denied, "loopback,default/loopback"}, asked.arena);
  EXPECT_EQ(asked.info.details, "destination_ip_prohibited{loopback,default/loopback}");
  asked.info.end({Kind::connect_failure, "delayed connect error: Connection refused"}, asked.arena);
  EXPECT_EQ(asked.info.details,
            std::string(kReset) + "{remote_connection_failure|delayed_connect_error:_Connection_refused}");
}

TEST(Outcomes, become_answers_with_the_words_of_their_kind_or_of_who_answers) {
  Asked asked;
  const auto text = [](const Response& response) {
    return response.body.reader ? std::string(response.body.reader->read().take()->bytes.data(), *response.body.length)
                                : std::string();
  };
  const Response slow = reply(asked.request, Kind::client_idle);
  EXPECT_EQ(slow.status, 408);
  EXPECT_EQ(text(slow), "stream timeout");
  EXPECT_TRUE(slow.close && slow.local);
  EXPECT_EQ(slow.headers->get("content-type"), "text/plain");
  const Response refused = reply(asked.request, {Kind::policy_not_in_force, "ns/p"}, "closed by ns/p");
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(text(refused), "closed by ns/p");
  EXPECT_FALSE(refused.close);
  EXPECT_FALSE(reply(asked.request, Kind::no_cluster).headers->has(sluice::Known::content_type));
}

TEST(Rescue, knows_what_every_error_that_leaves_the_chain_is) {
  struct Failed {
    std::string_view what;
    Kind noted = Kind::none;  // by whoever cut it off
  };
  const std::pair<Failed, Kind> rows[] = {
      {{"downstream invalid"}, Kind::malformed_request},
      {{"downstream timeout"}, Kind::client_idle},
      {{"downstream limit"}, Kind::request_too_large},
      {{"downstream reset"}, Kind::client_gone},
      {{"upstream invalid"}, Kind::response_invalid},
      {{"upstream timeout"}, Kind::upstream_idle},
      {{"upstream timeout", Kind::route_timeout}, Kind::route_timeout},
      {{"upstream limit"}, Kind::response_expands},
      {{"upstream reset"}, Kind::response_ended},
      {{"upstream denied", Kind::policy_not_in_force}, Kind::policy_not_in_force},
      {{"upstream denied", Kind::destination_denied}, Kind::destination_denied},
      {{"upstream denied", Kind::tls_prohibited}, Kind::tls_prohibited},
      {{"upstream denied", Kind::own_answer}, Kind::destination_denied},
      {{"ours limit"}, Kind::response_too_large},
      {{"ours overload"}, Kind::body_memory_exhausted},
      {{"ours internal"}, Kind::internal_error},
      {{"ours cancelled"}, Kind::client_gone},
  };
  const std::pair<std::string_view, ErrorKind> kinds[] = {
      {"invalid", ErrorKind::invalid},   {"timeout", ErrorKind::timeout},    {"limit", ErrorKind::limit},
      {"reset", ErrorKind::reset},       {"denied", ErrorKind::denied},      {"overload", ErrorKind::overload},
      {"internal", ErrorKind::internal}, {"cancelled", ErrorKind::cancelled}};
  for (const auto& [row, becomes] : rows) {
    Error error{.kind = ErrorKind::internal, .message = "in words"};
    for (const auto& [word, kind] : kinds)
      if (row.what.ends_with(word)) error.kind = kind;
    if (row.what.starts_with("downstream")) error.side = Side::downstream;
    if (row.what.starts_with("upstream")) error.side = Side::upstream;
    Asked asked;
    if (row.noted != Kind::none) asked.info.end(row.noted, asked.arena);
    const Response response = rescue(asked.request, error);
    EXPECT_EQ(asked.info.outcome.kind, becomes) << row.what;
    EXPECT_EQ(response.status, terms_of(becomes).status) << row.what;
  }
}

}  // namespace
}  // namespace sluice
