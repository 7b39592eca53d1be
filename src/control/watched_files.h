// Files that objects name: what they say, and whether they have changed since.
//
// Belongs to the control thread, which waits for the disk as it does for the configuration's.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "control/store/folder_scan.h"

namespace sluice {

class WatchedFiles {
 public:
  // As for a Secret.
  static constexpr size_t kBytesMax = 1 << 20;

  struct File {
    Result<std::shared_ptr<const std::string>> text;
    uint64_t version = 0;  // another one each time that it was another file or said something else
  };
  // As it is now; read at most once until it changes. Regular files alone, at most that long.
  const File& read(const std::string& path, size_t bytes_max = kBytesMax);
  // Those of the files read that are others now, to be read again. Costs a look at each.
  std::vector<std::string> changed();
  // Drops those of which that says no.
  template <class IsUsed>
  void keep_only(IsUsed&& is_used) {
    std::erase_if(files_, [&](const auto& file) { return !is_used(file.first.first); });
  }

 private:
  struct Known {
    std::optional<FileStamp> stamp;  // nothing: it was not there
    File file;
  };

  std::map<std::pair<std::string, size_t>, Known> files_;  // by path and how long it may be
  uint64_t last_version_ = 0;
};

}  // namespace sluice
