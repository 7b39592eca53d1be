// Files that workers append lines to without waiting: a buffer per worker, written out in one piece.
//
// Buffers are written at 64 KiB, by flush() (call it every second and before the thread ends) and when the file goes.
// Regular files take a batch in one write with O_APPEND. Pipes, terminals and sockets take whole lines of up to
// PIPE_BUF at a time and only as long as they have room, so that a reader that stands still does not stop a worker.
// What cannot be written waits; over kWaitingBytesMax per worker new records are dropped and counted.
// A file that cannot be opened is tried again each second, at the time of a flush; records wait meanwhile, as above.
// The program must ignore SIGPIPE: a reader may go away between the look and the write.
// (A regular file on a disk that is slower than its page cache makes write() wait, as in nginx.)
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "base/time.h"

namespace sluice {

class LogFile {
 public:
  static constexpr size_t kFlushBytes = 64 * 1024;
  static constexpr size_t kWaitingBytesMax = 1024 * 1024;

  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;
  ~LogFile();

  // A record of this thread: append to what begin() gives, then call end(). nullptr: no room, the record is dropped.
  std::string* begin();
  void end();

  // Writes out what this thread has waiting, as far as the file takes it now.
  void flush();
  const std::string& path() const { return path_; }
  // Why it cannot be written, in a sentence; "" when it can.
  std::string problem();

  static constexpr Nanos kRetryEvery = 1s;

 private:
  friend class LogFiles;
  struct Descriptor;
  struct alignas(64) Buffer {
    std::string text;
    size_t flush_at = kFlushBytes;
    bool failing = false;  // the last write failed: told once, not for each batch
  };
  LogFile(std::string path, unsigned threads, Metrics& metrics);
  Status open();
  enum class Retry : uint8_t { in_time, now };
  bool open_if_need_be(Retry when);
  void flush(Buffer& buffer);
  size_t write_some(std::string_view text, int& error);

  const std::string path_;
  std::vector<Buffer> buffers_;             // by metric_slot
  std::mutex mutex_;                        // for file_, and for writing to what is not a regular file
  std::shared_ptr<const Descriptor> file_;  // null: it could not be opened so far
  std::string problem_;
  SteadyTime retry_at_{};
  MetricSet metrics_;
  Counter* dropped_;
  Counter* failed_;
};

// The open files, by path. One for the process; outlives every LogFile's user.
class LogFiles {
 public:
  LogFiles(unsigned threads, Metrics& metrics) : threads_(threads), metrics_(metrics) {}

  // The file under that path, opened when nobody has it; closed when the last holder lets go. "/dev/stdout" and
  // "/dev/stderr" are this process's. Made with mode 0640. One that cannot be opened has a problem(). Any thread.
  std::shared_ptr<LogFile> open(const std::string& path);
  // Whether this process could write the file, without opening or making it: a sentence why not, or "".
  static std::string try_out(const std::string& path);
  // Writes out the calling thread's buffers of all files.
  void flush();
  // Tries to open what could not be opened. Any thread.
  void retry();
  // Opens every file anew by its name, after it was rotated. One that cannot be opened stays as it is. Any thread.
  void reopen();

  static std::vector<MetricFamily> metrics();

 private:
  std::vector<std::shared_ptr<LogFile>> open_files();

  unsigned threads_;
  Metrics& metrics_;
  std::mutex mutex_;
  std::vector<std::pair<std::string, std::weak_ptr<LogFile>>> files_;
};

}  // namespace sluice
