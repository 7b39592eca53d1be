#include "control/store/folder_scan.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "config/load.h"
#include "control/store/file_write.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

struct Listing {
  std::vector<std::string> files;
  std::vector<std::string> folders;
  std::string problem;
  std::string left_out;  // why not all that is below it is read
};

Listing list_folder(const std::string& folder) {
  Listing listing;
  std::error_code error;
  fs::directory_iterator at(folder, error);
  for (; !error && at != fs::directory_iterator(); at.increment(error)) {
    const std::string name = at->path().filename().string();
    std::error_code ignored;
    if (at->is_directory(ignored)) {
      if (!name.starts_with('.')) listing.folders.push_back(name);
    } else if (is_config_file_name(name)) {
      listing.files.push_back(name);
    }
  }
  if (error) listing.problem = fmt::format("cannot list {}: {}", folder, error.message());
  std::ranges::sort(listing.files);
  std::ranges::sort(listing.folders);
  return listing;
}

// Every folder below `root`, each once: links may lead round in a circle.
class FolderWalk {
 public:
  template <class Visit>
  void go(const std::string& folder, Visit& visit, unsigned depth = 0) {
    if (!is_new(folder)) return;
    const Listing listing = list_folder(folder);
    visit(folder, listing);
    for (const std::string& name : listing.folders) {
      if (depth == FolderScan::kDepthMax)
        return leave_out(fmt::format("{}: folders more than {} deep are not read", folder, depth), folder, visit);
      if (seen_.size() == FolderScan::kFoldersMax)
        return leave_out(fmt::format("more than {} folders; the others are not read", seen_.size()), folder, visit);
      go(fmt::format("{}/{}", folder, name), visit, depth + 1);
    }
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
  FolderWalk().go(root, visit);
}

class Scanner {
 public:
  void add(const std::string& path) {
    if (scan_.files.size() >= FolderScan::kFilesMax || !seen_.insert(path).second) return;
    auto bytes = read_file(path, kConfigFileBytesMax);
    // Gone since it was listed; unless it is a link that leads to nothing just now, as of a mount that failed.
    struct stat entry{};
    if (!bytes && bytes.error().kind == ErrorKind::not_found && ::lstat(path.c_str(), &entry) != 0) return;
    ScannedFile file{.path = path};
    if (bytes) {
      file.hash = content_hash(*bytes);
      file.size = bytes->size();
      file.bytes = std::move(*bytes);
    } else if (bytes.error().kind == ErrorKind::limit) {
      struct stat info{};
      ::stat(path.c_str(), &info);
      file.size = std::max<uint64_t>(static_cast<uint64_t>(info.st_size), kConfigFileBytesMax + 1);
      file.hash = fmt::format("too large: {} {}", info.st_size, info.st_mtim.tv_nsec);
    } else {
      file.problem = bytes.error().message;
      file.hash = "unreadable: " + file.problem;
    }
    scan_.files.push_back(std::move(file));
    if (scan_.files.size() == FolderScan::kFilesMax)
      scan_.problems.push_back(fmt::format("more than {} files; the others are not read", FolderScan::kFilesMax));
  }

  void unlisted(const std::string& path, std::string problem) {
    scan_.unlisted.push_back(path);
    scan_.problems.push_back(std::move(problem));
  }
  void problem(const std::string& text) { scan_.problems.push_back(text); }
  void gone(const std::string& path) { scan_.gone.push_back(path); }
  FolderScan take() { return std::move(scan_); }

 private:
  FolderScan scan_;
  std::set<std::string> seen_;
};

}  // namespace

bool is_config_file_name(std::string_view name) {
  if (name.starts_with('.')) return false;  // editors' swap files, our temporary files, ConfigMaps' ..data
  return name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json");
}

ConfigFolders config_folders(const std::vector<std::string>& paths) {
  ConfigFolders folders;
  for (const std::string& path : paths) {
    if (!is_folder(path)) continue;
    visit_folder(path, [&](const std::string& folder, const Listing& listing) {
      folders.paths.push_back(folder);
      folders.complete = folders.complete && listing.problem.empty();
    });
  }
  return folders;
}

FolderScan scan_folders(const std::vector<std::string>& paths) {
  Scanner scanner;
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
        if (!listing.problem.empty()) scanner.unlisted(folder, listing.problem);
        if (!listing.left_out.empty()) scanner.problem(listing.left_out);
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
