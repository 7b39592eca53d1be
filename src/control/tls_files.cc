#include "control/tls_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>

#include "base/strings.h"
#include "io/system_error.h"

namespace sluice {
namespace {

struct Descriptor {
  int fd;
  explicit Descriptor(int number) : fd(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

Result<std::string> read_all(int fd, size_t bytes_max) {
  std::string out;
  char piece[16384];
  for (;;) {
    const ssize_t got = ::read(fd, piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::unexpected(errno_error(errno, "read"));
    if (got == 0) return out;
    out.append(piece, static_cast<size_t>(got));
    if (out.size() > bytes_max) return fail(ErrorKind::limit, fmt::format("is larger than {} bytes", bytes_max));
  }
}

int64_t nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

TlsFiles::Stamp TlsFiles::stamp_of(const std::string& path) {
  struct stat now{};
  if (::stat(path.c_str(), &now) != 0) return {};
  return {.there = true,
          .device = now.st_dev,
          .inode = now.st_ino,
          .size = now.st_size,
          .modified = nanoseconds(now.st_mtim),
          .changed = nanoseconds(now.st_ctim)};
}

// Nothing but a regular file: a pipe would be waited for.
Result<std::string> TlsFiles::read_once(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  const auto in = [&path](Error error) { return std::unexpected(std::move(error).in(printable(path, 200))); };
  if (file.fd < 0) return in(errno_error(errno, "open"));
  struct stat what{};
  if (::fstat(file.fd, &what) != 0) return in(errno_error(errno, "stat"));
  if (!S_ISREG(what.st_mode)) return in({.kind = ErrorKind::invalid, .message = "is no regular file"});
  auto text = read_all(file.fd, kBytesMax);
  if (!text) return in(std::move(text).error());
  return text;
}

const TlsFiles::File& TlsFiles::read(const std::string& path) {
  const auto [at, is_new] = files_.try_emplace(path);
  Known& known = at->second;
  if (!is_new) return known.file;
  known.stamp = stamp_of(path);  // before it is read: what is written meanwhile is another one
  known.file = {.text = read_once(path), .version = ++last_version_};
  return known.file;
}

std::vector<std::string> TlsFiles::changed() {
  std::vector<std::string> out;
  for (const auto& [path, known] : files_)
    if (stamp_of(path) != known.stamp) out.push_back(path);
  for (const std::string& path : out) files_.erase(path);
  return out;
}

}  // namespace sluice
