#include "control/store/folder_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "control/store/folder_scan.h"
#include "control/store/kinds.h"

namespace sluice {
namespace {

// Not IN_MODIFY: a file that is being written is looked at when its writer closes it.
constexpr uint32_t kEvents =
    IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;

// Of folders in which only some names of folders count.
constexpr uint32_t kNameEvents = IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF;

bool has_file(const std::string& folder, const std::set<std::string>& names) {
  return std::ranges::any_of(names, [&folder](const std::string& name) { return !is_folder(folder + "/" + name); });
}

std::string_view name_of(std::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

bool is_link(const std::string& folder, std::string_view name) {
  std::error_code ignored;
  return !name.empty() && !name.starts_with('.') &&
         std::filesystem::is_symlink(fmt::format("{}/{}", folder, name), ignored);
}

}  // namespace

Result<FolderWatch> FolderWatch::create() {
  const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0)
    return fail(
        ErrorKind::limit,
        fmt::format("cannot watch for changes: {}; raise fs.inotify.max_user_instances, or the limit of open files",
                    std::strerror(errno)));
  return FolderWatch(fd);
}

FolderWatch::FolderWatch(FolderWatch&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), wanted_(std::move(other.wanted_)), watches_(std::move(other.watches_)) {}

FolderWatch::~FolderWatch() {
  if (fd_ >= 0) ::close(fd_);
}

void FolderWatch::want(const std::string& folder, std::string_view name) {
  wanted_[folder].names.emplace(name);
}

std::vector<std::string> FolderWatch::follow(const std::vector<std::string>& folders,
                                             const std::vector<std::string>& paths) {
  wanted_.clear();
  for (const std::string& folder : folders) wanted_[folder] = {.all_config_files = true, .names = {}, .needed = true};
  for (const std::string& path : paths) {
    // And the names of the folders above: one of them may be exchanged for another.
    bool is_nearest = true;
    for (std::string at = path; at != "/" && at != "."; at = parent_of(at)) {
      if (!is_folder(parent_of(at))) continue;
      want(parent_of(at), name_of(at));
      if (std::exchange(is_nearest, false)) wanted_[parent_of(at)].needed = true;
    }
  }
  std::vector<std::string> problems;
  std::map<int, std::vector<std::string>> now;
  for (const auto& [folder, what] : wanted_) {
    const uint32_t events = what.all_config_files || has_file(folder, what.names) ? kEvents : kNameEvents;
    const int watch = ::inotify_add_watch(fd_, folder.c_str(), events | IN_ONLYDIR);
    if (watch >= 0) {
      now[watch].push_back(folder);
    } else if (errno != ENOENT && errno != ENOTDIR && (what.needed || errno != EACCES)) {
      problems.push_back(fmt::format("cannot watch {}: {}{}", folder, std::strerror(errno),
                                     errno == ENOSPC ? "; raise fs.inotify.max_user_watches" : ""));
    }
  }
  for (const auto& [watch, folder] : watches_)
    if (!now.contains(watch)) ::inotify_rm_watch(fd_, watch);
  watches_ = std::move(now);
  return problems;
}

bool FolderWatch::drain() {
  alignas(inotify_event) std::array<char, 16384> buffer;
  bool any = false;
  for (;;) {
    const ssize_t got = ::read(fd_, buffer.data(), buffer.size());
    if (got <= 0) return any;
    for (size_t at = 0; at < static_cast<size_t>(got);) {
      const auto* event = reinterpret_cast<const inotify_event*>(buffer.data() + at);
      any =
          concerns(event->wd, event->mask, event->len > 0 ? std::string_view(event->name) : std::string_view()) || any;
      at += sizeof(inotify_event) + event->len;
    }
  }
}

bool FolderWatch::concerns(int watch, uint32_t mask, std::string_view name) const {
  if (mask & (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF)) return true;
  const auto folders = watches_.find(watch);
  if (folders == watches_.end()) return false;
  return std::ranges::any_of(folders->second, [&](const std::string& folder) {
    const Watched& wanted = wanted_.at(folder);
    if (wanted.names.contains(std::string(name))) return true;
    if (!wanted.all_config_files) return false;
    // "..data" is the link that a ConfigMap mount swaps when its files change. A folder, or a new link to one, may be
    // one of Gloo's file form.
    return is_config_file_name(name) || name == "..data" || (mask & IN_ISDIR) || is_link(folder, name);
  });
}

}  // namespace sluice
