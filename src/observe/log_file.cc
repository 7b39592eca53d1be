#include "observe/log_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "base/log.h"

namespace sluice {
namespace {

constexpr MetricFamily kDropped = {"sluice_access_log_dropped_total",
                                   "Access log records dropped because the file takes no more."};
constexpr MetricFamily kFailed = {"sluice_access_log_write_failures_total", "Writes to an access log that failed."};
constexpr size_t kPipeBytes = PIPE_BUF;

int standard_stream(std::string_view path) {
  if (path == "/dev/stdout") return STDOUT_FILENO;
  if (path == "/dev/stderr") return STDERR_FILENO;
  return -1;
}

// What a pipe takes at once: whole lines as far as they fit, else a part of the first.
std::string_view first_lines(std::string_view text) {
  if (text.size() <= kPipeBytes) return text;
  const size_t line_end = text.rfind('\n', kPipeBytes - 1);
  return text.substr(0, line_end == std::string_view::npos ? kPipeBytes : line_end + 1);
}

std::string cannot_write(const std::string& path, int error) {
  return fmt::format("cannot write the access log {}: {}", path, std::strerror(error));
}

}  // namespace

struct LogFile::Descriptor {
  Descriptor(int number, bool is_regular) : fd(number), regular(is_regular) {}
  ~Descriptor() { ::close(fd); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  const int fd;
  const bool regular;
};

LogFile::LogFile(std::string path, unsigned threads, Metrics& metrics)
    : path_(std::move(path)),
      buffers_(threads),
      metrics_(metrics),
      dropped_(metrics_.metric(kDropped, {{"path", path_}})),
      failed_(metrics_.metric(kFailed, {{"path", path_}})) {}

LogFile::~LogFile() {
  for (Buffer& buffer : buffers_) flush(buffer);
}

Status LogFile::open() {
  const int standard = standard_stream(path_);
  const int fd = standard >= 0
                     ? ::fcntl(standard, F_DUPFD_CLOEXEC, 3)
                     : ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
  if (fd < 0) return fail(ErrorKind::io, cannot_write(path_, errno));
  struct stat about{};
  const bool regular = ::fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
  auto opened = std::make_shared<const Descriptor>(fd, regular);
  const std::lock_guard lock(mutex_);
  file_ = std::move(opened);
  problem_.clear();
  return {};
}

std::string LogFile::problem() {
  const std::lock_guard lock(mutex_);
  return problem_;
}

// Told when it begins and when it is over; between, only counted.
bool LogFile::open_if_need_be(Retry when) {
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    if (file_) return true;
    const SteadyTime now = steady_now();
    if (when == Retry::in_time && now < retry_at_) return false;
    retry_at_ = now + kRetryEvery;
    first = problem_.empty();
  }
  Status opened = open();
  if (opened) {
    if (!first) log::info("access_log", "can be written now", {{"path", path_}});
    return true;
  }
  failed_->add();
  const std::lock_guard lock(mutex_);
  problem_ = opened.error().message;
  if (first) log::error("access_log", problem_ + "; it is tried again, records wait, then are dropped");
  return false;
}

std::string* LogFile::begin() {
  Buffer& buffer = buffers_[metric_slot];
  if (buffer.text.size() < kWaitingBytesMax) return &buffer.text;
  dropped_->add();
  return nullptr;
}

void LogFile::end() {
  Buffer& buffer = buffers_[metric_slot];
  // While the file takes nothing, a try for each further 64 KiB is enough; the worker's timer tries as well.
  if (buffer.text.size() < buffer.flush_at) return;
  flush(buffer);
  buffer.flush_at = buffer.text.size() + kFlushBytes;
}

void LogFile::flush() {
  Buffer& buffer = buffers_[metric_slot];
  flush(buffer);
  buffer.flush_at = buffer.text.size() + kFlushBytes;
}

void LogFile::flush(Buffer& buffer) {
  if (buffer.text.empty() || !open_if_need_be(Retry::in_time)) return;
  int error = 0;
  const size_t written = write_some(buffer.text, error);
  buffer.text.erase(0, written);
  // Not to keep a megabyte for ever after one bad moment.
  if (buffer.text.empty() && buffer.text.capacity() > 2 * kFlushBytes) buffer.text.shrink_to_fit();
  if (error != 0) failed_->add();
  if (error != 0 && !buffer.failing)
    log::error("access_log", "cannot write; records wait, then are dropped",
               {{"path", path_}, {"error", std::strerror(error)}});
  if (error == 0 && buffer.failing) log::info("access_log", "can write again", {{"path", path_}});
  buffer.failing = error != 0;
}

size_t LogFile::write_some(std::string_view text, int& error) {
  std::unique_lock lock(mutex_);
  const std::shared_ptr<const Descriptor> file = file_;
  if (file->regular) {
    lock.unlock();  // O_APPEND keeps batches apart
    const ssize_t n = ::write(file->fd, text.data(), text.size());
    if (n < 0) error = errno;
    return n < 0 ? 0 : static_cast<size_t>(n);
  }
  // One thread at a time: poll() speaks of room for one writer.
  size_t written = 0;
  while (written < text.size()) {
    pollfd ready{file->fd, POLLOUT, 0};
    if (::poll(&ready, 1, 0) <= 0) break;
    if (ready.revents & (POLLERR | POLLHUP)) {  // nobody reads any more; a write would raise SIGPIPE
      error = EPIPE;
      break;
    }
    if ((ready.revents & POLLOUT) == 0) break;
    const std::string_view part = first_lines(text.substr(written));
    const ssize_t n = ::write(file->fd, part.data(), part.size());
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) {
      error = errno;
      break;
    }
    written += static_cast<size_t>(n);
  }
  return written;
}

// ---- LogFiles ----

std::shared_ptr<LogFile> LogFiles::open(const std::string& path) {
  const std::lock_guard lock(mutex_);
  std::erase_if(files_, [](const auto& entry) { return entry.second.expired(); });
  for (const auto& [name, held] : files_)
    if (name == path)
      if (auto file = held.lock()) return file;
  std::shared_ptr<LogFile> file(new LogFile(path, threads_, metrics_));
  file->open_if_need_be(LogFile::Retry::now);
  files_.emplace_back(path, file);
  return file;
}

std::string LogFiles::try_out(const std::string& path) {
  if (standard_stream(path) >= 0) return {};
  struct stat about{};
  if (::stat(path.c_str(), &about) == 0) {
    if (S_ISDIR(about.st_mode)) return cannot_write(path, EISDIR);
    return ::faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0 ? "" : cannot_write(path, errno);
  }
  if (errno != ENOENT) return cannot_write(path, errno);
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
  return ::faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) == 0 ? "" : cannot_write(path, errno);
}

std::vector<std::shared_ptr<LogFile>> LogFiles::open_files() {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<LogFile>> out;
  for (const auto& [name, held] : files_)
    if (auto file = held.lock()) out.push_back(std::move(file));
  return out;
}

void LogFiles::flush() {
  for (const auto& file : open_files()) file->flush();
}

void LogFiles::retry() {
  for (const auto& file : open_files()) file->open_if_need_be(LogFile::Retry::now);
}

void LogFiles::reopen() {
  for (const auto& file : open_files())
    if (Status opened = file->open(); !opened) log::error("access_log", opened.error().message);
}

std::vector<MetricFamily> LogFiles::metrics() {
  return {kDropped, kFailed};
}

}  // namespace sluice
