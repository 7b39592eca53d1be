// Files that workers append lines to without waiting: a buffer per worker, handed over in one piece to a thread that
// writes.
//
// Buffers are handed over at 64 KiB, by flush() (workers call it ten times a second and when they end) and when the
// file goes. Regular files take a batch in one write with O_APPEND; a disk that is slower than its page cache makes the
// writing thread wait, and nobody else. Pipes, terminals and sockets take whole lines of up to PIPE_BUF at a time and
// only as long as they have room. What cannot be written waits; over kWaitingBytesMax per worker, beside as much that
// has been handed over, new records are dropped and counted.
// A file that cannot be opened is tried again with each retry(); records wait meanwhile, as above.
// Without start_writer() whoever hands over writes himself, as far as the file takes it: for tests.
// The program must ignore SIGPIPE: a reader may go away between the look and the write.
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
  static constexpr size_t kFlushBytes = 64U << 10;
  static constexpr size_t kWaitingBytesMax = 1U << 20;

  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;
  ~LogFile();

  // A record of this thread: append to what begin() gives, then call end(). nullptr: no room, the record is dropped.
  std::string* begin();
  void end();

  // Hands over what this thread has waiting.
  void flush();
  const std::string& path() const { return path_; }
  // Why it cannot be written, in a sentence; "" when it can.
  std::string problem();

  static constexpr Nanos kRetryEvery = 1s;  // how often LogFiles::retry() is worth calling

 private:
  friend class LogFiles;
  struct alignas(64) Buffer {
    std::string text;
    size_t flush_at = kFlushBytes;
  };
  class Outlet;
  class Writer;
  LogFile(std::string path, unsigned threads, Metrics& metrics, std::shared_ptr<Writer> writer);
  void flush(Buffer& buffer);

  const std::string path_;
  std::vector<Buffer> buffers_;  // by worker_index
  std::shared_ptr<Outlet> outlet_;
  std::shared_ptr<Writer> writer_;
  MetricSet metrics_;
  Counter* dropped_;
};

// The open files, by path. One for the process; outlives every LogFile's user.
class LogFiles {
 public:
  // The thread that writes counts in slot `threads`, where there is one.
  LogFiles(unsigned threads, Metrics& metrics);
  ~LogFiles();

  // From now on a thread of its own writes. Before the first file is opened.
  void start_writer();
  // Writes what waits and ends that thread; one that gets no further for a second is left to the end of the process.
  void stop_writer();

  // The file under that path, opened when nobody has it; closed when the last holder lets go and all is written.
  // "/dev/stdout" and "/dev/stderr" are this process's. Made with mode 0640. One that cannot be opened has a problem().
  // Any thread.
  std::shared_ptr<LogFile> open(const std::string& path);
  // Whether this process could write the file, without opening or making it: a sentence why not, or "".
  static std::string try_out(const std::string& path);
  // Hands over the calling thread's buffers of all files.
  void flush();
  // Tries to open what could not be opened: soon, by the thread that writes. Any thread.
  void retry();
  // Opens every file anew by its name, after it was rotated: soon, by the thread that writes. One that cannot be opened
  // stays as it is, has a problem() and is tried again by retry(). Any thread.
  void reopen();

  static std::vector<MetricFamily> metrics();

 private:
  std::shared_ptr<LogFile> find(const std::string& path);  // holding mutex_
  std::vector<std::shared_ptr<LogFile>> open_files();

  unsigned threads_;
  Metrics& metrics_;
  std::shared_ptr<LogFile::Writer> writer_;  // its thread holds it too
  std::mutex mutex_;
  std::vector<std::pair<std::string, std::weak_ptr<LogFile>>> files_;
};

}  // namespace sluice
