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
  const size_t before = memory_in_use(0).value();
  ASSERT_GT(before, 0U);
  auto held = std::make_unique<char[]>(kBytes);
  std::memset(held.get(), 1, kBytes);
  EXPECT_GT(memory_in_use(SIZE_MAX).value(), before + kBytes * 3 / 4) << "resident";
  EXPECT_GT(memory_in_use(0).value(), before + kBytes * 3 / 4);
  EXPECT_LE(memory_in_use(0).value(), memory_in_use(SIZE_MAX).value() + (1 << 20));
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
