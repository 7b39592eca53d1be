#include "io/loop.h"

#include <sys/eventfd.h>
#include <unistd.h>
#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

namespace sluice {
namespace {

uint64_t millis_of(SteadyTime t) {
  return static_cast<uint64_t>(std::chrono::ceil<Millis>(t.time_since_epoch()).count());
}

}  // namespace

// --- timers: a wheel of 5 levels of 64 slots, one millisecond each at the lowest level ---------------------------

void Timer::arm(Loop& loop, SteadyTime when, Waiter& waiter) {
  disarm();
  if (when == SteadyTime::max()) return;
  loop_ = &loop;
  waiter_ = &waiter;
  tick_ = std::max(millis_of(when), loop.tick_ + 1);
  loop.place(*this);
}

void Timer::disarm() {
  if (!previous_) return;
  *previous_ = next_;
  if (next_) next_->previous_ = previous_;
  previous_ = nullptr;
  // An empty slot stays marked as occupied until its time comes: one idle turn at most.
}

void Loop::place(Timer& timer) {
  const uint64_t distance = timer.tick_ - tick_;
  size_t level = 0;
  while (level + 1 < kLevels && distance >= uint64_t{1} << (6 * (level + 1))) ++level;
  const uint64_t farthest = (uint64_t{1} << (6 * kLevels)) - 1;
  const uint64_t tick = distance > farthest ? tick_ + farthest : timer.tick_;
  const size_t slot = tick >> (6 * level) & (kSlots - 1);
  Timer*& head = wheel_[level][slot];
  timer.next_ = head;
  if (head) head->previous_ = &timer.next_;
  head = &timer;
  timer.previous_ = &head;
  occupied_[level] |= uint64_t{1} << slot;
}

void Loop::cascade(size_t level) {
  if (level >= kLevels) return;
  const size_t slot = tick_ >> (6 * level) & (kSlots - 1);
  if (slot == 0) cascade(level + 1);
  occupied_[level] &= ~(uint64_t{1} << slot);
  Timer* timer = std::exchange(wheel_[level][slot], nullptr);
  while (timer) {
    Timer* next = timer->next_;
    timer->previous_ = nullptr;
    place(*timer);
    timer = next;
  }
}

// The tick at which there may be something to do: exact at the lowest level, the start of a slot above it.
uint64_t Loop::next_tick() const {
  uint64_t best = UINT64_MAX;
  for (size_t level = 0; level < kLevels; ++level) {
    if (!occupied_[level]) continue;
    const uint64_t position = tick_ >> (6 * level);
    const auto at = static_cast<int>(position & (kSlots - 1));
    const int ahead = std::countr_zero(std::rotr(occupied_[level], (at + 1) & 63));
    best = std::min(best, (position + 1 + static_cast<uint64_t>(ahead)) << (6 * level));
  }
  return best;
}

void Loop::run_timers() {
  const uint64_t target = static_cast<uint64_t>(std::chrono::floor<Millis>(now_.time_since_epoch()).count());
  while (tick_ < target) {
    const uint64_t next = next_tick();
    if (next > target) {
      tick_ = target;
      return;
    }
    tick_ = next;
    const size_t slot = tick_ & (kSlots - 1);
    if (slot == 0) cascade(1);
    occupied_[0] &= ~(uint64_t{1} << slot);
    while (Timer* timer = wheel_[0][slot]) {
      timer->disarm();
      timer->waiter_->wake();
    }
  }
}

// --- descriptors ------------------------------------------------------------------------------------------------

void Readiness::take_note(uint32_t events) {
  if (events & (EPOLLERR | EPOLLHUP)) broken = true;
  if (events & EPOLLRDHUP) peer_closed = true;
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) readable = true;
  if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) writable = true;
}

Status Watch::attach(Loop& loop, int fd) {
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.ptr = this}};
  const bool full = loop.watches_ >= loop.watches_max_;
  if (full || epoll_ctl(loop.epoll_, EPOLL_CTL_ADD, fd, &event) != 0) {
    const int code = full ? ENOSPC : errno;
    std::string message = std::string("epoll: ") + std::strerror(code);
    if (code == ENOSPC) message += "; raise fs.epoll.max_user_watches";
    return std::unexpected(Error{.kind = ErrorKind::io, .message = std::move(message), .code = code});
  }
  ++loop.watches_;
  loop_ = &loop;
  fd_ = fd;
  readable = writable = true;
  peer_closed = broken = false;
  return {};
}

void Watch::release() {
  if (!loop_) return;
  --loop_->watches_;
  epoll_ctl(loop_->epoll_, EPOLL_CTL_DEL, fd_, nullptr);
  // Events of this turn that have not been handled yet must not find us.
  for (int i = loop_->event_at_; i < loop_->event_count_; ++i)
    if (loop_->events_[static_cast<size_t>(i)].data.ptr == this)
      loop_->events_[static_cast<size_t>(i)].data.ptr = nullptr;
  loop_ = nullptr;
  reader = writer = on_hangup = nullptr;
}

void Loop::handle(Watch& watch, uint32_t events) {
  watch.news_ = false;
  watch.take_note(events);
  // A wake may destroy the watch: take what is to be told first, and look at the event's entry after each.
  const int at = event_at_ - 1;
  const auto alive = [&] { return events_[static_cast<size_t>(at)].data.ptr == &watch; };
  if (watch.writable && watch.writer) {
    event_at_ = at;  // so that release() finds this entry too
    std::exchange(watch.writer, nullptr)->wake();
    event_at_ = at + 1;
    if (!alive()) return;
  }
  if (watch.readable && watch.reader) {
    event_at_ = at;
    std::exchange(watch.reader, nullptr)->wake();
    event_at_ = at + 1;
    if (!alive()) return;
  }
  if ((watch.peer_closed || watch.broken) && watch.on_hangup) std::exchange(watch.on_hangup, nullptr)->wake();
}

bool Loop::may_have_news(const Watch& watch) const {
  return batch_full_ || watch.news_;
}

void Loop::dispatch(int count) {
  event_count_ = count;
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events_[static_cast<size_t>(i)];
    static_cast<Watch*>(event.data.ptr)->news_ = (event.events & ~EPOLLOUT) != 0;
  }
  for (event_at_ = 0; event_at_ < event_count_;) {
    const epoll_event& event = events_[static_cast<size_t>(event_at_++)];
    if (event.data.ptr) handle(*static_cast<Watch*>(event.data.ptr), event.events);
  }
  event_at_ = event_count_ = 0;
}

// --- the loop ---------------------------------------------------------------------------------------------------

Loop::Loop() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  wakeup_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  CHECK(epoll_ >= 0 && wakeup_ >= 0);
  CHECK(wakeup_watch_.attach(*this, wakeup_).has_value());
  now_ = steady_now();
  wall_ = wall_now();
  tick_ = static_cast<uint64_t>(std::chrono::floor<Millis>(now_.time_since_epoch()).count());
}

Loop::~Loop() {
  ring_.reset();
  wakeup_watch_.release();
  close(wakeup_);
  close(epoll_);
}

void Loop::read_clocks() {
  if (manual_) return;
  now_ = steady_now();
  wall_ = wall_now();
}

void Loop::use_manual_clock(SteadyTime now, WallTime wall) {
  manual_ = true;
  now_ = now;
  wall_ = wall;
  tick_ = static_cast<uint64_t>(std::chrono::floor<Millis>(now_.time_since_epoch()).count());
}

void Loop::advance(Nanos by) {
  CHECK(manual_);
  now_ += by;
  wall_ += by;
  run_timers();
  run_deferred();
}

Nanos Loop::longest_wait(Nanos wait) const {
  if (!deferred_.empty()) return Nanos(0);
  if (!manual_) {
    const uint64_t next = next_tick();
    if (next != UINT64_MAX) {
      const SteadyTime due{std::chrono::duration_cast<Nanos>(Millis(static_cast<int64_t>(next)))};
      wait = std::min(wait, std::max(due - now_, Nanos(0)));
    }
  }
  return std::min(wait, Nanos(3600s));
}

Status Loop::use_ring(const RingMetrics& metrics) {
  CHECK(!ring_);
  ring_ = TRY(Ring::create(metrics));
  return {};
}

void Loop::EventsAhead::completed(unsigned /*operation*/, int32_t /*result*/, uint32_t /*flags*/, bool more) {
  told = true;
  again = !more;
}

int Loop::wait_for_events(Nanos wait) {
  const auto look = [this](int64_t millis) {
    return epoll_wait(epoll_, events_.data(), kEventsMax, static_cast<int>(millis));
  };
  if (!ring_) return look(std::chrono::ceil<Millis>(wait).count());
  if (std::exchange(events_ahead_.again, false)) ring_->poll(epoll_, EPOLLIN, true, events_ahead_, 0);
  ring_->turn(batch_full_ ? Nanos(0) : wait);
  // An edge: as long as there may be events that have not been fetched, none follows.
  if (!batch_full_ && !std::exchange(events_ahead_.told, false)) return 0;
  return look(0);
}

void Loop::turn(Nanos wait) {
  ++turns_;
  deferred_.insert(deferred_.end(), deferred_to_next_turn_.begin(), deferred_to_next_turn_.end());
  deferred_to_next_turn_.clear();
  const int count = wait_for_events(longest_wait(wait));
  read_clocks();
  batch_full_ = count == kEventsMax;
  if (count > 0) dispatch(count);
  run_posted();
  run_timers();
  run_deferred();
}

void Loop::run() {
  stopped_ = false;
  read_clocks();
  while (!stopped_) turn(3600s);
}

void Loop::post(std::move_only_function<void()> job) {
  bool wake = false;
  {
    const std::scoped_lock lock(mutex_);
    posted_.push_back(std::move(job));
    wake = !std::exchange(wake_pending_, true);
  }
  const uint64_t one = 1;
  if (wake) [[maybe_unused]]
    const ssize_t written = write(wakeup_, &one, sizeof one);
}

void Loop::stop() {
  post([this] { stopped_ = true; });
}

void Loop::run_posted() {
  if (!wakeup_watch_.readable) return;
  wakeup_watch_.readable = false;
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = read(wakeup_, &count, sizeof count);
  std::vector<std::move_only_function<void()>> jobs;
  {
    const std::scoped_lock lock(mutex_);
    jobs.swap(posted_);
    wake_pending_ = false;
  }
  for (auto& job : jobs) job();
}

void Loop::run_deferred() {
  // One batch a turn: what is deferred meanwhile waits until others have had theirs.
  deferred_running_.swap(deferred_);
  for (size_t i = 0; i < deferred_running_.size(); ++i)
    if (Waiter* waiter = std::exchange(deferred_running_[i], nullptr)) waiter->wake();
  deferred_running_.clear();
}

void Loop::undefer(Waiter& waiter) {
  std::ranges::replace(deferred_running_, &waiter, nullptr);
  std::erase(deferred_, &waiter);
  std::erase(deferred_to_next_turn_, &waiter);
}

// --- Event ------------------------------------------------------------------------------------------------------

void Event::notify(Loop& loop) {
  if (!first_) set_ = true;
  for (Await* await = first_; await; await = await->next_)
    if (!std::exchange(await->told_, true)) loop.defer(*await);
}

bool Event::Await::start() {
  if (std::exchange(event_.set_, false)) return true;
  next_ = std::exchange(event_.first_, this);
  timer_.arm(loop_, deadline_, expiry_);
  return false;
}

void Event::Await::leave() {
  timer_.disarm();
  Await** at = &event_.first_;
  while (*at && *at != this) at = &(*at)->next_;
  if (*at) *at = next_;
}

// Cancelled: what it was told and will not act on is for the next.
void Event::Await::stop() {
  leave();
  if (told_) loop_.undefer(*this);
  if (told_ && !event_.first_) event_.set_ = true;
}

Result<void> Event::Await::result() {
  if (!told_ && timed_out_) return fail(ErrorKind::timeout, "timed out");
  return {};
}

void Event::Await::wake() {
  leave();
  Wait::wake();
}

void Event::Await::Expiry::wake() {
  if (await.told_) await.loop_.undefer(await);
  await.timed_out_ = true;
  await.wake();
}

// --- heavy work -------------------------------------------------------------------------------------------------

// Who comes meanwhile stands behind those that wait, also where this turn has had no piece yet.
bool HeavyWork::Turn::start() {
  if (work_.waiting_.empty() && work_.done_in_ != work_.loop_.turns()) {
    work_.done_in_ = work_.loop_.turns();
    return true;
  }
  if (work_.waiting_.empty()) work_.loop_.defer_to_next_turn(work_);
  work_.waiting_.push_back(*this);
  return false;
}

void HeavyWork::Turn::stop() {
  work_.waiting_.remove(*this);
  if (work_.waiting_.empty()) work_.loop_.undefer(work_);
}

void HeavyWork::wake() {
  Turn& first = waiting_.front();
  waiting_.remove(first);
  if (!waiting_.empty()) loop_.defer_to_next_turn(*this);
  done_in_ = loop_.turns();
  first.wake();
}

}  // namespace sluice
