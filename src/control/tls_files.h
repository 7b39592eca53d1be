// The files that sslFiles name: what they say, and whether they have changed since.
//
// Belongs to the control thread, which waits for the disk as it does for the configuration's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "control/store/folder_scan.h"

namespace sluice {

class TlsFiles {
 public:
  // As for a Secret.
  static constexpr size_t kBytesMax = 1 << 20;

  struct File {
    Result<std::string> text;
    uint64_t version = 0;  // another one each time that it was another file or said something else
  };
  // As it is now; read at most once until it changes.
  const File& read(const std::string& path);
  // Without keeping it: for a trial.
  static Result<std::string> read_once(const std::string& path);
  // Those of the files read that are others now, to be read again. Costs a look at each.
  std::vector<std::string> changed();
  // Drops those of which that says no.
  template <class IsUsed>
  void keep_only(IsUsed&& is_used) {
    std::erase_if(files_, [&](const auto& file) { return !is_used(file.first); });
  }

 private:
  struct Known {
    std::optional<FileStamp> stamp;  // nothing: it was not there
    File file;
  };

  std::map<std::string, Known> files_;
  uint64_t last_version_ = 0;
};

}  // namespace sluice
