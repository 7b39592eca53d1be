#include "control/store/folder_scan.h"

#include <gtest/gtest.h>

#include <map>

#include "control/store/file_write.h"
#include "control/store/test_folder.h"

namespace sluice {
namespace {

using namespace std::chrono_literals;

// Scans one folder, as one that was scanned before, at a time when what was written just now is old.
class Scans {
 public:
  FolderScan scan(Nanos later = 10s) {
    const auto find = [this](const std::string& path) {
      const auto known = known_.find(path);
      return known == known_.end() ? nullptr : &known->second;
    };
    FolderScan found = scan_folders({folder.path()}, find, wall_now() + later);
    known_.clear();
    for (const ScannedFile& file : found.files)
      if (file.stamp) known_[file.path] = {*file.stamp, file.hash};
    return found;
  }
  TestFolder folder;

 private:
  std::map<std::string, ReadBefore> known_;
};

TEST(FolderScan, reads_no_file_again_that_did_not_change) {
  Scans scans;
  scans.folder.write("a.yaml", "a: 1\n");
  scans.folder.write("b.yaml", "b: 1\n");
  const FolderScan first = scans.scan();
  ASSERT_EQ(first.files.size(), 2U);
  EXPECT_EQ(first.files[0].bytes, "a: 1\n");

  scans.folder.write("b.yaml", "b: 22\n");
  const FolderScan second = scans.scan();
  ASSERT_EQ(second.files.size(), 2U);
  EXPECT_TRUE(second.files[0].unread_since);
  EXPECT_EQ(second.files[0].bytes, "");
  EXPECT_EQ(second.files[0].size, 5U);
  EXPECT_EQ(second.files[0].hash, content_hash("a: 1\n"));
  EXPECT_FALSE(second.files[1].unread_since);
  EXPECT_EQ(second.files[1].bytes, "b: 22\n");
  EXPECT_EQ(scans.scan().files, second.files);
}

TEST(FolderScan, reads_a_file_again_that_was_exchanged_for_one_of_its_size_and_time) {
  Scans scans;
  scans.folder.write("a.yaml", "a: 1\n");
  const FolderScan first = scans.scan();
  const auto time = std::filesystem::last_write_time(scans.folder.path("a.yaml"));
  scans.folder.write("new", "a: 2\n");
  std::filesystem::last_write_time(scans.folder.path("new"), time);
  std::filesystem::rename(scans.folder.path("new"), scans.folder.path("a.yaml"));
  EXPECT_EQ(scans.scan().files.at(0).bytes, "a: 2\n");
}

TEST(FolderScan, trusts_no_stamp_of_a_file_that_was_written_just_now) {
  Scans scans;
  scans.folder.write("a.yaml", "a: 1\n");
  for (int i = 0; i < 3; ++i) {
    const FolderScan scan = scans.scan(0s);
    EXPECT_EQ(scan.files.at(0).bytes, "a: 1\n") << "another write could leave the same stamp";
    EXPECT_FALSE(scan.files.at(0).stamp);
  }
}

}  // namespace
}  // namespace sluice
