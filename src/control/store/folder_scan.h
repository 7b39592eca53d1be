// Which files a list of configured paths means, and their bytes.
//
// A path is a file, or a folder whose *.yaml, *.yml and *.json count, and those of all folders below it. What editors,
// ConfigMap mounts and version control leave around does not: names that begin with a dot or end with "~". A file that
// somebody has open for writing is read when that is done. A link that leads nowhere may be one to a folder.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace sluice {

// What the system tells of a file without its being read. Where it is the same, so are the bytes, unless somebody wrote
// twice within what the clock of the file system can tell apart.
struct FileStamp {
  uint64_t device = 0;
  uint64_t inode = 0;
  int64_t size = 0;
  int64_t modified = 0;  // nanoseconds
  int64_t changed = 0;   // of the bytes or of what is known of them; nobody can set it

  bool operator==(const FileStamp&) const = default;
};
// Nothing: it is not there, or cannot be looked at.
std::optional<FileStamp> stamp_of(const std::string& path);

// A file as it was read before, by a stamp that can be trusted.
struct ReadBefore {
  FileStamp stamp;
  std::string hash;
};
// Null: it is to be read.
using FindReadBefore = std::function<const ReadBefore*(const std::string& path)>;

struct ScannedFile {
  std::string path;
  std::string bytes;
  uint64_t size = 0;                    // more than bytes.size() when it is too large and was not read
  std::string problem;                  // why it could not be read; "" when it was
  std::string hash;                     // of its content, or of what is known of it
  bool being_written = false;           // that is the problem
  bool unread_since = false;            // it says what it said before: nobody read its bytes
  std::optional<FileStamp> stamp = {};  // where a later scan can trust it

  bool operator==(const ScannedFile& other) const { return path == other.path && hash == other.hash; }
};

struct FolderScan {
  static constexpr size_t kFilesMax = 10'000;
  static constexpr size_t kFoldersMax = 1'000;  // below one configured path; each is watched
  static constexpr unsigned kDepthMax = 16;

  std::vector<ScannedFile> files;     // sorted by configured path, then by name; each path once
  std::vector<std::string> folders;   // that were looked into, in the order of config_folders()
  std::vector<std::string> gone;      // configured paths that are not there
  std::vector<std::string> unlisted;  // folders, and configured paths, whose files are unknown for now
  std::vector<std::string> left_out;  // which limits left files out, in words
  std::vector<std::string> problems;  // in words: folders that cannot be listed, and what was left out
  bool moved = false;                 // something was moved while it was looked for: there may be more than was seen
};

// By its ending, in whatever case.
bool is_config_file_name(std::string_view name);

// The folders that files are taken from; those that are not there are left out.
struct ConfigFolders {
  std::vector<std::string> paths;
  // Of the links among folders and files: each that is followed, and what they lead to in the end. Another file may
  // come to be meant by a change of any of these names.
  std::vector<std::string> links;
  bool complete = true;  // false: one could not be listed, there may be more below it
};
ConfigFolders config_folders(const std::vector<std::string>& paths);
// Files that were read before and did not change are not read again.
FolderScan scan_folders(const std::vector<std::string>& paths, const FindReadBefore& read_before = {},
                        WallTime now = wall_now());

bool is_folder(const std::string& path);
bool exists(const std::string& path);
std::string parent_of(const std::string& path);  // "." of a bare name

}  // namespace sluice
