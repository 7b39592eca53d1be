#include "io/ring.h"

#include <liburing.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <cerrno>

#include "base/check.h"
#include "io/system_error.h"

namespace sluice {
namespace {

constexpr unsigned kEntries = 256;  // handed over at once; more take another system call
constexpr unsigned kCompletions = 2048;
constexpr uint16_t kGroup = 1;
constexpr size_t kBlocksKept = 256;

uint64_t address_of(const Ring::User& user, unsigned operation) {
  return reinterpret_cast<uintptr_t>(&user) | operation;
}

constexpr MetricFamily kWorkers{"sluice_io_uring_workers", "Workers whose loops use io_uring beside epoll.",
                                MetricType::gauge};
constexpr MetricFamily kByCalls{"sluice_io_uring_by_calls_total",
                                "Connections that went over from operations of io_uring to system calls: much goes "
                                "through them, or what they sent was not read at once."};
constexpr MetricFamily kBuffersMissing{"sluice_io_uring_buffers_missing_total",
                                       "Times that bytes of a connection came a turn later because all buffers of the "
                                       "worker were full."};
constexpr MetricFamily kLingering{"sluice_io_uring_lingering",
                                  "Connections that have ended and whose last bytes the client has not taken yet.",
                                  MetricType::gauge};
constexpr MetricFamily kLingeringCut{"sluice_io_uring_lingering_cut_total",
                                     "Connections whose last bytes were dropped: not taken for 30 s, or too many "
                                     "others wait so."};

void count(Counter* counter) {
  if (counter) counter->add();
}

}  // namespace

RingMetrics::RingMetrics(Metrics& metrics)
    : workers(metrics.metric(kWorkers)),
      by_calls(metrics.metric(kByCalls)),
      buffers_missing(metrics.metric(kBuffersMissing)),
      lingering(metrics.metric(kLingering)),
      lingering_cut(metrics.metric(kLingeringCut)) {}

std::vector<MetricFamily> ring_metric_families() {
  return {kWorkers, kByCalls, kBuffersMissing, kLingering, kLingeringCut};
}

Ring::Ring(const RingMetrics& metrics)
    : metrics_(metrics), ring_(std::make_unique<io_uring>()), memory_(new char[kBuffers * kBufferBytes]) {}

Result<std::unique_ptr<Ring>> Ring::create(const RingMetrics& metrics) {
  std::unique_ptr<Ring> out(new Ring(metrics));
  io_uring_params params{};
  params.flags =
      IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
  params.cq_entries = kCompletions;
  if (const int made = io_uring_queue_init_params(kEntries, out->ring_.get(), &params); made < 0) {
    out->ring_.reset();
    return std::unexpected(errno_error(-made, "io_uring"));
  }
  io_uring_register_ring_fd(out->ring_.get());  // where it fails each turn costs a little more
  void* const memory =
      ::mmap(nullptr, sizeof(io_uring_buf) * kBuffers, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
  if (memory == MAP_FAILED) return std::unexpected(errno_error(errno, "io_uring buffers"));
  out->buffers_ = static_cast<io_uring_buf_ring*>(memory);
  io_uring_buf_reg reg{};
  reg.ring_addr = reinterpret_cast<uintptr_t>(memory);
  reg.ring_entries = kBuffers;
  reg.bgid = kGroup;
  if (const int registered = io_uring_register_buf_ring(out->ring_.get(), &reg, 0); registered < 0)
    return std::unexpected(errno_error(-registered, "io_uring buffers"));
  io_uring_buf_ring_init(out->buffers_);
  for (unsigned i = 0; i < kBuffers; ++i) out->give_back(static_cast<uint16_t>(i));
  count(metrics.workers);
  return out;
}

Ring::~Ring() {
  if (ring_) io_uring_queue_exit(ring_.get());
  if (buffers_) ::munmap(buffers_, sizeof(io_uring_buf) * kBuffers);
  while (!kept_.empty()) {
    User& first = kept_.front();
    take_back(first);
    first.ring_ends();
  }
}

io_uring_sqe& Ring::entry(uint64_t user_data) {
  io_uring_sqe* out = io_uring_get_sqe(ring_.get());
  if (!out) {
    const int submitted = io_uring_submit(ring_.get());
    out = io_uring_get_sqe(ring_.get());
    if (!out && submitted == -EEXIST) {  // another thread takes apart what its own has left
      if (!nowhere_) nowhere_ = std::make_unique<io_uring_sqe>();
      out = nowhere_.get();
    }
  }
  CHECK(out != nullptr);
  *out = {};
  out->user_data = user_data;
  return *out;
}

// Written by hand: whether liburing's own functions clear `user_data` differs by version.
void Ring::receive(int fd, User& user, unsigned operation) {
  io_uring_sqe& to = entry(address_of(user, operation));
  to.opcode = IORING_OP_RECV;
  to.fd = fd;
  to.ioprio = IORING_RECV_MULTISHOT;
  to.flags = IOSQE_BUFFER_SELECT;
  to.buf_group = kGroup;
}

void Ring::send(int fd, std::string_view bytes, User& user, unsigned operation) {
  io_uring_sqe& to = entry(address_of(user, operation));
  to.opcode = IORING_OP_SEND;
  to.fd = fd;
  to.addr = reinterpret_cast<uintptr_t>(bytes.data());
  to.len = static_cast<unsigned>(bytes.size());
  to.msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
}

void Ring::poll(int fd, uint32_t events, bool again_and_again, User& user, unsigned operation) {
  io_uring_sqe& to = entry(address_of(user, operation));
  to.opcode = IORING_OP_POLL_ADD;
  to.fd = fd;
  to.poll32_events = events;
  if (again_and_again) to.len = IORING_POLL_ADD_MULTI;
}

void Ring::cancel(User& user, unsigned operation) {
  io_uring_sqe& to = entry(0);
  to.opcode = IORING_OP_ASYNC_CANCEL;
  to.fd = -1;
  to.addr = address_of(user, operation);
  to.flags = IOSQE_CQE_SKIP_SUCCESS;
}

std::span<const char> Ring::bytes(uint16_t buffer, size_t count) const {
  return {memory_.get() + size_t{buffer} * kBufferBytes, count};
}

uint16_t Ring::buffer_of(uint32_t flags) {
  return static_cast<uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT);
}

void Ring::give_back(uint16_t buffer) {
  io_uring_buf_ring_add(buffers_, memory_.get() + size_t{buffer} * kBufferBytes, kBufferBytes, buffer,
                        io_uring_buf_ring_mask(kBuffers), given_back_++);
}

std::unique_ptr<Ring::Block> Ring::take_block() {
  if (blocks_.empty()) return std::make_unique_for_overwrite<Block>();
  std::unique_ptr<Block> out = std::move(blocks_.back());
  blocks_.pop_back();
  return out;
}

void Ring::give_back(std::unique_ptr<Block> block) {
  if (blocks_.size() < kBlocksKept) blocks_.push_back(std::move(block));
}

bool Ring::begin_to_linger() {
  if (lingering_ >= kLingeringMax) {
    count(metrics_.lingering_cut);
    return false;
  }
  ++lingering_;
  count(metrics_.lingering);
  return true;
}

void Ring::lingered(bool cut) {
  --lingering_;
  if (metrics_.lingering) metrics_.lingering->sub();
  if (cut) count(metrics_.lingering_cut);
}

void Ring::count_by_calls() {
  count(metrics_.by_calls);
}

void Ring::keep(User& user) {
  forget(user);
  user.kept_ = true;
  kept_.push_back(user);
}

void Ring::take_back(User& user) {
  kept_.remove(user);
  user.kept_ = false;
}

void Ring::tell_before_wait(User& user) {
  if (!user.kept_ && !std::exchange(user.asked_, true)) before_wait_.push_back(user);
}

void Ring::forget(User& user) {
  if (std::exchange(user.asked_, false)) before_wait_.remove(user);
}

void Ring::turn(Nanos wait) {
  while (!before_wait_.empty()) {
    User& first = before_wait_.front();
    forget(first);
    first.before_wait();
  }
  for (User* user = kept_.empty() ? nullptr : &kept_.front(); user; user = user->links_.after) user->before_wait();
  if (given_back_ > 0) io_uring_buf_ring_advance(buffers_, std::exchange(given_back_, 0));
  if (wait.count() > 0) {
    __kernel_timespec at_most{.tv_sec = wait / 1s, .tv_nsec = (wait % 1s).count()};
    io_uring_cqe* first = nullptr;
    io_uring_submit_and_wait_timeout(ring_.get(), &first, 1, &at_most, nullptr);
  } else {
    io_uring_submit_and_get_events(ring_.get());
  }
  unsigned head = 0, told = 0;
  io_uring_cqe* completion = nullptr;
  io_uring_for_each_cqe(ring_.get(), head, completion) {
    ++told;
    constexpr uint64_t kOperation = kOperations - 1;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): 64 bits are what the kernel carries
    auto* const user = reinterpret_cast<User*>(static_cast<uintptr_t>(completion->user_data & ~kOperation));
    const uint32_t flags = completion->flags;
    if (completion->res == -ENOBUFS) count(metrics_.buffers_missing);
    if (user)
      user->completed(static_cast<unsigned>(completion->user_data & kOperation), completion->res, flags,
                      (flags & IORING_CQE_F_MORE) != 0);
  }
  io_uring_cq_advance(ring_.get(), told);
}

}  // namespace sluice
