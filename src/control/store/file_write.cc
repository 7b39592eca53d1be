#include "control/store/file_write.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <openssl/sha.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/strings.h"
#include "control/store/folder_scan.h"

namespace sluice {
namespace {

constexpr std::string_view kTemporaryPrefix = ".sluice-";
constexpr std::string_view kTemporarySuffix = ".tmp";
constexpr std::string_view kKeptSuffix = ".not-put-back";
constexpr time_t kEmptySecondsMax = 5;
constexpr int kKeptMax = 100;   // of one file
constexpr int kSwapsMax = 101;  // odd: where nobody changes anything any more, the edit is the one in place

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
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

std::string temporary_path(const std::string& path) {
  static unsigned count = 0;  // control thread only
  return fmt::format("{}/{}{}-{}{}", parent_of(path), kTemporaryPrefix, ::getpid(), ++count, kTemporarySuffix);
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

Result<std::string> read_all_of(int fd, const std::string& path, size_t bytes_max) {
  struct stat info{};
  if (::fstat(fd, &info) != 0) return failed("read", path, errno);
  if (!S_ISREG(info.st_mode)) return fail(ErrorKind::io, fmt::format("cannot read {}: it is no regular file", path));
  std::string bytes;
  std::array<char, 65536> chunk;
  for (;;) {
    const ssize_t got = ::read(fd, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("read", path, errno);
    if (got == 0) return bytes;
    bytes.append(chunk.data(), static_cast<size_t>(got));
    if (bytes.size() > bytes_max) return fail(ErrorKind::limit, fmt::format("{} is over {} bytes", path, bytes_max));
  }
}

std::unexpected<Error> changed_meanwhile(const std::string& path) {
  return fail(ErrorKind::conflict,
              fmt::format("{} was changed on disk in the meantime; get the object again and retry", path));
}

// Of files elsewhere: without a word from their server (a delegation, an oplock) no lease is granted, whoever has them.
bool is_on_network(int fd) {
  constexpr std::array<long, 7> kNetwork = {NFS_SUPER_MAGIC,  SMB2_SUPER_MAGIC, CIFS_SUPER_MAGIC, SMB_SUPER_MAGIC,
                                            CEPH_SUPER_MAGIC, AFS_SUPER_MAGIC,  V9FS_MAGIC};
  struct statfs about{};
  return ::fstatfs(fd, &about) != 0 || std::ranges::find(kNetwork, static_cast<long>(about.f_type)) != kNetwork.end();
}

// Where nobody can tell: one without bytes was probably opened to be written anew.
bool is_just_emptied(int fd) {
  struct stat about{};
  return ::fstat(fd, &about) == 0 && about.st_size == 0 && ::time(nullptr) - about.st_mtim.tv_sec < kEmptySecondsMax;
}

// Whether somebody has the file open for writing: then a lease for reading is not granted. Where the system grants none
// (a file of somebody else, network file systems) nobody is known to.
bool is_being_written(int fd) {
  ::fcntl(fd, F_SETSIG, SIGURG);  // should somebody open it in this very moment: a signal that is ignored by default
  if (::fcntl(fd, F_SETLEASE, F_RDLCK) != 0) {
    if (errno != EAGAIN || is_on_network(fd)) return is_just_emptied(fd);
    return true;
  }
  ::fcntl(fd, F_SETLEASE, F_UNLCK);
  return false;
}

std::unexpected<Error> written_elsewhere(const std::string& path) {
  return fail(ErrorKind::conflict,
              fmt::format("{} is open for writing in another program; retry when that is done", path));
}

// Writers first: what they wrote before they were done is in the bytes that are read then.
Status check_content(const std::string& path, const std::string& expected) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW));
  if (!fd && (errno == ENOENT || errno == ELOOP)) return changed_meanwhile(path);
  if (!fd) return failed("read", path, errno);
  if (is_being_written(fd.get())) return written_elsewhere(path);
  const auto now = read_all_of(fd.get(), path, SIZE_MAX);
  if (!now) return std::unexpected(now.error());
  if (content_hash(*now) != expected) return changed_meanwhile(path);
  return {};
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

// A file that was put in place: it comes out again unless somebody replaced it, or wrote into it. Held open, since the
// number of a file that is gone is given to the next one that is made, which would then be taken for it.
class PutIn {
 public:
  // The file that is now at `path`. Not there, or no descriptor left: nothing will be taken for it.
  explicit PutIn(const char* path) : fd_(::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)) {
    struct stat info{};
    error_ = fd_ && ::fstat(fd_.get(), &info) == 0 ? 0 : errno;
    if (error_ != 0) return;
    const auto bytes = read_all_of(fd_.get(), path, SIZE_MAX);
    if (bytes) file_ = File{info.st_dev, info.st_ino, content_hash(*bytes)};
  }
  int error() const { return error_; }
  // Whether it is what is at `path` now, with nothing on its way into it.
  bool is_at(const std::string& path) const {
    const PutIn now(path.c_str());
    return file_ && file_ == now.file_ && !is_being_written(now.fd_.get());
  }

 private:
  struct File {
    dev_t device;
    ino_t number;
    std::string hash;
    bool operator==(const File&) const = default;
  };
  Descriptor fd_;
  int error_ = 0;
  std::optional<File> file_;
};

int swap(const char* a, const std::string& b) {
  return ::renameat2(AT_FDCWD, a, AT_FDCWD, b.c_str(), RENAME_EXCHANGE);
}

Status create(Temporary& temporary, const std::string& path) {
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

// Somebody's edit that cannot be put back is kept beside its file, under a name that no start removes.
std::unexpected<Error> not_put_back(Temporary& temporary, const std::string& path, std::string_view why) {
  std::string kept;
  Status done = fail(ErrorKind::conflict, "");
  for (int i = 1; i <= kKeptMax && !done && done.error().kind == ErrorKind::conflict; ++i) {
    kept = fmt::format("{}{}{}", path, kKeptSuffix, i == 1 ? "" : fmt::format("-{}", i));
    done = create(temporary, kept);
  }
  if (!done) {  // where it is: better than nowhere
    kept = temporary.path();
    temporary.renamed();
  }
  return fail(ErrorKind::conflict, fmt::format("{} was changed on disk in the meantime, and that edit could not be put "
                                               "back ({}): it is in {}",
                                               path, why, kept));
}

// After a swap that took out what it should not have: puts that back. What comes out then must be what was put in;
// anything else is an edit made meanwhile, newer than what was put back, and takes its place again.
Status swap_back(Temporary& temporary, const std::string& path, PutIn put_in, const std::function<void()>& before) {
  for (int i = 0; i < kSwapsMax; ++i) {
    PutIn putting_in(temporary.path());
    if (before) before();
    if (swap(temporary.path(), path) != 0) {
      if (errno == ENOENT) return {};  // removed meanwhile: that is newer still
      return not_put_back(temporary, path, std::strerror(errno));
    }
    if (put_in.is_at(temporary.path())) return {};
    put_in = std::move(putting_in);
  }
  return not_put_back(temporary, path, "it was changed again each time");
}

Status replace_expected(Temporary& temporary, const std::string& path, const std::string& expected,
                        const std::function<void()>& before_back) {
  PutIn ours(temporary.path());
  if (ours.error() != 0) return failed("look at", temporary.path(), ours.error());
  if (swap(temporary.path(), path) == 0) {
    auto taken_out = check_content(temporary.path(), expected);
    if (taken_out) return {};  // and goes with `temporary`
    TRY(swap_back(temporary, path, std::move(ours), before_back));
    if (taken_out.error().kind != ErrorKind::conflict) return taken_out;
    return changed_meanwhile(path);
  }
  if (errno == ENOENT) return changed_meanwhile(path);
  if (errno != EINVAL && errno != ENOSYS) return failed("rename to", path, errno);
  // A file system that cannot swap.
  if (::rename(temporary.path(), path.c_str()) != 0) return failed("rename to", path, errno);
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
  return read_all_of(fd.get(), path, bytes_max);
}

Result<std::string> read_written_file(const std::string& path, size_t bytes_max) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return failed("read", path, errno);
  if (is_being_written(fd.get())) return written_elsewhere(path);
  auto bytes = read_all_of(fd.get(), path, bytes_max);
  if (bytes && is_being_written(fd.get())) return written_elsewhere(path);  // opened in between
  return bytes;
}

Status replace_file(const std::string& path, std::string_view bytes, const std::optional<std::string>& expected,
                    unsigned new_mode, const std::function<void()>& meanwhile,
                    const std::function<void()>& before_back) {
  struct stat there{};
  there.st_mode = new_mode;
  if (expected) {
    if (auto target = check_target(path, there); !target) {
      if (target.error().kind == ErrorKind::not_found) return changed_meanwhile(path);
      return target;
    }
  }
  Temporary temporary(temporary_path(path));
  {
    const Descriptor fd(::open(temporary.path(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd) return failed("write in", parent_of(path), errno);
    TRY(write_all(fd.get(), bytes, path));
    if (::fchmod(fd.get(), there.st_mode & 07777) != 0) return failed("write", path, errno);
    if (expected && ::fchown(fd.get(), there.st_uid, there.st_gid) != 0 && errno != EPERM)
      return failed("write", path, errno);
  }
  if (expected) TRY(check_content(path, *expected));
  if (meanwhile) meanwhile();
  TRY(expected ? replace_expected(temporary, path, *expected, before_back) : create(temporary, path));
  return sync_folder(parent_of(path));
}

Status remove_file(const std::string& path, const std::string& expected, const std::function<void()>& meanwhile) {
  struct stat there{};
  if (auto target = check_target(path, there); !target && target.error().kind != ErrorKind::not_found) return target;
  TRY(check_content(path, expected));
  if (meanwhile) meanwhile();
  // Taken away under another name first: what it is then nobody can change any more by its name.
  Temporary taken(temporary_path(path));
  if (::rename(path.c_str(), taken.path()) != 0)
    return errno == ENOENT ? Status(changed_meanwhile(path)) : Status(failed("remove", path, errno));
  if (const auto content = check_content(taken.path(), expected); !content) {
    if (::renameat2(AT_FDCWD, taken.path(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0)
      taken.renamed();
    else if (errno != EEXIST)  // what appeared meanwhile is newer, and stays
      return not_put_back(taken, path, std::strerror(errno));
    return content.error().kind == ErrorKind::conflict ? Status(changed_meanwhile(path)) : content;
  }
  return sync_folder(parent_of(path));
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
    const bool alive = pid && *pid != static_cast<uint64_t>(::getpid()) &&
                       (::kill(static_cast<pid_t>(*pid), 0) == 0 || errno == EPERM);
    if (!alive) ::unlink((folder + "/" + entry->d_name).c_str());
  }
  ::closedir(listing);
}

}  // namespace sluice
