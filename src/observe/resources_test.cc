#include "observe/resources.h"

#include <gtest/gtest.h>

#include <unistd.h>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>
#include "base/sanitizers.h"

namespace sluice {
namespace {

TEST(Memory, that_is_held_is_resident_until_it_is_given_back) {
  if (kWatchedHeap) GTEST_SKIP() << "the sanitizer has a heap of its own";
  constexpr size_t kPieces = 64 << 10, kBytes = 1000;
  const size_t before = memory_resident().value();
  ASSERT_GT(before, 0U);
  std::vector<std::unique_ptr<char[]>> held;
  for (size_t i = 0; i < kPieces; ++i) held.push_back(std::make_unique<char[]>(kBytes));
  EXPECT_GT(memory_resident().value(), before + kPieces * kBytes * 3 / 4);
  held.erase(held.begin(), held.end() - 1);  // the last keeps the end of the heap where it is
  EXPECT_GT(memory_resident().value(), before + kPieces * kBytes * 3 / 4);
  give_memory_back();
  EXPECT_LT(memory_resident().value(), before + kPieces * kBytes / 4);
}

// A system of which the test says what is resident, what is in use, and how long it takes to look.
struct MemoryThatIsTold {
  std::optional<size_t> resident = 0;
  size_t used = 0;
  Nanos takes = 0s;
  SteadyTime now{1'000'000s};
  int times = 0;
  MemoryWatch watch{850,
                    {.resident = [this] { return resident; },
                     .give_back =
                         [this] {
                           ++times;
                           now += takes;
                           resident = used;
                         },
                     .clock = [this] { return now; }}};
};

TEST(MemoryWatch, gives_memory_back_only_where_it_is_short) {
  MemoryThatIsTold memory;
  memory.resident = 849;
  EXPECT_EQ(memory.watch.in_use(), 849U);
  memory.resident = std::nullopt;
  EXPECT_EQ(memory.watch.in_use(), std::nullopt);
  EXPECT_EQ(memory.times, 0);
  memory.resident = 850;
  memory.used = 600;
  EXPECT_EQ(memory.watch.in_use(), 600U);
  EXPECT_EQ(memory.times, 1);
}

TEST(MemoryWatch, does_it_again_after_a_second_or_a_hundred_times_what_it_took) {
  MemoryThatIsTold memory;
  memory.used = 900;
  memory.resident = 900;
  const auto times_within = [&](Nanos time) {
    const int before = memory.times;
    for (const SteadyTime end = memory.now + time; memory.now < end; memory.now += 100ms) memory.watch.in_use();
    return memory.times - before;
  };
  EXPECT_EQ(times_within(1s), 1);
  memory.takes = 600ms;
  EXPECT_EQ(times_within(60s), 1);
  memory.takes = 10ms;
  EXPECT_EQ(times_within(2s), 2);
}

TEST(MemoryWatch, counts_all_that_is_resident_meanwhile) {
  MemoryThatIsTold memory;
  memory.resident = 900;
  memory.used = 700;
  EXPECT_EQ(memory.watch.in_use(), 700U);
  memory.resident = 2000;
  EXPECT_EQ(memory.watch.in_use(), 2000U);
  memory.now += 1s;
  EXPECT_EQ(memory.watch.in_use(), 700U);
}

TEST(Descriptors, in_use_are_counted_where_the_kernel_tells) {
  const size_t before = descriptors_in_use();
  if (before == 0) GTEST_SKIP() << "this kernel does not tell";
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  EXPECT_EQ(descriptors_in_use(), before + 2);
  for (const int end : ends) ::close(end);
  EXPECT_EQ(descriptors_in_use(), before);
}

class Cgroups : public testing::Test {
 protected:
  Cgroups() : folder_((std::filesystem::temp_directory_path() / "sluice-test-XXXXXX").string()) {
    EXPECT_NE(::mkdtemp(folder_.data()), nullptr);
  }
  ~Cgroups() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(folder_ + "/" + name).parent_path());
    std::ofstream(folder_ + "/" + name) << text;
  }
  std::optional<size_t> found() const { return cgroup_memory_max(folder_, folder_ + "/self"); }
  std::string folder_;
};

TEST_F(Cgroups, limit_is_the_smallest_of_all_above) {
  EXPECT_EQ(found(), std::nullopt) << "nothing is known";
  write("self", "9:memory:/old\n0::/pod/box\n");
  EXPECT_EQ(found(), std::nullopt);
  write("pod/box/memory.max", "max\n");
  EXPECT_EQ(found(), std::nullopt);
  write("pod/memory.max", "536870912\n");
  EXPECT_EQ(found(), 536870912U);
  write("pod/box/memory.max", "268435456\n");
  EXPECT_EQ(found(), 268435456U);
}

TEST_F(Cgroups, limit_of_a_container_stands_at_its_root) {
  write("self", "0::/\n");
  write("memory.max", "1048576\n");
  EXPECT_EQ(found(), 1048576U);
  write("self", "0::/somewhere/that/is/not/mounted\n");
  EXPECT_EQ(found(), 1048576U);
  write("self", "4:memory:/of/version/1\n");
  EXPECT_EQ(found(), std::nullopt);
}

}  // namespace
}  // namespace sluice
