#include "http/h1/write.h"

#include <gtest/gtest.h>

#include "http/h1/write_head.h"
#include "net/memory_stream.h"
#include "net/testing.h"

namespace sluice {
namespace {

struct Case {
  std::string_view name, head, body;
  bool chunked, last, trailers;
  std::string_view text;
};

class Pieces : public testing::TestWithParam<Case> {
 protected:
  // What the other end reads when there is room for `capacity` bytes on the way.
  std::string carried(size_t capacity) {
    const Case& piece = GetParam();
    StreamPair ends = memory_streams(loop, capacity);
    Headers trailers(arena);
    trailers.add("a", "1");
    trailers.add("b", "2");
    std::string body(piece.body);
    done = false;
    tasks.spawn(write(*ends.downstream, {.head = piece.head,
                                         .chunk = {body, piece.last},
                                         .chunked = piece.chunked,
                                         .trailers = piece.trailers ? &trailers : nullptr}));
    std::string got, into(64, '\0');
    for (int turns = 0; turns < 1000 && !(done && !ends.upstream->has_buffered()); ++turns) {
      if (const auto read = ends.upstream->try_read(into)) got.append(into, 0, read->value());
      loop.turn(0ms);
    }
    if (const auto read = ends.upstream->try_read(into)) got.append(into, 0, read->value());
    return got;
  }
  Task<void> write(Stream& stream, Piece piece) {
    auto writing = write_piece(stream, piece, 5s);
    CO_TRY(co_await writing);
    done = true;
    co_return Status{};
  }

  Loop loop;
  Arena arena;
  TaskGroup tasks;
  bool done = false;
};

TEST_P(Pieces, go_out_whole_however_little_room_there_is) {
  for (const size_t capacity : {1, 2, 3, 7, 1024}) {
    EXPECT_EQ(carried(capacity), GetParam().text) << capacity;
    EXPECT_TRUE(done);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Of, Pieces,
    testing::Values(Case{"head", "head", "", false, false, false, "head"},
                    Case{"head_and_body", "head", "body", false, true, false, "headbody"},
                    Case{"nothing", "", "", false, true, false, ""},
                    Case{"chunk", "", "body", true, false, false, "4\r\nbody\r\n"},
                    Case{"last_chunk", "head", "body", true, true, false, "head4\r\nbody\r\n0\r\n\r\n"},
                    Case{"only_the_end", "", "", true, true, false, "0\r\n\r\n"},
                    Case{"no_end_yet", "head", "", true, false, false, "head"},
                    Case{"trailers", "", "body", true, true, true, "4\r\nbody\r\n0\r\na: 1\r\nb: 2\r\n\r\n"},
                    Case{"trailers_alone", "", "", true, true, true, "0\r\na: 1\r\nb: 2\r\n\r\n"}),
    [](const auto& tried) { return std::string(tried.param.name); });

// RFC 9112 9.3: a client that speaks HTTP/1.0 knows no chunks, and of a connection that goes on only what it is told.
TEST(ResponseHead, to_an_old_client_says_what_it_understands) {
  Arena arena;
  Headers headers(arena);
  headers.add("x", "1");
  const Body empty, unknown = text_body(arena, "abc");
  const Body endless{unknown.reader, std::nullopt};
  const auto head = [&](const Body& body, h1::Then then) {
    return std::string(
        h1::write_head({.status = 200, .headers = headers, .body = body, .old_client = true, .then = then}, arena));
  };
  EXPECT_EQ(head(empty, h1::Then::goes_on),
            "HTTP/1.1 200 OK\r\nx: 1\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n");
  EXPECT_EQ(head(endless, h1::Then::closes), "HTTP/1.1 200 OK\r\nx: 1\r\nconnection: close\r\n\r\n");
}

TEST(Names, are_written_as_is_wanted) {
  Arena arena;
  Headers headers(arena);
  headers.add("content-type", "text/x-y: a-b");
  headers.add("x$a_b2c-d", "x");
  headers.add("etag", "\"a-b\"");
  const Body body;
  EXPECT_EQ(h1::write_head({.status = 204, .headers = headers, .body = body, .proper_case = true}, arena),
            "HTTP/1.1 204 No Content\r\nContent-Type: text/x-y: a-b\r\nX$A_B2c-D: x\r\nEtag: \"a-b\"\r\n\r\n");
  WrittenNames written;
  written.add("ETag");
  written.add("X$A_b2c-d");
  EXPECT_EQ(
      h1::write_head(
          {.method = "GET", .target = "/", .host = "h", .headers = headers, .body = body, .written_names = &written},
          arena),
      "GET / HTTP/1.1\r\nhost: h\r\ncontent-type: text/x-y: a-b\r\nX$A_b2c-d: x\r\nETag: \"a-b\"\r\n\r\n");
}

}  // namespace
}  // namespace sluice
