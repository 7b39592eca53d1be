#include "control/store/file_write.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/strings.h"

namespace sluice {
namespace {

constexpr std::string_view kTemporaryPrefix = ".sluice-";
constexpr std::string_view kTemporarySuffix = ".tmp";

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

// Removes the temporary file unless it was renamed.
class Temporary {
 public:
  explicit Temporary(std::string path) : path_(std::move(path)) {}
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  ~Temporary() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  const char* path() const { return path_.c_str(); }
  void renamed() { path_.clear(); }

 private:
  std::string path_;
};

std::unexpected<Error> failed(std::string_view what, const std::string& path, int error) {
  ErrorKind kind = ErrorKind::io;
  std::string_view remedy;
  if (what == "read" && (error == EACCES || error == EPERM)) {
    kind = ErrorKind::denied;
    remedy = ": make it readable for sluice";
  } else if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
    kind = ErrorKind::limit;
    remedy = ": nothing was changed; free some space and try again";
  } else if (error == EROFS || error == EACCES || error == EPERM) {
    kind = ErrorKind::denied;
    remedy = ": change the object where this folder comes from, or make the folder writable for sluice";
  } else if (error == ENOENT) {
    kind = ErrorKind::not_found;
  }
  return std::unexpected(Error{.kind = kind,
                               .message = fmt::format("cannot {} {}: {}{}", what, path, std::strerror(error), remedy),
                               .code = error});
}

std::string folder_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string temporary_path(const std::string& path) {
  static unsigned count = 0;  // control thread only
  return fmt::format("{}/{}{}-{}{}", folder_of(path), kTemporaryPrefix, ::getpid(), ++count, kTemporarySuffix);
}

// What is there now must be a plain file of ours to change.
Status check_target(const std::string& path, struct stat& there) {
  if (::lstat(path.c_str(), &there) != 0) return failed("read", path, errno);
  if (S_ISLNK(there.st_mode))
    return fail(
        ErrorKind::denied,
        fmt::format("{} is a symbolic link, as in a mounted ConfigMap: change the object where that comes from", path));
  if (!S_ISREG(there.st_mode)) return fail(ErrorKind::denied, fmt::format("{} is no regular file", path));
  if (::access(path.c_str(), W_OK) != 0)
    return fail(
        ErrorKind::denied,
        fmt::format("{} is read-only ({}): change the object where it comes from, or make the file writable for sluice",
                    path, std::strerror(errno)));
  return {};
}

Status check_content(const std::string& path, const std::string& expected) {
  const auto now = read_file(path, SIZE_MAX);
  if (now && content_hash(*now) == expected) return {};
  if (!now && now.error().kind != ErrorKind::not_found) return std::unexpected(now.error());
  return fail(ErrorKind::conflict,
              fmt::format("{} was changed on disk in the meantime; get the object again and retry", path));
}

Status write_all(int fd, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("write", path, errno);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  // Without this a crash of the machine could leave the new name with no bytes behind it.
  if (::fsync(fd) != 0) return failed("write", path, errno);
  return {};
}

Status sync_folder(const std::string& folder) {
  const Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return failed("open", folder, errno);
  // Some file systems cannot sync a folder; they have nothing to sync there.
  if (::fsync(fd.get()) != 0 && errno != EINVAL && errno != EBADF) return failed("sync", folder, errno);
  return {};
}

Status put_in_place(Temporary& temporary, const std::string& path, bool replaces) {
  if (replaces) {
    if (::rename(temporary.path(), path.c_str()) != 0) return failed("rename to", path, errno);
    temporary.renamed();
    return {};
  }
  // link() never replaces what somebody else put there; the temporary name goes with `temporary`.
  if (::link(temporary.path(), path.c_str()) == 0) return {};
  if (errno == EEXIST) return fail(ErrorKind::conflict, fmt::format("{} appeared on disk in the meantime", path));
  if (errno != EPERM && errno != ENOTSUP && errno != ENOSYS) return failed("create", path, errno);
  // A file system without hard links.
  if (::renameat2(AT_FDCWD, temporary.path(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) != 0)
    return failed("create", path, errno);
  temporary.renamed();
  return {};
}

}  // namespace

std::string content_hash(std::string_view bytes) {
  std::string hash(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(),
         reinterpret_cast<unsigned char*>(hash.data()));
  return hash;
}

Result<std::string> read_file(const std::string& path, size_t bytes_max) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return failed("read", path, errno);
  struct stat info{};
  if (::fstat(fd.get(), &info) != 0) return failed("read", path, errno);
  if (!S_ISREG(info.st_mode)) return fail(ErrorKind::io, fmt::format("cannot read {}: it is no regular file", path));
  std::string bytes;
  std::array<char, 65536> chunk;
  for (;;) {
    const ssize_t got = ::read(fd.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("read", path, errno);
    if (got == 0) return bytes;
    bytes.append(chunk.data(), static_cast<size_t>(got));
    if (bytes.size() > bytes_max) return fail(ErrorKind::limit, fmt::format("{} is over {} bytes", path, bytes_max));
  }
}

Status replace_file(const std::string& path, std::string_view bytes, const std::optional<std::string>& expected) {
  struct stat there{};
  there.st_mode = 0644;
  if (expected) {
    if (auto target = check_target(path, there); !target) {
      if (target.error().kind == ErrorKind::not_found) return check_content(path, *expected);  // says it as a conflict
      return target;
    }
  }
  Temporary temporary(temporary_path(path));
  {
    const Descriptor fd(::open(temporary.path(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd) return failed("write in", folder_of(path), errno);
    TRY(write_all(fd.get(), bytes, path));
    if (::fchmod(fd.get(), there.st_mode & 07777) != 0) return failed("write", path, errno);
    if (expected && ::fchown(fd.get(), there.st_uid, there.st_gid) != 0 && errno != EPERM)
      return failed("write", path, errno);
  }
  if (expected) TRY(check_content(path, *expected));
  TRY(put_in_place(temporary, path, expected.has_value()));
  return sync_folder(folder_of(path));
}

Status remove_file(const std::string& path, const std::string& expected) {
  struct stat there{};
  if (auto target = check_target(path, there); !target && target.error().kind != ErrorKind::not_found) return target;
  TRY(check_content(path, expected));
  if (::unlink(path.c_str()) != 0) return failed("remove", path, errno);
  return sync_folder(folder_of(path));
}

bool is_leftover_name(std::string_view name) {
  return name.starts_with(kTemporaryPrefix) && name.ends_with(kTemporarySuffix);
}

void remove_leftovers(const std::string& folder) {
  DIR* listing = ::opendir(folder.c_str());
  if (!listing) return;
  while (const dirent* entry = ::readdir(listing)) {
    std::string_view name = entry->d_name;
    if (!is_leftover_name(name)) continue;
    name.remove_prefix(kTemporaryPrefix.size());
    const auto pid = parse_decimal(name.substr(0, name.find('-')));
    // Another sluice on the same folder may be in the middle of a write.
    const bool alive = pid && *pid != static_cast<uint64_t>(::getpid()) && ::kill(static_cast<pid_t>(*pid), 0) == 0;
    if (!alive) ::unlink((folder + "/" + entry->d_name).c_str());
  }
  ::closedir(listing);
}

}  // namespace sluice
