#include "http/h1/write.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace sluice
