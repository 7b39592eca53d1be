#include "observe/log_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <condition_variable>
#include <cstring>
#include <optional>
#include <span>
#include <thread>

#include "base/check.h"
#include "base/log.h"
#include "base/log_queue.h"
#include "base/thread_name.h"

namespace sluice {
namespace {

constexpr MetricFamily kDropped = {"sluice_access_log_dropped_total",
                                   "Access log records dropped because the file takes no more."};
constexpr MetricFamily kFailed = {"sluice_access_log_write_failures_total",
                                  "Times an access log could not be opened or written."};
constexpr Nanos kRewriteEvery = 100ms;  // what a failed write left
constexpr Nanos kPatience = 1s;         // at the end, with a file that takes nothing
constexpr Nanos kPatienceInAll = 5s;

int standard_stream(std::string_view path) {
  if (path == "/dev/stdout") return STDOUT_FILENO;
  if (path == "/dev/stderr") return STDERR_FILENO;
  return -1;
}

std::string cannot_write(const std::string& path, int error) {
  return fmt::format("cannot write the access log {}: {}", path, std::strerror(error));
}

struct Descriptor {
  Descriptor(int number, bool is_regular) : fd(number), regular(is_regular) {}
  ~Descriptor() { ::close(fd); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  const int fd;
  const bool regular;
};

// No FIFO holds this up: one that nobody reads is an error.
Result<std::unique_ptr<const Descriptor>> open_descriptor(const std::string& path) {
  const int standard = standard_stream(path);
  const int fd = standard >= 0
                     ? ::fcntl(standard, F_DUPFD_CLOEXEC, 3)
                     : ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
  if (fd < 0) return fail(ErrorKind::io, cannot_write(path, errno));
  struct stat about{};
  const bool regular = ::fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
  return std::make_unique<const Descriptor>(fd, regular);
}

bool is_same(const Descriptor& a, const Descriptor& b) {
  struct stat one{}, other{};
  return ::fstat(a.fd, &one) == 0 && ::fstat(b.fd, &other) == 0 && one.st_dev == other.st_dev &&
         one.st_ino == other.st_ino;
}

// As much of the text as the file takes now; `error` when it failed.
size_t write_some(const Descriptor& file, std::string_view text, int& error) {
  if (file.regular) {
    const ssize_t n = ::write(file.fd, text.data(), text.size());
    if (n < 0) error = errno;
    return n < 0 ? 0 : static_cast<size_t>(n);
  }
  size_t written = 0;
  while (written < text.size()) {
    pollfd ready{file.fd, POLLOUT, 0};
    if (::poll(&ready, 1, 0) <= 0) break;
    if (ready.revents & (POLLERR | POLLHUP)) {  // nobody reads any more; a write would raise SIGPIPE
      error = EPIPE;
      break;
    }
    if ((ready.revents & POLLOUT) == 0) break;
    const std::string_view part = whole_lines(text.substr(written), PIPE_BUF);
    const ssize_t n = ::write(file.fd, part.data(), part.size());
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) {
      error = errno;
      break;
    }
    written += static_cast<size_t>(n);
  }
  return written;
}

}  // namespace

// What has been handed over for one file, and where it goes. Stays until it is written, also when its LogFile is gone.
class LogFile::Outlet {
 public:
  Outlet(std::string path, unsigned threads, Metrics& metrics)
      : path_(std::move(path)),
        metrics_(metrics),
        failed_(metrics_.metric(kFailed, {{"path", path_}})),
        handed_(threads) {}

  // Takes the text and gives an empty one, unless the same slot's last text still waits.
  void take(unsigned slot, std::string& text) {
    const std::scoped_lock lock(mutex_);
    std::string& handed = handed_[slot];
    if (!handed.empty()) return;
    handed.swap(text);
    waiting_bytes_.fetch_add(handed.size(), std::memory_order_relaxed);
  }
  // The LogFile is gone: its last texts, behind what waits.
  void take_last(std::span<const Buffer> buffers) {
    const std::scoped_lock lock(mutex_);
    for (size_t slot = 0; slot < buffers.size(); ++slot) {
      handed_[slot] += buffers[slot].text;
      waiting_bytes_.fetch_add(buffers[slot].text.size(), std::memory_order_relaxed);
    }
    give_up_ = steady_now() + kPatienceInAll;
  }

  // Below: one thread at a time, the one that writes.
  void write_out();
  void reopen();
  void retry() {
    if (stale_) return reopen();
    const std::scoped_lock alone(writing_mutex_);
    open();
  }
  bool can_be_written() const { return file_ != nullptr; }
  // To wait for room; -1: a file that always has some.
  int waits_for() const { return file_->regular || failing_ ? -1 : file_->fd; }

  // Any thread.
  std::string problem() {
    const std::scoped_lock lock(mutex_);
    return problem_;
  }
  size_t waiting_bytes() const { return waiting_bytes_.load(std::memory_order_relaxed); }
  bool empty() const { return waiting_bytes() == 0; }
  // Nobody logs to it any more, and all is written; or never will be.
  bool done() {
    const std::scoped_lock lock(mutex_);
    return give_up_ && (empty() || failing_ || !file_ || steady_now() >= *give_up_);
  }

 private:
  void open();
  bool write_out(std::string& text);
  void note_torn(std::string_view written);
  void tell(int error);

  const std::string path_;
  MetricSet metrics_;
  Counter* const failed_;
  std::mutex mutex_;  // for the three below; nobody writes while holding it
  std::vector<std::string> handed_;
  std::optional<SteadyTime> give_up_;     // the LogFile is gone
  std::string problem_;                   // why the file could not be opened so far
  std::atomic<size_t> waiting_bytes_{0};  // of handed_ and writing_
  std::mutex writing_mutex_;              // only where several threads write for themselves
  std::string writing_;
  std::string torn_;                        // the beginning of a record whose rest the file did not take
  std::unique_ptr<const Descriptor> file_;  // null: it could not be opened so far
  bool stale_ = false;                      // it is to be opened anew, which failed so far
  bool failing_ = false;                    // the last write failed: told once, not for each batch
};

void LogFile::Outlet::write_out() {
  const std::scoped_lock alone(writing_mutex_);
  bool goes_on = write_out(writing_);
  for (std::string& handed : handed_) {
    if (!goes_on) return;
    {
      const std::scoped_lock lock(mutex_);
      writing_.swap(handed);
    }
    goes_on = write_out(writing_);
  }
}

// Told when it begins and when it is over; between, only counted.
void LogFile::Outlet::open() {
  if (file_) return;
  auto opened = open_descriptor(path_);
  const std::string before = problem();
  const std::string after = opened ? "" : opened.error().message;
  {
    const std::scoped_lock lock(mutex_);
    problem_ = after;
  }
  if (opened) {
    file_ = std::move(*opened);
    if (!before.empty()) log::info("access_log", "can be written now", {{"path", path_}});
    return;
  }
  failed_->add();
  if (before.empty()) log::error("access_log", after + "; it is tried again, records wait, then are dropped");
}

// False: the file takes no more now.
bool LogFile::Outlet::write_out(std::string& text) {
  if (text.empty()) return true;
  if (!file_) return false;
  int error = 0;
  const size_t written = write_some(*file_, text, error);
  note_torn(std::string_view(text).substr(0, written));
  text.erase(0, written);
  waiting_bytes_.fetch_sub(written, std::memory_order_relaxed);
  // Not to keep a megabyte for ever after one bad moment.
  if (text.empty() && text.capacity() > 2 * kFlushBytes) text.shrink_to_fit();
  tell(error);
  return text.empty();
}

void LogFile::Outlet::note_torn(std::string_view written) {
  const size_t line_end = written.rfind('\n');
  if (line_end != std::string_view::npos) torn_.clear();
  torn_ += written.substr(line_end + 1);  // all of it where there is none
}

void LogFile::Outlet::tell(int error) {
  if (error != 0) failed_->add();
  static log::Site fails{LogLevel::error, "access_log", "cannot write; records wait, then are dropped"};
  static log::Site works{LogLevel::info, "access_log", "can write again"};
  if (error != 0 && !failing_ && fails.admits()) fails.write({{"path", path_}, {"error", std::strerror(error)}});
  if (error == 0 && failing_ && works.admits()) works.write({{"path", path_}});
  failing_ = error != 0;
}

void LogFile::Outlet::reopen() {
  auto opened = open_descriptor(path_);
  if (!opened) {
    failed_->add();
    if (!std::exchange(stale_, true))
      log::error("access_log", opened.error().message + "; it is tried again, records go on into the old file");
    const std::scoped_lock lock(mutex_);
    problem_ = opened.error().message + "; records go on into the old file";
    return;
  }
  if (std::exchange(stale_, false)) log::info("access_log", "could be opened anew now", {{"path", path_}});
  const std::scoped_lock alone(writing_mutex_);
  // A record of which the old file took the beginning, when the disk was full, is written whole into the new one.
  if (!torn_.empty() && !(file_ && is_same(*file_, **opened))) {
    waiting_bytes_.fetch_add(torn_.size(), std::memory_order_relaxed);
    writing_.insert(0, std::exchange(torn_, {}));
  }
  file_ = std::move(*opened);
  const std::scoped_lock lock(mutex_);
  problem_.clear();
}

// The thread that writes, or nobody: then those who hand over write for themselves.
class LogFile::Writer {
 public:
  Writer() : wakeup_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) { CHECK(wakeup_ >= 0); }
  ~Writer() { ::close(wakeup_); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void add(std::shared_ptr<Outlet> outlet) {
    const std::scoped_lock lock(mutex_);
    outlets_.push_back(std::move(outlet));
  }
  static void start(std::shared_ptr<Writer> self, unsigned slot) {
    self->running_ = true;
    std::thread([self = std::move(self), slot] {
      worker_index = slot;
      name_thread("access log");
      self->run();
    }).detach();
  }
  bool running() const { return running_; }
  // Something waits.
  void wake() {
    const uint64_t one = 1;
    if (!woken_.exchange(true)) [[maybe_unused]]
      const ssize_t written = ::write(wakeup_, &one, sizeof one);
  }
  void reopen() {
    if (!running_)
      for (const auto& outlet : all()) outlet->reopen();
    reopening_.store(true);
    wake();
  }
  void retry() {
    if (!running_)
      for (const auto& outlet : all()) outlet->retry();
    retrying_.store(true);
    wake();
  }
  void stop();
  // Closes what is done.
  void let_go() {
    const std::scoped_lock lock(mutex_);
    std::erase_if(outlets_, [](const auto& outlet) { return outlet->done(); });
  }

 private:
  std::vector<std::shared_ptr<Outlet>> all() {
    const std::scoped_lock lock(mutex_);
    return outlets_;
  }
  void run();
  void wait(const std::vector<std::shared_ptr<Outlet>>& outlets);

  const int wakeup_;
  bool running_ = false;
  std::atomic<bool> woken_{false};
  std::atomic<bool> reopening_{false};
  std::atomic<bool> retrying_{false};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable ended_now_;
  bool ended_ = false;
  std::vector<std::shared_ptr<Outlet>> outlets_;
};

void LogFile::Writer::run() {
  size_t waited_before = SIZE_MAX;
  for (SteadyTime moved = steady_now();;) {
    if (reopening_.exchange(false))
      for (const auto& outlet : all()) outlet->reopen();
    if (retrying_.exchange(false))
      for (const auto& outlet : all()) outlet->retry();
    size_t waiting = 0;
    for (const auto& outlet : all()) {
      outlet->write_out();
      waiting += outlet->waiting_bytes();
    }
    let_go();
    const SteadyTime now = steady_now();
    if (std::exchange(waited_before, waiting) > waiting) moved = now;
    if (stopping_.load() && (waiting == 0 || now >= moved + kPatience)) break;
    wait(all());
  }
  const std::scoped_lock lock(mutex_);
  ended_ = true;
  ended_now_.notify_all();
}

// Until something is handed over, a pipe that was full has room, or what failed is to be tried again.
void LogFile::Writer::wait(const std::vector<std::shared_ptr<Outlet>>& outlets) {
  std::vector<pollfd> for_what = {{wakeup_, POLLIN, 0}};
  bool again = stopping_.load();
  for (const auto& outlet : outlets) {
    if (outlet->empty() || !outlet->can_be_written()) continue;
    if (const int fd = outlet->waits_for(); fd >= 0)
      for_what.push_back({fd, POLLOUT, 0});
    else
      again = true;
  }
  const int millis = again ? static_cast<int>(std::chrono::duration_cast<Millis>(kRewriteEvery).count()) : -1;
  ::poll(for_what.data(), for_what.size(), millis);
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(wakeup_, &count, sizeof count);
  woken_.store(false);
}

void LogFile::Writer::stop() {
  if (!running_) return;
  stopping_.store(true);
  wake();
  std::unique_lock lock(mutex_);
  ended_now_.wait_for(lock, kPatienceInAll, [this] { return ended_; });
}

// ---- LogFile ----

LogFile::LogFile(std::string path, unsigned threads, Metrics& metrics, std::shared_ptr<Writer> writer)
    : path_(std::move(path)),
      buffers_(threads),
      outlet_(std::make_shared<Outlet>(path_, threads, metrics)),
      writer_(std::move(writer)),
      metrics_(metrics),
      dropped_(metrics_.metric(kDropped, {{"path", path_}})) {}

std::string LogFile::problem() {
  return outlet_->problem();
}

LogFile::~LogFile() {
  outlet_->take_last(buffers_);
  if (writer_->running()) {
    writer_->wake();
    return;
  }
  outlet_->write_out();
  writer_->let_go();
}

std::string* LogFile::begin() {
  Buffer& buffer = buffers_[worker_index];
  if (buffer.text.size() < kWaitingBytesMax) return &buffer.text;
  dropped_->add();
  return nullptr;
}

void LogFile::end() {
  Buffer& buffer = buffers_[worker_index];
  // While the file takes nothing, a try for each further 64 KiB is enough; the worker's timer tries as well.
  if (buffer.text.size() >= buffer.flush_at) flush(buffer);
}

void LogFile::flush() {
  flush(buffers_[worker_index]);
}

void LogFile::flush(Buffer& buffer) {
  if (!buffer.text.empty()) outlet_->take(worker_index, buffer.text);
  if (!writer_->running())
    outlet_->write_out();
  else if (!outlet_->empty())
    writer_->wake();
  buffer.flush_at = buffer.text.size() + kFlushBytes;
}

// ---- LogFiles ----

LogFiles::LogFiles(unsigned threads, Metrics& metrics)
    : threads_(threads), metrics_(metrics), writer_(std::make_shared<LogFile::Writer>()) {}

LogFiles::~LogFiles() {
  writer_->stop();
}

void LogFiles::start_writer() {
  LogFile::Writer::start(writer_, threads_);
}

void LogFiles::stop_writer() {
  flush();
  writer_->stop();
}

std::shared_ptr<LogFile> LogFiles::find(const std::string& path) {
  std::erase_if(files_, [](const auto& entry) { return entry.second.expired(); });
  for (const auto& [name, held] : files_)
    if (name == path)
      if (auto file = held.lock()) return file;
  return nullptr;
}

std::shared_ptr<LogFile> LogFiles::open(const std::string& path) {
  {
    const std::lock_guard lock(mutex_);
    if (auto file = find(path)) return file;
  }
  std::shared_ptr<LogFile> made(new LogFile(path, threads_, metrics_, writer_));
  made->outlet_->retry();  // a slow disk holds up this thread, but nobody who wants the lock
  const std::lock_guard lock(mutex_);
  if (auto file = find(path)) return file;
  writer_->add(made->outlet_);
  files_.emplace_back(path, made);
  return made;
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
  writer_->retry();
}

void LogFiles::reopen() {
  writer_->reopen();
}

std::vector<MetricFamily> LogFiles::metrics() {
  return {kDropped, kFailed};
}

}  // namespace sluice
