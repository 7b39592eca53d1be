#include "http/h1/chunked.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

struct Decoded {
  std::string data, trailers, rest;
  char end = '?';  // d: done, b: broken, m: more is to come
};

// Feeds `text` in pieces of `step` bytes.
Decoded decode(std::string text, size_t step) {
  Decoded out;
  ChunkedDecoder decoder;
  out.end = 'm';
  size_t at = 0;
  while (at < text.size()) {
    std::span<char> piece = std::span(text).subspan(at, std::min(step, text.size() - at));
    while (!piece.empty()) {
      const auto took = decoder.step(piece);
      out.data.append(took.data.begin(), took.data.end());
      at += took.consumed;
      piece = piece.subspan(took.consumed);
      if (took.is == ChunkedDecoder::Step::Is::broken) return out.end = 'b', out;
      if (took.is == ChunkedDecoder::Step::Is::done) {
        out.end = 'd';
        out.trailers = decoder.trailer_text();
        out.rest = text.substr(at);
        return out;
      }
    }
  }
  return out;
}

TEST(Chunked, decodes_strictly_however_the_bytes_come) {
  struct Row {
    std::string text;
    char end;
    std::string_view data = {}, trailers = {}, rest = {};
  };
  const std::vector<Row> rows = {
      {"0\r\n\r\n", 'd'},
      {"3\r\nabc\r\n0\r\n\r\nNEXT", 'd', "abc", "", "NEXT"},
      {"000A;n=v;\"q\"\r\n0123456789\r\n0\r\n\r\n", 'd', "0123456789"},
      {"1\r\na\r\n1\r\nb\r\n0;x\r\nT: v\r\nU: w\r\n\r\n", 'd', "ab", "T: v\r\nU: w\r\n\r\n"},
      {"3\r\nabc\r\n", 'm', "abc"},
      {"3\r\nab", 'm', "ab"},
      {"0\r\n", 'm'},
      {"7fffffffffffffff\r\na", 'm', "a"},
      {"\r\n", 'b'},
      {"g\r\n", 'b'},
      {"-1\r\n", 'b'},
      {"+1\r\n", 'b'},
      {"0x1\r\n", 'b'},
      {" 1\r\n", 'b'},
      {"1 \r\na\r\n", 'b'},
      {"1\na\r\n", 'b'},
      {"1\r\r\na", 'b'},
      {";x\r\n", 'b'},
      {"1;x\ny\r\na", 'b'},
      {std::string("1;x\0\r\na", 7), 'b'},
      {"8000000000000000\r\n", 'b'},
      {"ffffffffffffffff\r\n", 'b'},
      {"00000000000000001\r\n", 'b'},
      {"3\r\nabcd\r\n", 'b', "abc"},
      {"3\r\nabc\n0\r\n\r\n", 'b', "abc"},
      {"3\r\nabc\rX", 'b', "abc"},
      {"0\r\n\n", 'b'},
      {"0\r\nT: v\n\r\n", 'b'},
      {"1;" + std::string(5000, 'x') + "\r\n", 'b'},
      {"0\r\nT: " + std::string(17000, 'x') + "\r\n\r\n", 'b'},
  };
  for (const Row& row : rows)
    for (const size_t step : {1U, 2U, 3U, 7U, 100000U}) {
      const Decoded got = decode(row.text, step);
      EXPECT_EQ(got.end, row.end) << row.text.substr(0, 60) << " by " << step;
      EXPECT_EQ(got.data, row.data) << row.text.substr(0, 60) << " by " << step;
      EXPECT_EQ(got.trailers, row.trailers) << row.text.substr(0, 60);
      EXPECT_EQ(got.rest, row.rest) << row.text.substr(0, 60);
    }
}

TEST(Chunked, writes_sizes_as_it_reads_them) {
  for (const uint64_t size : {uint64_t{1}, uint64_t{15}, uint64_t{16}, uint64_t{0xabcdef}, ~uint64_t{0}}) {
    char line[18];
    EXPECT_EQ(std::string(line, write_chunk_size(line, size)), fmt::format("{:x}\r\n", size));
  }
}

TEST(Trailers, lose_what_could_change_the_message) {
  Arena arena;
  for (const std::string_view name : {"Connection",
                                      "Keep-Alive",
                                      "TE",
                                      "Trailer",
                                      "Transfer-Encoding",
                                      "Content-Length",
                                      "Upgrade",
                                      "HTTP2-Settings",
                                      "Host",
                                      "Via",
                                      "Forwarded",
                                      "X-Forwarded-For",
                                      "X-Forwarded-Port",
                                      "X-Forwarded-Client-Cert",
                                      "X-Request-Id",
                                      "X-Envoy-Internal",
                                      "X-Real-IP",
                                      "CDN-Loop",
                                      "Alt-Svc",
                                      "Authorization",
                                      "Cookie",
                                      "Set-Cookie",
                                      "WWW-Authenticate",
                                      "Authentication-Info",
                                      "Proxy-Authenticate",
                                      "Proxy-Authorization",
                                      "Proxy-Authentication-Info",
                                      "Proxy-Status",
                                      "Cache-Control",
                                      "Expect",
                                      "Max-Forwards",
                                      "Pragma",
                                      "Range",
                                      "If-Match",
                                      "If-Range",
                                      "Age",
                                      "Date",
                                      "Expires",
                                      "Location",
                                      "Retry-After",
                                      "Vary",
                                      "Warning",
                                      "Transfer_Encoding",
                                      "X_Forwarded-For",
                                      "x_request_id",
                                      "Proxy_Authorization",
                                      "Content-Encoding",
                                      "Content-Range",
                                      "Content-Type"}) {
    Headers headers(arena);
    std::string text = fmt::format("X-Sum: 1\r\n{}: v\r\n\r\n", name);
    ASSERT_TRUE(parse_trailers(text, headers));
    ASSERT_EQ(headers.size(), 1U) << name;
    EXPECT_EQ(headers.begin()->name, "x-sum");
  }
}

TEST(Trailers, keep_what_is_made_while_a_body_is_sent) {
  Arena arena;
  Headers headers(arena);
  std::string text = "Digest: d\r\nETag: e\r\nServer-Timing: t\r\ngrpc-status: 0\r\nX-Forwarded: f\r\n\r\n";
  ASSERT_TRUE(parse_trailers(text, headers));
  EXPECT_EQ(headers.size(), 5U);
}

TEST(Trailers, are_refused_when_they_are_no_fields) {
  Arena arena;
  for (std::string bad : {"no colon\r\n\r\n", "A : b\r\n\r\n", " A: b\r\n\r\n", "A: b\rc\r\n\r\n", "A: b\r\n"}) {
    Headers none(arena);
    EXPECT_FALSE(parse_trailers(bad, none)) << bad;
  }
}

}  // namespace
}  // namespace sluice
