#include "control/store/folder_scan.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <filesystem>
#include <set>

#include "base/strings.h"
#include "config/load.h"
#include "control/store/file_write.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

constexpr int kLinksMax = 40;  // on the way to one file, as Linux has it

struct Listing {
  std::vector<std::string> files;
  std::vector<std::string> folders;
  std::vector<std::string> links;  // of these names
  std::string problem;
  std::string left_out;  // why not all that is below it is read
  bool moved = false;    // it is not there any more
};

// Not there for sure. Any other answer, such as that one may not look, says nothing.
bool is_gone(const std::string& path) {
  struct stat ignored{};
  return ::lstat(path.c_str(), &ignored) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

// A link whose end cannot be looked at: a folder that is away, as of a mount, has the name of one.
bool may_be_folder(const fs::directory_entry& entry) {
  std::error_code error;
  if (entry.is_directory(error)) return true;
  const bool known = !error && fs::status_known(entry.status(error)) && entry.exists(error);
  return !known && entry.is_symlink(error);
}

Listing list_folder(const std::string& folder) {
  Listing listing;
  std::error_code error;
  fs::directory_iterator at(folder, error);
  for (; !error && at != fs::directory_iterator(); at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (name.starts_with('.') || name.ends_with('~')) continue;
    const bool is_file_name = is_config_file_name(name);
    std::error_code ignored;
    const bool is_link = at->is_symlink(ignored);
    if (at->is_directory(ignored) || (!is_file_name && may_be_folder(*at)))
      listing.folders.push_back(name);
    else if (is_file_name)
      listing.files.push_back(name);
    else
      continue;
    if (is_link) listing.links.push_back(name);
  }
  listing.moved = error && is_gone(folder);
  if (error && !listing.moved) {
    const bool leads_nowhere = error == std::errc::no_such_file_or_directory;
    listing.problem =
        fmt::format("cannot list {}: {}", folder, leads_nowhere ? "it is a link that leads nowhere" : error.message());
  }
  std::ranges::sort(listing.files);
  std::ranges::sort(listing.folders);
  return listing;
}

// The links on the way to `path`, and where they lead in the end. Part by part, as the system goes: what ".." means
// behind a link only that link says.
void add_links(std::vector<std::string>& out, const std::string& path) {
  std::error_code error;
  const fs::path whole = fs::absolute(path, error);
  std::deque<fs::path> parts(whole.begin(), whole.end());
  fs::path at;
  int links = 0;
  while (!error && !parts.empty() && links <= kLinksMax) {
    const fs::path part = std::exchange(parts.front(), {});
    parts.pop_front();
    if (part == "..") {
      at = at.parent_path();
    } else if (part != "." && !part.empty()) {
      at /= part;
      std::error_code not_there;
      if (!fs::is_symlink(at, not_there)) continue;
      out.push_back(at.string());
      ++links;
      const fs::path target = fs::read_symlink(at, error);
      at = target.is_absolute() ? fs::path() : at.parent_path();
      parts.insert(parts.begin(), target.begin(), target.end());
    }
  }
  if (links > 0) out.push_back(at.string());
}

// Every folder below `root`, each once: links may lead round in a circle.
class FolderWalk {
 public:
  template <class Visit>
  void go(const std::string& folder, Visit& visit, unsigned depth = 0) {
    const Listing listing = list_folder(folder);
    visit(folder, listing);
    for (const std::string& name : listing.folders) {
      const std::string below = fmt::format("{}/{}", folder, name);
      if (!is_new(below)) continue;
      if (depth == FolderScan::kDepthMax)
        return leave_out(fmt::format("{}: folders more than {} deep are not read", folder, depth), folder, visit);
      if (seen_.size() > FolderScan::kFoldersMax)
        return leave_out(fmt::format("more than {} folders; the others are not read", FolderScan::kFoldersMax), folder,
                         visit);
      go(below, visit, depth + 1);
    }
  }
  template <class Visit>
  void start(const std::string& root, Visit& visit) {
    is_new(root);
    go(root, visit);
  }

 private:
  // Once for the whole walk: the first says what is to be done.
  template <class Visit>
  void leave_out(std::string why, const std::string& folder, Visit& visit) {
    if (!std::exchange(left_out_, true)) visit(folder, Listing{.left_out = std::move(why)});
  }
  bool is_new(const std::string& folder) {
    struct stat about{};
    return ::stat(folder.c_str(), &about) != 0 || seen_.emplace(about.st_dev, about.st_ino).second;
  }
  std::set<std::pair<dev_t, ino_t>> seen_;
  bool left_out_ = false;
};

template <class Visit>
void visit_folder(const std::string& root, Visit visit) {
  FolderWalk().start(root, visit);
}

int64_t nanos_of(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

class Scanner {
 public:
  Scanner(const FindReadBefore& read_before, WallTime now)
      : read_before_(read_before), began_(now.time_since_epoch().count()) {}

  void add(const std::string& path) {
    if (!seen_.insert(path).second) return;
    if (scan_.files.size() == FolderScan::kFilesMax) {
      if (!std::exchange(too_many_, true))
        leave_out(fmt::format("more than {} files; the others are not read", FolderScan::kFilesMax));
      return;
    }
    if (bytes_ > kConfigBytesMax) {
      if (!std::exchange(too_large_, true))
        leave_out(fmt::format("more than {} bytes; the files from {} on are not read", kConfigBytesMax, path));
      return;
    }
    auto stamp = stamp_of(path);  // before it is read: what is written from here on is seen the next time
    if (const ReadBefore* before = stamp && read_before_ ? read_before_(path) : nullptr;
        before && before->stamp == *stamp)
      return take_as_before(path, *before);
    auto bytes = read_written_file(path, kConfigFileBytesMax);
    // Gone since it was listed; unless it is a link that leads to nothing just now, as of a mount that failed.
    if (!bytes && bytes.error().kind == ErrorKind::not_found && is_gone(path)) {
      scan_.moved = true;
      return;
    }
    ScannedFile file{.path = path};
    if (bytes) {
      file.hash = content_hash(*bytes);
      file.size = bytes->size();
      bytes_ += file.size;
      file.bytes = std::move(*bytes);
      if (stamp && is_trusted(*stamp)) file.stamp = stamp;
    } else if (bytes.error().kind == ErrorKind::limit) {
      struct stat info{};
      ::stat(path.c_str(), &info);
      file.size = std::max<uint64_t>(static_cast<uint64_t>(info.st_size), kConfigFileBytesMax + 1);
      file.hash = fmt::format("too large: {} {}", info.st_size, info.st_mtim.tv_nsec);
    } else {
      file.problem = bytes.error().message;
      file.being_written = bytes.error().kind == ErrorKind::conflict;
      file.hash = "unreadable: " + file.problem;
    }
    scan_.files.push_back(std::move(file));
  }

  void unlisted(const std::string& path, std::string problem) {
    scan_.unlisted.push_back(path);
    scan_.problems.push_back(std::move(problem));
  }
  void leave_out(const std::string& why) {
    scan_.left_out.push_back(why);
    scan_.problems.push_back(why);
  }
  void moved() { scan_.moved = true; }
  void folder(const std::string& path) { scan_.folders.push_back(path); }
  void gone(const std::string& path) { scan_.gone.push_back(path); }
  FolderScan take() { return std::move(scan_); }

 private:
  void take_as_before(const std::string& path, const ReadBefore& before) {
    const auto size = static_cast<uint64_t>(before.stamp.size);
    bytes_ += size;
    scan_.files.push_back(
        {.path = path, .size = size, .hash = before.hash, .unread_since = true, .stamp = before.stamp});
  }
  // Not one that was written just now, or in the future: another write could leave the same stamp.
  bool is_trusted(const FileStamp& stamp) const { return stamp.changed + kCoarsestClock.count() < began_; }

  static constexpr Nanos kCoarsestClock = 3s;  // of file systems: FAT has two seconds

  const FindReadBefore& read_before_;
  const int64_t began_;
  FolderScan scan_;
  std::set<std::string> seen_;
  bool too_many_ = false;
  uint64_t bytes_ = 0;
  bool too_large_ = false;
};

}  // namespace

std::optional<FileStamp> stamp_of(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  return FileStamp{.device = info.st_dev,
                   .inode = info.st_ino,
                   .size = info.st_size,
                   .modified = nanos_of(info.st_mtim),
                   .changed = nanos_of(info.st_ctim)};
}

bool is_config_file_name(std::string_view name) {
  if (name.starts_with('.')) return false;  // editors' swap files, our temporary files, ConfigMaps' ..data
  const std::string ending = to_lower(name.substr(std::min(name.rfind('.'), name.size())));  // some systems write .YAML
  return ending == ".yaml" || ending == ".yml" || ending == ".json";
}

ConfigFolders config_folders(const std::vector<std::string>& paths) {
  ConfigFolders folders;
  for (const std::string& path : paths) {
    add_links(folders.links, path);
    if (!is_folder(path)) continue;
    visit_folder(path, [&](const std::string& folder, const Listing& listing) {
      folders.paths.push_back(folder);
      for (const std::string& link : listing.links) add_links(folders.links, fmt::format("{}/{}", folder, link));
      folders.complete = folders.complete && listing.problem.empty();
    });
  }
  return folders;
}

FolderScan scan_folders(const std::vector<std::string>& paths, const FindReadBefore& read_before, WallTime now) {
  Scanner scanner(read_before, now);
  for (const std::string& path : paths) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (status.type() == fs::file_type::not_found) {
      scanner.gone(path);
    } else if (!fs::status_known(status)) {
      scanner.unlisted(path, fmt::format("cannot look at {}: {}", path, error.message()));
    } else if (!fs::is_directory(status)) {
      scanner.add(path);
    } else {
      visit_folder(path, [&](const std::string& folder, const Listing& listing) {
        scanner.folder(folder);
        if (!listing.problem.empty()) scanner.unlisted(folder, listing.problem);
        if (!listing.left_out.empty()) scanner.leave_out(listing.left_out);
        if (listing.moved) scanner.moved();
        for (const std::string& name : listing.files) scanner.add(fmt::format("{}/{}", folder, name));
      });
    }
  }
  return scanner.take();
}

bool is_folder(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

bool exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace sluice
