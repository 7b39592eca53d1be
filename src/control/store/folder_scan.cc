#include "control/store/folder_scan.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "config/load.h"
#include "control/store/file_write.h"
#include "control/store/kinds.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

struct Listing {
  std::vector<std::string> files;
  std::vector<std::string> folders;
  std::string problem;
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

bool is_plural(std::string_view name) {
  return std::ranges::any_of(kinds::all_kinds(), [name](const Kind& kind) { return kind.plural == name; });
}

// Gloo's file form keeps objects at <folder>/<plural>/<namespace>/<name>.yaml.
template <class Visit>
void visit_folder(const std::string& root, Visit visit) {
  const Listing listing = list_folder(root);
  visit(root, listing);
  for (const std::string& plural : listing.folders) {
    if (!is_plural(plural)) continue;
    const std::string below = root + "/" + plural;
    const Listing namespaces = list_folder(below);
    visit(below, Listing{.problem = namespaces.problem});
    for (const std::string& ns : namespaces.folders) visit(below + "/" + ns, list_folder(below + "/" + ns));
  }
}

class Scanner {
 public:
  void add(const std::string& path) {
    if (scan_.files.size() >= FolderScan::kFilesMax || !seen_.insert(path).second) return;
    auto bytes = read_file(path, kConfigFileBytesMax);
    if (!bytes && bytes.error().kind == ErrorKind::not_found) return;  // gone since it was listed
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
        for (const std::string& name : listing.files) scanner.add(folder + "/" + name);
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
