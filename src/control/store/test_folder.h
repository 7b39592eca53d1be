// A folder for one test, gone at its end.
#pragma once

#include <stdlib.h>

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>

#include "base/check.h"

namespace sluice {

class TestFolder {
 public:
  TestFolder() : path_((std::filesystem::temp_directory_path() / "sluice-test-XXXXXX").string()) {
    CHECK(::mkdtemp(path_.data()) != nullptr);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const { return path_; }
  std::string path(std::string_view name) const { return path_ + "/" + std::string(name); }

  void write(std::string_view name, std::string_view text) const {
    std::filesystem::create_directories(std::filesystem::path(path(name)).parent_path());
    std::ofstream(path(name), std::ios::binary | std::ios::trunc) << text;
  }
  std::string read(std::string_view name) const {
    std::ifstream file(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  bool has(std::string_view name) const { return std::filesystem::exists(path(name)); }
  void remove(std::string_view name) const { std::filesystem::remove_all(path(name)); }
  // The names in it, in order, in one line.
  std::string names() const {
    std::set<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) found.insert(entry.path().filename().string());
    std::string line;
    for (const std::string& name : found) line += (line.empty() ? "" : " ") + name;
    return line;
  }

 private:
  std::string path_;
};

// Root may read everything: while it lives, this thread may not.
class BoundByModes {
 public:
  BoundByModes() {
    CHECK(::syscall(SYS_capget, &header_, before_) == 0);
    __user_cap_data_struct now[2] = {before_[0], before_[1]};
    now[0].effective &= ~(1U << CAP_DAC_OVERRIDE | 1U << CAP_DAC_READ_SEARCH);
    CHECK(::syscall(SYS_capset, &header_, now) == 0);
  }
  BoundByModes(const BoundByModes&) = delete;
  BoundByModes& operator=(const BoundByModes&) = delete;
  ~BoundByModes() { CHECK(::syscall(SYS_capset, &header_, before_) == 0); }

 private:
  __user_cap_header_struct header_{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct before_[2];
};

}  // namespace sluice
