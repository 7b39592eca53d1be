#include "observe/resources.h"

#include <gtest/gtest.h>
#include <unistd.h>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>

namespace sluice {
namespace {

TEST(Memory, in_use_grows_with_what_is_held_and_shrinks_with_what_is_free) {
  constexpr size_t kBytes = 64 << 20;
  const auto in_use = [] { return memory_in_use_of(memory_resident().value()); };
  const size_t before = in_use();
  ASSERT_GT(before, 0U);
  auto held = std::make_unique<char[]>(kBytes);
  std::memset(held.get(), 1, kBytes);
  EXPECT_GT(memory_resident().value(), before + kBytes * 3 / 4);
  EXPECT_GT(in_use(), before + kBytes * 3 / 4);
  EXPECT_LE(in_use(), memory_resident().value() + (1 << 20));
}

// A system of which the test says what is resident, what is in use, and how long it takes to look.
struct MemoryThatIsTold {
  std::optional<size_t> resident = 0;
  size_t used = 0;
  Nanos look_takes = 0s;
  SteadyTime now{1'000'000s};
  int looks = 0;
  MemoryWatch watch{850,
                    {.resident = [this] { return resident; },
                     .in_use_of =
                         [this](size_t) {
                           ++looks;
                           now += look_takes;
                           return used;
                         },
                     .clock = [this] { return now; }}};
};

TEST(MemoryWatch, looks_at_the_heap_only_where_memory_is_short) {
  MemoryThatIsTold memory;
  memory.resident = 849;
  EXPECT_EQ(memory.watch.in_use(), 849U);
  memory.resident = std::nullopt;
  EXPECT_EQ(memory.watch.in_use(), std::nullopt);
  EXPECT_EQ(memory.looks, 0);
  memory.resident = 850;
  memory.used = 600;
  EXPECT_EQ(memory.watch.in_use(), 600U);
  EXPECT_EQ(memory.looks, 1);
}

TEST(MemoryWatch, looks_again_after_five_seconds_or_a_hundred_times_the_last_look) {
  MemoryThatIsTold memory;
  memory.resident = 900;
  const auto looks_within = [&](Nanos time) {
    const int before = memory.looks;
    for (const SteadyTime end = memory.now + time; memory.now < end; memory.now += 100ms) memory.watch.in_use();
    return memory.looks - before;
  };
  EXPECT_EQ(looks_within(5s), 1);
  memory.look_takes = 600ms;
  EXPECT_EQ(looks_within(60s), 1);
  memory.look_takes = 10ms;
  EXPECT_EQ(looks_within(10s), 2);
}

TEST(MemoryWatch, counts_on_what_was_free_until_growth_shows_it_taken) {
  MemoryThatIsTold memory;
  memory.resident = 900;
  memory.used = 700;  // 200 free
  EXPECT_EQ(memory.watch.in_use(), 700U);
  memory.used = 0;
  memory.resident = 890;
  EXPECT_EQ(memory.watch.in_use(), 690U);
  memory.resident = 910;
  EXPECT_EQ(memory.watch.in_use(), 910U - (200 - 80));
  memory.resident = 925;
  EXPECT_EQ(memory.watch.in_use(), 925U);
  memory.resident = 2000;
  EXPECT_EQ(memory.watch.in_use(), 2000U);
  EXPECT_EQ(memory.looks, 1);
  memory.now += 5s;
  memory.used = 1500;
  EXPECT_EQ(memory.watch.in_use(), 1500U);
}

TEST(MemoryWatch, says_no_less_than_none) {
  MemoryThatIsTold memory;
  memory.resident = 2000;
  memory.used = 100;
  EXPECT_EQ(memory.watch.in_use(), 100U);
  memory.resident = 1000;
  EXPECT_EQ(memory.watch.in_use(), 0U);
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
