// TCP sockets on a Loop: try first, wait only when the kernel says so.
//
// A Socket belongs to one loop. At most one task reads and one writes at a time. Reads and writes never raise SIGPIPE.
#pragma once

#include <sys/uio.h>
#include <optional>
#include <span>
#include <string>

#include "io/loop.h"
#include "io/task.h"
#include "net/address.h"

namespace sluice {

Error errno_error(int code, std::string_view what, Side side = Side::ours);

class Socket {
 public:
  Socket() = default;
  ~Socket() { close(); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // Takes a non-blocking descriptor over, and closes it when this fails; side: whose fault errors are.
  Status adopt(Loop& loop, int fd, Side side);
  void close();
  // Closes so that the peer sees a reset, not an end.
  void reset();
  bool open() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  Loop& loop() const { return *loop_; }
  Watch& watch() { return watch_; }

  // Begins to connect; then await writable() and ask connect_result().
  Status start_connect(Loop& loop, const SocketAddress& address);
  Status connect_result() const;

  // The bytes read, 0 at the peer's end; nothing when there is nothing to read now.
  std::optional<Result<size_t>> try_read(std::span<char> into);
  // The bytes written, perhaps fewer than given; nothing when the kernel takes none now.
  std::optional<Result<size_t>> try_write(std::span<const iovec> parts);
  std::optional<Result<size_t>> try_write(std::string_view bytes);

  // Waits until a read (write) is worth trying; ErrorKind::timeout after `deadline`.
  template <bool kRead>
  class Ready final : public Wait<Ready<kRead>, void> {
   public:
    Ready(Socket& socket, SteadyTime deadline) : socket_(socket), deadline_(deadline) {}
    bool start() {
      Watch& watch = socket_.watch_;
      if (kRead ? watch.readable : watch.writable) return true;
      (kRead ? watch.reader : watch.writer) = this;
      timer_.arm(*socket_.loop_, deadline_, expiry_);
      return false;
    }
    void stop() {
      timer_.disarm();
      Waiter*& slot = kRead ? socket_.watch_.reader : socket_.watch_.writer;
      if (slot == this) slot = nullptr;
    }
    Result<void> result() {
      if (timed_out_) return fail(ErrorKind::timeout, "timed out", socket_.side_);
      return {};
    }
    void wake() override {
      timer_.disarm();
      Wait<Ready<kRead>, void>::wake();
    }

   private:
    struct Expiry final : Waiter {
      explicit Expiry(Ready& r) : ready(r) {}
      void wake() override {
        ready.timed_out_ = true;
        ready.stop();
        ready.wake();
      }
      void cancel() override {}
      Ready& ready;
    };
    Socket& socket_;
    SteadyTime deadline_;
    Timer timer_;
    Expiry expiry_{*this};
    bool timed_out_ = false;
  };
  Ready<true> readable(SteadyTime deadline = SteadyTime::max()) { return {*this, deadline}; }
  Ready<false> writable(SteadyTime deadline = SteadyTime::max()) { return {*this, deadline}; }

  // At least one byte, or 0 at the end.
  Task<size_t> read(std::span<char> into, SteadyTime deadline = SteadyTime::max());
  // All of it. `idle`: the longest time without progress; 0: no limit.
  Task<void> write_all(std::string_view bytes, Nanos idle);
  Task<void> write_all(std::span<iovec> parts, Nanos idle);  // changes the parts as it goes

  void shutdown_write();
  SocketAddress local_address() const;

 private:
  Task<void> write_rest(std::span<iovec> parts, Nanos idle);
  Task<void> write_rest(std::string_view bytes, Nanos idle);
  Task<size_t> read_waiting(std::span<char> into, SteadyTime deadline);

  int fd_ = -1;
  Side side_ = Side::ours;
  Loop* loop_ = nullptr;
  Watch watch_;
};

// Connects within `timeout`.
Task<void> connect(Socket& socket, Loop& loop, SocketAddress address, Nanos timeout);

}  // namespace sluice
