#include "http/h1/framing.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

// As the gateway answers it.
int status_of(HeadFailure failure) {
  switch (failure) {
    case HeadFailure::none: return 200;
    case HeadFailure::malformed:
    case HeadFailure::no_host: return 400;
    case HeadFailure::unknown_transfer_coding: return 501;
    case HeadFailure::line_too_long: return 414;
    case HeadFailure::too_large: return 431;
    case HeadFailure::timeout: return 408;
    case HeadFailure::old_version: return 426;
    case HeadFailure::unknown_expectation: return 417;
    case HeadFailure::no_memory: return 503;
  }
  return 0;
}

// A parsed head and what framing says of it.
struct Asked {
  explicit Asked(std::string head_text, const Http1Options& options = {}) : text(std::move(head_text)) {
    if (parser.parse(text, headers) != HeadProgress::done) {
      status = parser.failure() == HeadFailure::none ? 1 : status_of(parser.failure());  // 1: not whole
      return;
    }
    status = status_of(frame_request(parser, headers, framing, options));
  }
  std::string text;
  Arena arena;
  Headers headers{arena};
  RequestHeadParser parser{HeadLimits{}};
  RequestFraming framing;
  int status = 200;
};

TEST(RequestFraming, refuses_what_two_readers_could_read_differently) {
  struct Row {
    std::string_view fields;
    int status;
    std::string_view line = "POST / HTTP/1.1\r\n";
  };
  const std::vector<Row> rows = {
      {"Host: h\r\nContent-Length: 3\r\n", 200},
      {"Host: h\r\nContent-Length: 3, 3\r\nContent-Length: 3\r\n", 200},  // F4
      {"Host: h\r\nContent-Length: 9223372036854775807\r\n", 200},
      {"Host: h\r\nTransfer-Encoding: Chunked\r\n", 200},
      {"Host: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n", 400},     // F1
      {"Host: h\r\nTransfer-Encoding: chunked, chunked\r\n", 400},                 // F2
      {"Host: h\r\nTransfer-Encoding: chunked,\r\n", 400},                         // F2
      {"Host: h\r\nTransfer-Encoding: ,chunked\r\n", 400},                         // F2
      {"Host: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: ,\r\n", 400},  // F2
      {"Host: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400},
      {"Host: h\r\nTransfer-Encoding: gzip, chunked\r\n", 501},
      {"Host: h\r\nTransfer-Encoding: chunked, gzip\r\n", 501},
      {"Host: h\r\nTransfer-Encoding: identity\r\n", 501},
      {"Host: h\r\nTransfer-Encoding: \x0b"
       "chunked\r\n",
       400},
      {"Host: h\r\nTransfer-Encoding: \"chunked\"\r\n", 501},
      {"Host: h\r\nTransfer-Encoding: chunked;a=b\r\n", 501},
      {"Host: h\r\nTransfer-Encoding:\r\n", 400},
      {"Host: h\r\nTransfer-Encoding:\r\nTransfer-Encoding: chunked\r\n", 400},
      {"Host: h\r\nTransfer-Encoding: chunked\r\n", 400, "POST / HTTP/1.0\r\n"},  // F3
      {"Host: h\r\nContent-Length: 3, 4\r\n", 400},                               // F4
      {"Host: h\r\nContent-Length: 3\r\nContent-Length: 03\r\n", 200},
      {"Host: h\r\nContent-Length: 3\r\nContent-Length: \r\n", 400},
      {"Host: h\r\nContent-Length: 3,\r\n", 400},
      {"Host: h\r\nContent-Length: ,3\r\n", 400},
      {"Host: h\r\nContent-Length: +3\r\n", 400},  // F5
      {"Host: h\r\nContent-Length: -0\r\n", 400},
      {"Host: h\r\nContent-Length: 3 3\r\n", 400},
      {"Host: h\r\nContent-Length: 0x3\r\n", 400},
      {"Host: h\r\nContent-Length: 3.0\r\n", 400},
      {"Host: h\r\nContent-Length: 9223372036854775808\r\n", 400},
      {"Host: h\r\nContent-Length: 18446744073709551619\r\n", 400},
      {"", 400},  // F13
      {"Host: h\r\nHost: h\r\n", 400},
      {"Host: a, b\r\n", 400},
      {"Host: a/b\r\n", 400},
      {"Host: a\\b\r\n", 400},
      {"Host: u@a\r\n", 400},
      {"Host: a#\r\n", 400},
      {"Host: a:b\r\n", 400},
      {"Host: a:65536\r\n", 400},
      {"Host: [::1\r\n", 400},
      {"Host: [::1]x\r\n", 400},
      {"Host: []\r\n", 400},
      {"Host: a[::1]\r\n", 400},
      {"Host: [::1]:80\r\n", 200},
      {"Host: a_b.test:8080\r\n", 200},
      {"Host: h\r\nExpect: something\r\n", 417},  // F24
      {"Host: h\r\nExpect: 100-continue\r\nExpect: 100-continue\r\n", 417},
      {"Host: h\r\nExpect: 100-Continue\r\n", 200},
  };
  for (const Row& row : rows)
    EXPECT_EQ(Asked(std::string(row.line) + std::string(row.fields) + "\r\n").status, row.status) << row.fields;
}

TEST(RequestHead, refuses_what_is_doubtful) {
  const auto with = [](std::string_view fields) {
    return "GET / HTTP/1.1\r\nHost: h\r\n" + std::string(fields) + "\r\n";
  };
  const std::vector<std::pair<std::string, int>> rows = {
      {with("A: b\r\n"), 200},
      {"\r\n" + with(""), 200},  // RFC 9112 2.2
      {"\r\n\r\n" + with(""), 400},
      {"\n" + with(""), 400},
      {with("A: \xe4\t~\r\n"), 200},
      {with("A: b\rc\r\n"), 400},                 // F8
      {with(std::string("A: b\0\r\n", 7)), 400},  // F8
      {with("A: \x7f\r\n"), 400},                 // F8
      {with("A: b\n"), 400},                      // F9
      {with("A : b\r\n"), 400},                   // F10
      {with(" A: b\r\n"), 400},                   // F11, F12
      {with("A: b\r\n\tc\r\n"), 400},             // F11
      {with(": b\r\n"), 400},                     // F10
      {with("A\r\n"), 400},
      {with("A\xe4: b\r\n"), 400},
      {with("A(: b\r\n"), 400},
      {with("A\0: b\r\n"), 400},
      {"GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400},
      {" GET / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"GET\t/\tHTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"GET / http/1.1\r\nHost: h\r\n\r\n", 400},
      {"GET / HTTP/1.2\r\nHost: h\r\n\r\n", 400},
      {"GET / HTTP/01.1\r\nHost: h\r\n\r\n", 400},
      {"GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"GET /\xc3\xa4 HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"G(T / HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"/ HTTP/1.1\r\nHost: h\r\n\r\n", 400},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
      {"get / HTTP/1.1\r\nHost: h\r\n\r\n", 200},  // F22: a method of its own
  };
  for (const auto& [text, status] : rows) EXPECT_EQ(Asked(text).status, status) << text;
}

TEST(RequestHead, gives_the_same_however_the_bytes_come) {
  const std::string head = "POST /a?b HTTP/1.1\r\nHost: H\r\nX-Long:  v w \r\nContent-Length: 2\r\n\r\n";
  for (size_t first = 1; first < head.size(); ++first) {
    Arena arena;
    Headers headers(arena);
    RequestHeadParser parser{HeadLimits{}};
    std::string bytes = head;
    ASSERT_EQ(parser.parse(std::span(bytes).first(first), headers), HeadProgress::more) << first;
    ASSERT_EQ(parser.parse(bytes, headers), HeadProgress::done) << first;
    EXPECT_EQ(parser.size(), head.size());
    EXPECT_EQ(headers.size(), 3U);
    EXPECT_EQ(headers.get("x-long"), "v w");
    EXPECT_EQ(parser.target, "/a?b");
  }
}

TEST(RequestHead, keeps_its_limits_to_the_byte) {
  const HeadLimits limits{.line_bytes_max = 30, .head_bytes_max = 100, .field_bytes_max = 20, .fields_max = 3};
  const auto status = [&](std::string text) {
    Arena arena;
    Headers headers(arena);
    RequestHeadParser parser(limits);
    const HeadProgress progress = parser.parse(text, headers);
    return progress == HeadProgress::done ? 200 : progress == HeadProgress::more ? 1 : status_of(parser.failure());
  };
  const std::string line = "GET / HTTP/1.1\r\n";
  EXPECT_EQ(status("GET /" + std::string(16, 'a') + " HTTP/1.1\r\n\r\n"), 200);
  EXPECT_EQ(status("GET /" + std::string(17, 'a') + " HTTP/1.1\r\n\r\n"), 414);
  EXPECT_EQ(status("GET /" + std::string(60, 'a')), 414);
  EXPECT_EQ(status(line + "a: " + std::string(17, 'x') + "\r\n\r\n"), 200);
  EXPECT_EQ(status(line + "a: " + std::string(18, 'x') + "\r\n\r\n"), 431);
  EXPECT_EQ(status(line + "a: " + std::string(60, 'x')), 431);
  EXPECT_EQ(status(line + "a: 1\r\nb: 2\r\nc: 3\r\n\r\n"), 200);
  EXPECT_EQ(status(line + "a: 1\r\nb: 2\r\nc: 3\r\nd: 4\r\n\r\n"), 431);
}

TEST(RequestFraming, knows_when_the_connection_goes_on) {
  const std::vector<std::tuple<std::string_view, std::string_view, bool>> rows = {
      {"HTTP/1.1", "", true},
      {"HTTP/1.1", "Connection: close\r\n", false},
      {"HTTP/1.1", "Connection: foo, Close\r\n", false},
      {"HTTP/1.1", "Connection: keep-alive\r\nConnection: close\r\n", false},
      {"HTTP/1.0", "", false},
      {"HTTP/1.0", "Connection: keep-alive\r\n", true},
      {"HTTP/1.0", "Connection: keep-alive, close\r\n", false},
  };
  for (const auto& [version, fields, keep_alive] : rows)
    EXPECT_EQ(Asked(fmt::format("GET / {}\r\nHost: h\r\n{}\r\n", version, fields)).framing.keep_alive, keep_alive)
        << fields;
}

struct Answered {
  Answered(std::string head_text, bool to_head) : text(std::move(head_text)) {
    valid = parser.parse(text, headers) == HeadProgress::done && frame_response(parser, headers, to_head, framing);
  }
  std::string text;
  Arena arena;
  Headers headers{arena};
  ResponseHeadParser parser{HeadLimits{}};
  ResponseFraming framing;
  bool valid = false;
};

TEST(ResponseFraming, tells_the_body_by_status_and_fields) {
  using enum BodyKind;
  struct Row {
    std::string_view line, fields;
    bool to_head, valid;
    BodyKind body;
    bool keep_alive;
  };
  const std::vector<Row> rows = {
      {"HTTP/1.1 200 OK", "Content-Length: 3\r\n", false, true, length, true},
      {"HTTP/1.1 200 OK", "Content-Length: 3\r\n", true, true, none, true},
      {"HTTP/1.1 200 OK", "Content-Length: 0\r\n", false, true, none, true},
      {"HTTP/1.1 200", "Transfer-Encoding: chunked\r\n", false, true, chunked, true},
      {"HTTP/1.1 200 OK", "Transfer-Encoding: chunked\r\n", true, true, none, true},
      {"HTTP/1.1 200 OK", "", false, true, until_close, false},
      {"HTTP/1.1 200 OK", "Connection: close\r\nContent-Length: 3\r\n", false, true, length, false},
      {"HTTP/1.0 200 OK", "Content-Length: 3\r\n", false, true, length, false},
      {"HTTP/1.0 200 OK", "Connection: keep-alive\r\nContent-Length: 3\r\n", false, true, length, true},
      {"HTTP/1.1 204 No Content", "Content-Length: 3\r\n", false, true, none, true},
      {"HTTP/1.1 304 Not Modified", "Transfer-Encoding: chunked\r\n", false, true, none, true},
      {"HTTP/1.1 200 OK", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", false, false, none, true},
      {"HTTP/1.1 200 OK", "Content-Length: 3\r\nContent-Length: 4\r\n", false, false, none, true},
      {"HTTP/1.1 200 OK", "Content-Length: x\r\n", false, false, none, true},
      {"HTTP/1.1 200 OK", "Transfer-Encoding: gzip, chunked\r\n", false, false, none, true},
      {"HTTP/1.1 200 OK", "Transfer-Encoding: \r\n", false, false, none, true},
      {"HTTP/1.0 200 OK", "Transfer-Encoding: chunked\r\n", false, false, none, true},
  };
  for (const Row& row : rows) {
    const Answered answer(fmt::format("{}\r\n{}\r\n", row.line, row.fields), row.to_head);
    EXPECT_EQ(answer.valid, row.valid) << row.line << row.fields;
    if (!row.valid || !answer.valid) continue;
    EXPECT_EQ(answer.framing.body, row.body) << row.line << row.fields;
    EXPECT_EQ(answer.framing.keep_alive, row.keep_alive) << row.line << row.fields;
  }
}

TEST(HopByHop, takes_out_what_is_for_this_hop_only) {
  Arena arena;
  Headers headers(arena);
  for (const auto& [name, value] : std::vector<std::pair<std::string_view, std::string_view>>{
           {"connection",
            "X-Mine, close, Authorization, cookie, x-forwarded-for, content-length, Content-Type, host, via"},
           {"connection", "Forwarded, x-forwarded-port, X-Forwarded-Client-Cert, x-request-id, x-forwarded"},
           {"x-mine", "1"},
           {"keep-alive", "5"},
           {"proxy-authorization", "secret"},
           {"proxy-connection", "x"},
           {"te", "trailers"},
           {"trailer", "x"},
           {"transfer-encoding", "chunked"},
           {"upgrade", "h2c"},
           {"http2-settings", "x"},
           {"authorization", "keep"},
           {"cookie", "keep"},
           {"x-forwarded-for", "keep"},
           {"content-length", "3"},
           {"content-type", "keep"},
           {"via", "keep"},
           {"forwarded", "keep"},
           {"x-forwarded-port", "keep"},
           {"x-forwarded-client-cert", "keep"},
           {"x-forwarded", "1"},
           {"x-request-id", "keep"},
           {"x-other", "keep"}})
    headers.add(name, value);
  EXPECT_TRUE(remove_hop_by_hop(headers));
  std::string left;
  for (const HeaderField& field : headers) (left += field.name) += " ";
  EXPECT_EQ(left,
            "authorization cookie x-forwarded-for content-length content-type via forwarded x-forwarded-port "
            "x-forwarded-client-cert x-request-id x-other ");

  std::string many;
  for (int i = 0; i < 33; ++i) many += fmt::format("a{},", i);
  headers.add("connection", many);
  EXPECT_FALSE(remove_hop_by_hop(headers));
}

TEST(Headers, set_replaces_all_and_keeps_the_first_place) {
  Arena arena;
  Headers headers(arena);
  for (int i = 0; i < 60; ++i) headers.add(arena.copy(fmt::format("n{}", i % 20)), arena.copy(std::to_string(i)));
  EXPECT_EQ(headers.get("n3"), "3");
  EXPECT_EQ(headers.joined("n3"), "3,23,43");
  headers.set("n3", "new");
  EXPECT_EQ(headers.size(), 58U);
  EXPECT_EQ(headers.begin()[3].value, "new");
  EXPECT_EQ(headers.remove("n3"), 1U);
  EXPECT_EQ(headers.get("n3"), std::nullopt);
  headers.set("n3", "again");
  EXPECT_EQ(headers.end()[-1].name, "n3");
  for (size_t known = 1; known < static_cast<size_t>(Known::count); ++known)
    EXPECT_EQ(known_header(header_name(static_cast<Known>(known))), static_cast<Known>(known));
  EXPECT_EQ(known_header("hosT"), Known::other);
  EXPECT_EQ(known_header("x"), Known::other);
}

// RFC 9112 6.3: read by Transfer-Encoding alone, and nothing more is taken from that connection.
TEST(RequestFraming, with_both_lengths_is_by_chunks_and_the_last_where_that_is_allowed) {
  const Http1Options allowed{.length_beside_chunked = true};
  const std::string both = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: {}\r\nContent-Length: {}\r\n\r\n";
  Asked one(fmt::format(fmt::runtime(both), "chunked", "3"), allowed);
  EXPECT_EQ(one.status, 200);
  EXPECT_EQ(one.framing.body, BodyKind::chunked);
  EXPECT_FALSE(one.framing.keep_alive);
  EXPECT_FALSE(one.headers.has(Known::content_length));
  // What is doubtful in itself is no better for that.
  EXPECT_EQ(Asked(fmt::format(fmt::runtime(both), "chunked", "3, 4"), allowed).status, 400);
  EXPECT_EQ(Asked(fmt::format(fmt::runtime(both), "chunked", "+3"), allowed).status, 400);
  EXPECT_EQ(Asked(fmt::format(fmt::runtime(both), "chunked, chunked", "3"), allowed).status, 400);
  EXPECT_EQ(Asked(fmt::format(fmt::runtime(both), "identity", "3"), allowed).status, 501);
  EXPECT_EQ(Asked("POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
                  {.old_version = true, .length_beside_chunked = true})
                .status,
            400);
  EXPECT_TRUE(Asked("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", allowed).framing.keep_alive);
}

TEST(RequestFraming, passes_trailers_on_as_it_is_told) {
  const std::string head = "GET / HTTP/1.{}\r\nHost: h\r\n{}\r\n";
  const auto accepts = [&](TrailerPolicy policy, std::string_view field, int minor = 1) {
    return Asked(fmt::format(fmt::runtime(head), minor, field), {.old_version = true, .trailers = policy})
        .framing.accepts_trailers;
  };
  EXPECT_TRUE(accepts(TrailerPolicy::as_told, "TE: trailers\r\n"));
  EXPECT_FALSE(accepts(TrailerPolicy::as_told, ""));
  EXPECT_TRUE(accepts(TrailerPolicy::always, ""));
  EXPECT_FALSE(accepts(TrailerPolicy::never, "TE: trailers\r\n"));
  EXPECT_FALSE(accepts(TrailerPolicy::always, "TE: trailers\r\n", 0)) << "HTTP/1.0 has nothing to carry them";
}

TEST(RequestFraming, of_an_old_client_takes_the_host_that_is_meant_for_those_without_one) {
  const Http1Options with{.old_version = true, .default_host = "d.test"}, without{.old_version = true};
  Asked none("GET / HTTP/1.0\r\n\r\n", with), own("GET / HTTP/1.0\r\nHost: h\r\n\r\n", with);
  EXPECT_EQ(none.headers.get(Known::host), "d.test");
  EXPECT_EQ(own.headers.get(Known::host), "h");
  EXPECT_EQ(Asked("GET / HTTP/1.0\r\n\r\n", without).status, 400);
  EXPECT_EQ(Asked("GET http://h/ HTTP/1.0\r\n\r\n", without).status, 200);
  EXPECT_EQ(Asked("GET / HTTP/1.1\r\n\r\n", with).status, 400) << "RFC 9112 3.2 wants one from HTTP/1.1";
  EXPECT_TRUE(Asked("GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n", with).framing.keep_alive);
  EXPECT_FALSE(own.framing.keep_alive);
}

}  // namespace
}  // namespace sluice
