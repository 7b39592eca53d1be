// The event loop of one thread: readiness of file descriptors, timers, and messages from other threads.
//
// Edge-triggered epoll, and where it is asked for and can be had a Ring (io_uring) beside it, which then does the
// waiting for both. A descriptor is registered once, for everything, and never changed; a Watch remembers what is known
// about it, so that a read or write is tried first and waited for only when the kernel said "not now". The loop reads
// both clocks once a turn; everybody asks it for the time.
#pragma once

#include <sys/epoll.h>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/intrusive_list.h"
#include "base/random.h"
#include "base/time.h"
#include "io/pipes.h"
#include "io/ring.h"
#include "io/task.h"

namespace sluice {

class Loop;

// One entry of the loop's timer wheel. Belongs to one loop; disarms itself when it is destroyed.
class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { disarm(); }

  // Calls waiter.wake() at `when` or within a millisecond after it. Arming again moves it.
  void arm(Loop& loop, SteadyTime when, Waiter& waiter);
  void disarm();
  bool armed() const { return previous_ != nullptr; }

 private:
  friend class Loop;
  Timer** previous_ = nullptr;  // what points at us
  Timer* next_ = nullptr;
  uint64_t tick_ = 0;
  Waiter* waiter_ = nullptr;
  Loop* loop_ = nullptr;
};

// What is known about one end of a connection, and who waits for more.
struct Readiness {
  // Ready as far as is known: set by events, cleared by whoever meets EAGAIN or a short read.
  bool readable = true;
  bool writable = true;
  bool peer_closed = false;  // the peer will send no more (FIN)
  bool broken = false;       // error or reset: reads and writes tell which

  // Who is told of the next event of each kind; at most one each.
  Waiter* reader = nullptr;
  Waiter* writer = nullptr;
  // Told once when the peer closes or breaks the connection while nobody reads.
  Waiter* on_hangup = nullptr;

  void take_note(uint32_t events);  // those of epoll
};

// What the loop knows about one descriptor. Registered from attach() to release().
class Watch : public Readiness {
 public:
  Watch() = default;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  ~Watch() { release(); }

  // The descriptor stays its owner's, also when this fails.
  Status attach(Loop& loop, int fd);
  void release();  // does not close the descriptor
  bool attached() const { return loop_ != nullptr; }
  Loop& loop() const { return *loop_; }
  int fd() const { return fd_; }

 private:
  friend class Loop;
  Loop* loop_ = nullptr;
  int fd_ = -1;
  bool news_ = false;  // its event of this turn's batch has not been handled yet
};

// Work that takes long, up to milliseconds: one piece of it is done in a turn, so that all else has its time in
// between, first come, first served. co_await loop.heavy_work.turn() before each piece.
class HeavyWork final : private Waiter {
 public:
  explicit HeavyWork(Loop& loop) : loop_(loop) {}
  class Turn final : public Wait<Turn, void> {
   public:
    explicit Turn(HeavyWork& work) : work_(work) {}
    bool start();
    void stop();
    Result<void> result() { return {}; }

   private:
    friend class HeavyWork;
    HeavyWork& work_;
    Links<Turn> links_;
  };
  Turn turn() { return Turn(*this); }

 private:
  void wake() override;
  void cancel() override {}

  Loop& loop_;
  LinkedList<Turn, &Turn::links_> waiting_;
  uint64_t done_in_ = UINT64_MAX;  // the turn that had its piece
};

class Loop {
 public:
  Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop();

  // Turns until stop(). One thread only; all other members but post() and stop() are that thread's too.
  void run();
  // One turn: waits at most `wait` for events, handles them, runs what is due. For tests and start-up.
  void turn(Nanos wait);

  SteadyTime now() const { return now_; }
  // Of the clock itself, where what happens within a turn is measured: costs a look at it.
  SteadyTime precise_now() const { return manual_ ? now_ : steady_now(); }
  // Counts up with each turn.
  uint64_t turns() const { return turns_; }
  WallTime wall() const { return wall_; }

  // From now on streams of sockets use the operations of a Ring. On the loop's thread, before there are any; fails
  // where the kernel has none or forbids it, and all is as before then.
  Status use_ring(const RingMetrics& metrics = {});
  // Null: it has none.
  Ring* ring() const { return ring_.get(); }

  // Runs `job` on the loop's thread, later. Any thread. The queue is bounded by what its callers bound.
  void post(std::move_only_function<void()> job);
  // Makes run() return soon. Any thread.
  void stop();

  // Wakes the waiter in this turn, after the events at hand: for waking a task from another one's stack.
  void defer(Waiter& waiter) { deferred_.push_back(&waiter); }
  // The same in the next turn, once all others that are ready have had theirs.
  void defer_to_next_turn(Waiter& waiter) { deferred_to_next_turn_.push_back(&waiter); }
  // Takes either back.
  void undefer(Waiter& waiter);

  // Whether `watch` may have become readable without having been told: its event stands further back in this turn's
  // batch, or may not have found room in it. Costs no system call.
  bool may_have_news(const Watch& watch) const;

  // For choices that this thread makes. Tests may give it a seed.
  Random random{random_seed()};
  PipeStock pipes;
  HeavyWork heavy_work{*this};

  // From now on time moves only by advance(). For tests.
  void use_manual_clock(SteadyTime now, WallTime wall);
  void advance(Nanos by);
  // From now on attaching more watches than this fails with ENOSPC, as at the kernel's limit
  // (fs.epoll.max_user_watches). For tests.
  void limit_watches(size_t most) { watches_max_ = most; }

 private:
  friend class Timer;
  friend class Watch;
  static constexpr int kEventsMax = 1024;
  static constexpr size_t kLevels = 5;
  static constexpr size_t kSlots = 64;

  int wait_for_events(Nanos wait);
  void read_clocks();
  void dispatch(int count);
  void handle(Watch& watch, uint32_t events);
  void run_posted();
  void run_deferred();
  void run_timers();
  Nanos longest_wait(Nanos wait) const;
  void place(Timer& timer);
  void cascade(size_t level);
  uint64_t next_tick() const;

  // That there are events of epoll, while the ring waits.
  struct EventsAhead final : Ring::User {
    void completed(unsigned operation, int32_t result, uint32_t flags, bool more) override;
    bool told = true;
    bool again = true;  // it must be asked for
  };

  int epoll_ = -1;
  int wakeup_ = -1;
  EventsAhead events_ahead_;
  std::unique_ptr<Ring> ring_;
  size_t watches_ = 0;
  size_t watches_max_ = SIZE_MAX;
  Watch wakeup_watch_;
  bool manual_ = false;
  bool stopped_ = false;
  SteadyTime now_;
  WallTime wall_;
  uint64_t turns_ = 0;

  std::array<epoll_event, kEventsMax> events_;
  int event_at_ = 0;
  int event_count_ = 0;
  bool batch_full_ = false;  // more descriptors may be ready than this turn's events tell

  uint64_t tick_ = 0;  // milliseconds of the steady clock up to which timers have run
  std::array<std::array<Timer*, kSlots>, kLevels> wheel_{};
  std::array<uint64_t, kLevels> occupied_{};

  std::vector<Waiter*> deferred_;
  std::vector<Waiter*> deferred_running_;
  std::vector<Waiter*> deferred_to_next_turn_;
  std::mutex mutex_;
  std::vector<std::move_only_function<void()>> posted_;
  bool wake_pending_ = false;
};

// co_await sleep_until(loop, when)
class SleepUntil final : public Wait<SleepUntil, void> {
 public:
  SleepUntil(Loop& loop, SteadyTime when) : loop_(loop), when_(when) {}
  bool start() {
    if (when_ <= loop_.now()) return true;
    timer_.arm(loop_, when_, *this);
    return false;
  }
  void stop() { timer_.disarm(); }
  Result<void> result() { return {}; }

 private:
  Loop& loop_;
  SteadyTime when_;
  Timer timer_;
};
inline SleepUntil sleep_until(Loop& loop, SteadyTime when) {
  return {loop, when};
}
inline SleepUntil sleep_for(Loop& loop, Nanos duration) {
  return {loop, later(loop.now(), duration)};
}

// co_await next_turn(loop): goes on once all others that are ready have had their turn.
class NextTurn final : public Wait<NextTurn, void> {
 public:
  explicit NextTurn(Loop& loop) : loop_(loop) {}
  bool start() {
    loop_.defer_to_next_turn(*this);
    return false;
  }
  void stop() { loop_.undefer(*this); }
  Result<void> result() { return {}; }

 private:
  Loop& loop_;
};
inline NextTurn next_turn(Loop& loop) {
  return NextTurn(loop);
}

// How often a loop may go round without waiting in one turn, so that no connection, however fast its ends are, keeps a
// worker to itself:
//
//   for (;;) {
//     if (budget.spent(loop)) { auto turn = next_turn(loop); CO_TRY(co_await turn); }
class TurnBudget {
 public:
  explicit constexpr TurnBudget(unsigned rounds) : rounds_(rounds), left_(rounds) {}
  // Counts one round; true when this turn's are used up.
  bool spent(const Loop& loop) {
    if (loop.turns() != turn_) {
      turn_ = loop.turns();
      left_ = rounds_;
    }
    if (left_ == 0) return true;
    --left_;
    return false;
  }

 private:
  const unsigned rounds_;
  unsigned left_;
  uint64_t turn_ = 0;
};

// A signal between tasks on the same loop: notify() wakes all that wait, or is remembered for the next that does.
class Event {
 public:
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  void notify(Loop& loop);
  class Await final : public Wait<Await, void> {
   public:
    Await(Event& event, Loop& loop, SteadyTime deadline) : event_(event), loop_(loop), deadline_(deadline) {}
    bool start();
    void stop();
    Result<void> result();
    void wake() override;

   private:
    friend class Event;
    struct Expiry final : Waiter {
      explicit Expiry(Await& a) : await(a) {}
      void wake() override;
      void cancel() override {}
      Await& await;
    };
    void leave();

    Event& event_;
    Loop& loop_;
    SteadyTime deadline_;
    Timer timer_;
    Expiry expiry_{*this};
    Await* next_ = nullptr;
    bool told_ = false;
    bool timed_out_ = false;
  };
  // Gives ErrorKind::timeout after `deadline`.
  Await wait(Loop& loop, SteadyTime deadline = SteadyTime::max()) { return {*this, loop, deadline}; }

 private:
  bool set_ = false;
  Await* first_ = nullptr;  // those that wait, the one that came last in front
};

}  // namespace sluice
