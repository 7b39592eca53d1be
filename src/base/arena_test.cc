#include "base/arena.h"

#include <gtest/gtest.h>
#include <cstdint>
#include <string>

namespace sluice {
namespace {

// Notes its end.
struct Noting {
  Noting(std::string& log, char name) : log(log), name(name) {}
  Noting(const Noting&) = delete;
  ~Noting() { log += name; }
  std::string& log;
  const char name;
};

TEST(Arena, ends_objects_in_reverse_order_and_once) {
  std::string log;
  {
    Arena arena;
    arena.make<Noting>(log, 'a');
    arena.make<Noting>(log, 'b');
    arena.make<int>(7);  // has nothing to end
    arena.make<Noting>(log, 'c');
    arena.reset();
    EXPECT_EQ(log, "cba");
    arena.reset();
    EXPECT_EQ(log, "cba");
    arena.make<Noting>(log, 'd');
  }
  EXPECT_EQ(log, "cbad");
}

TEST(Arena, gives_pieces_that_are_aligned_and_do_not_overlap) {
  Arena arena;
  std::vector<std::span<char>> pieces;
  for (size_t i = 0; i < 3000; ++i) {
    const size_t bytes = 1 + i * 7 % 41, alignment = size_t{1} << i % 5;
    char* piece = static_cast<char*>(arena.allocate(bytes, alignment));
    EXPECT_EQ(reinterpret_cast<uintptr_t>(piece) % alignment, 0U) << bytes << " bytes";
    std::memset(piece, static_cast<int>(i % 251), bytes);
    pieces.emplace_back(piece, bytes);
  }
  for (size_t i = 0; i < pieces.size(); ++i)
    for (const char c : pieces[i]) ASSERT_EQ(static_cast<uint8_t>(c), i % 251) << "piece " << i << " was written over";
}

TEST(Arena, has_room_for_one_piece_that_is_larger_than_its_blocks) {
  Arena arena;
  char* small = static_cast<char*>(arena.allocate(8, 1));
  std::memcpy(small, "before it", 8);
  const std::string big(1 << 20, 'x');
  EXPECT_EQ(arena.copy(big), big);
  EXPECT_EQ(std::string_view(small, 8), "before i");
  EXPECT_EQ(arena.copy("after it"), "after it");
  EXPECT_EQ(arena.bytes_used(), 8 + big.size() + 8);
}

TEST(Arena, keeps_its_first_block_for_the_next_user_and_no_more) {
  Arena arena;
  const void* first = arena.allocate(100, 1);
  for (int i = 0; i < 100; ++i) arena.allocate(1000, 1);
  arena.reset();
  EXPECT_EQ(arena.bytes_used(), 0U);
  EXPECT_EQ(arena.allocate(100, 1), first);
  EXPECT_EQ(arena.bytes_used(), 100U);
}

TEST(Arena, begins_with_a_large_piece_and_still_keeps_a_small_block) {
  Arena arena;
  arena.allocate(1 << 20, 1);
  arena.reset();
  const void* first = arena.allocate(100, 1);
  arena.reset();
  EXPECT_EQ(arena.allocate(100, 1), first);
}

TEST(Arena, copies_and_joins_texts) {
  Arena arena;
  std::string source = "source";
  const std::string_view copied = arena.copy(source);
  source = "another";
  EXPECT_EQ(copied, "source");
  EXPECT_EQ(arena.copy(""), "");
  EXPECT_EQ(arena.concat("a", std::string_view(), std::string("bc"), copied), "abcsource");
  EXPECT_EQ(arena.concat(std::string_view()), "");
}

}  // namespace
}  // namespace sluice
