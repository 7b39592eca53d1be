// Notices that something changed in folders (inotify).
//
// A folder that is not there is waited for in the nearest folder above it that is. Watches follow names, not inodes:
// call follow() again after each change.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace sluice {

class FolderWatch {
 public:
  // Fails when the system gives no more inotify instances.
  static Result<FolderWatch> create();
  FolderWatch(FolderWatch&& other) noexcept;
  FolderWatch& operator=(FolderWatch&&) = delete;
  ~FolderWatch();

  // Watches every file of configuration in `folders`, and the very names of `paths` (files, links, or folders that may
  // come and go). What was watched before and is not named is forgotten. Problems are returned as sentences.
  std::vector<std::string> follow(const std::vector<std::string>& folders, const std::vector<std::string>& paths);

  int fd() const { return fd_; }
  // Reads what is there without waiting; whether any of it concerns what is watched.
  bool drain();

 private:
  struct Watched {
    bool all_config_files = false;
    std::set<std::string> names;
    bool needed = false;  // else it is well if it can be watched: a folder far above
  };

  explicit FolderWatch(int fd) : fd_(fd) {}
  void want(const std::string& folder, std::string_view name);
  bool concerns(int watch, uint32_t mask, std::string_view name) const;

  int fd_;
  std::map<std::string, Watched> wanted_;            // by folder
  std::map<int, std::vector<std::string>> watches_;  // links may give a folder several paths
};

}  // namespace sluice
