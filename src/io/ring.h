// io_uring of one loop: operations that are handed to the kernel together, once a turn, and say when they are done.
//
// For sockets whose messages are small: bytes that come are in memory when the loop wakes up, bytes that go are taken
// by the system call that waits for the next, so that a request costs hardly a system call of its own. Belongs to the
// thread that made it. Linux 6.1; who may not have it (an old kernel, a container that forbids it) uses epoll alone.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/intrusive_list.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/time.h"

struct io_uring;
struct io_uring_buf_ring;
struct io_uring_sqe;

namespace sluice {

// What rings count; as it comes it counts nothing.
struct RingMetrics {
  RingMetrics() = default;
  explicit RingMetrics(Metrics& metrics);

  Gauge* workers = nullptr;
  Counter* by_calls = nullptr;
  Counter* buffers_missing = nullptr;
  Gauge* lingering = nullptr;
  Counter* lingering_cut = nullptr;
};
std::vector<MetricFamily> ring_metric_families();

class Ring {
 public:
  static constexpr size_t kBufferBytes = 4096;  // that one receive() gives at most at a time
  static constexpr unsigned kBuffers = 256;     // in which bytes come: those of all streams of one turn

  // Fails where the kernel has or allows no io_uring that can do all of this.
  static Result<std::unique_ptr<Ring>> create(const RingMetrics& metrics = {});
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  // Ends what is under way; nobody is told but those that it keeps.
  ~Ring();

  // Who asks for operations, and is told of them by their numbers, which are its own: at most one of each at a time. It
  // stays where it is from the start of an operation until its last completion.
  class alignas(8) User {
   public:
    // `result`: of the system call, or the error as a negative number. `more`: another completion follows. Takes note
    // and wakes nobody: the others of this turn have not been told yet.
    virtual void completed(unsigned operation, int32_t result, uint32_t flags, bool more) = 0;
    // As it asked for: once, before the loop waits. Only here it may ask for operations, but for cancel(): what was
    // asked for earlier would be done to whatever has its descriptor's number when it is handed over.
    virtual void before_wait() {}
    // It was given to keep(), and the ring ends.
    virtual void ring_ends() {}

   protected:
    ~User() = default;

   private:
    friend class Ring;
    Links<User> links_;
    bool asked_ = false;
    bool kept_ = false;
  };
  static constexpr unsigned kOperations = 8;  // numbers are below it

  // Bytes that come, again and again: buffer_of(flags), until the end (0), an error, or cancel(). -ENOBUFS: there was
  // no buffer, begin again in the next turn.
  void receive(int fd, User& user, unsigned operation);
  // Sends what the socket has room for now; -EAGAIN: none. `bytes` must stay until it is completed.
  void send(int fd, std::string_view bytes, User& user, unsigned operation);
  // Tells of `events` (poll(2)), of errors and of hang-ups in any case: once, or at each edge.
  void poll(int fd, uint32_t events, bool again_and_again, User& user, unsigned operation);
  // The operation completes with -ECANCELED, unless it completes otherwise meanwhile.
  void cancel(User& user, unsigned operation);

  // The bytes of a completion of receive(); they are the caller's until give_back().
  std::span<const char> bytes(uint16_t buffer, size_t count) const;
  static uint16_t buffer_of(uint32_t flags);
  void give_back(uint16_t buffer);

  // Memory for bytes that go, kept for the next when it is given back.
  using Block = std::array<char, kBufferBytes>;
  std::unique_ptr<Block> take_block();
  void give_back(std::unique_ptr<Block> block);

  void tell_before_wait(User& user);
  void forget(User& user);

  // Hands over what has been asked for, waits at most `wait` for completions, tells of all that there are.
  void turn(Nanos wait);

  // One that nobody owns any more and whose operations are not done, until it takes itself back, which it does not
  // before a wait. It is told before each wait.
  void keep(User& user);
  void take_back(User& user);

  // Sockets whose streams have gone and that still have something to send. False: there are too many.
  bool begin_to_linger();
  void lingered(bool cut);
  void count_by_calls();

 private:
  static constexpr size_t kLingeringMax = 256;

  explicit Ring(const RingMetrics& metrics);
  io_uring_sqe& entry(uint64_t user_data);

  const RingMetrics metrics_;
  size_t lingering_ = 0;
  std::unique_ptr<io_uring> ring_;
  std::unique_ptr<io_uring_sqe> nowhere_;  // for what is asked for once its thread has ended
  io_uring_buf_ring* buffers_ = nullptr;
  std::unique_ptr<char[]> memory_;
  int given_back_ = 0;  // buffers that the kernel has not been told of yet
  std::vector<std::unique_ptr<Block>> blocks_;
  LinkedList<User, &User::links_> before_wait_;
  LinkedList<User, &User::links_> kept_;
};

}  // namespace sluice
