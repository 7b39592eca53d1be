// State of a worker: Local<T> is one T for each thread, owned by a thing that all threads share.
//
//   Local<Cache> cache(loops, [](Loop& loop) { return std::make_unique<Cache>(loop); });   // once, at config time
//   cache.here()                                                                          // this worker's, on its
//   thread
//
// A T is made on its own thread when it is first asked for, and ends on its own loop: some time after the Local has
// gone, on whatever thread that was, or when the loop itself ends. If it has `Task<void> stop()`, that is run first and
// awaited: it cancels and joins the tasks that T owns, and waits for those who still use it. When the loop itself ends,
// stop() is cancelled, and must then end soon. A thread that never asked has nothing.
#pragma once

#include <concepts>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/worker_index.h"
#include "io/loop.h"
#include "io/task.h"

namespace sluice {

namespace local_detail {

// One T, whichever it is.
class Cell {
 public:
  virtual ~Cell() = default;
  virtual Task<void> stop() = 0;

 private:
  friend class Home;
  bool ending_ = false;
  std::list<std::unique_ptr<Cell>>::iterator self_;  // where its home has it: thousands may end at a time
};

template <class T>
class CellOf final : public Cell {
 public:
  explicit CellOf(std::unique_ptr<T> it) : value(std::move(it)) {}
  Task<void> stop() override {
    if constexpr (requires(T& t) {
                    { t.stop() } -> std::same_as<Task<void>>;
                  })
      return value->stop();
    else
      return Status{};
  }
  const std::unique_ptr<T> value;
};

// One loop, and what lives on it. Outlives the loop for as long as a Local knows it. Its thread's, but for post() and
// end_later().
class Home : public std::enable_shared_from_this<Home> {
 public:
  explicit Home(Loop& l) : loop(l) {}
  void add(std::unique_ptr<Cell> cell);
  void post(std::move_only_function<void()> job);
  void end_later(Cell& cell);
  void end_all();

  Loop& loop;

 private:
  Task<void> end(Cell& cell);
  void destroy(const Cell& cell);

  std::mutex mutex_;  // by who posts, and once to end
  bool open_ = true;  // guarded by it: the loop is there
  bool ending_ = false;
  std::list<std::unique_ptr<Cell>> cells_;  // the one that was made last at the end
  TaskGroup stopping_;
};

}  // namespace local_detail

// The threads that keep something each, by worker_index: the workers, and the control thread where there is one. A
// copy is the same threads.
class WorkerLoops {
 public:
  // None at all.
  WorkerLoops() : WorkerLoops(std::vector<Loop*>()) {}
  explicit WorkerLoops(const std::vector<Loop*>& workers, Loop* control = nullptr);

  // Without the control thread.
  unsigned workers() const { return workers_; }
  // With it.
  unsigned threads() const { return static_cast<unsigned>(homes_->size()); }
  Loop& loop(unsigned thread) const { return (*homes_)[thread]->loop; }
  // Runs `job` on that thread, later; or drops it, when its loop has ended. Any thread.
  void post(unsigned thread, std::move_only_function<void()> job) const { (*homes_)[thread]->post(std::move(job)); }

 protected:
  using Homes = std::vector<std::shared_ptr<local_detail::Home>>;
  friend class LocalSlots;

  unsigned workers_;
  std::shared_ptr<const Homes> homes_;
};

// For whoever owns the loops: what is left on them ends before they do.
class OwnedLoops : public WorkerLoops {
 public:
  using WorkerLoops::WorkerLoops;
  OwnedLoops(const OwnedLoops&) = delete;
  OwnedLoops& operator=(const OwnedLoops&) = delete;
  ~OwnedLoops();

  // On that thread, when it serves nobody any more, or on any once it has ended. Every T is asked to stop; when all
  // have, they go, the one that was made last first. Nobody may ask for one on that thread again.
  void end(unsigned thread);
};

// What Local<T> is for any T.
class LocalSlots {
 public:
  LocalSlots(const LocalSlots&) = delete;
  LocalSlots& operator=(const LocalSlots&) = delete;

  const WorkerLoops& loops() const { return loops_; }

 protected:
  explicit LocalSlots(const WorkerLoops& loops);
  ~LocalSlots();
  Loop& loop_here() const;
  void keep(std::unique_ptr<local_detail::Cell> cell) const;

 private:
  const WorkerLoops loops_;
  mutable std::vector<local_detail::Cell*> cells_;  // each is its thread's
};

// T is made by `make(Loop&, Args...)`, with what the first to ask gives; T need not be known where a Local is a member.
// Whoever calls here() holds the Local's owner meanwhile, and a T's users that go on without it must be counted by T:
// see stop(). A T does not hold its own Local, which would never go.
template <class T, class... Args>
class Local : public LocalSlots {
 public:
  template <class Make>
    requires std::is_convertible_v<std::invoke_result_t<const Make&, Loop&, Args...>, std::unique_ptr<T>>
  Local(const WorkerLoops& loops, Make make)
      : LocalSlots(loops), values_(loops.threads()), make_([make = std::move(make)](Loop& loop, Args... args) -> Made {
          auto cell = std::make_unique<local_detail::CellOf<T>>(make(loop, std::forward<Args>(args)...));
          T* const value = cell->value.get();
          return {value, std::move(cell)};
        }) {}

  T& here(Args... args) const {
    if (T* const mine = values_[worker_index]) [[likely]]
      return *mine;
    return make_here(std::forward<Args>(args)...);
  }
  // Null: nobody has asked for it on this thread.
  T* here_if_made() const { return values_[worker_index]; }

 private:
  struct Made {
    T* value;
    std::unique_ptr<local_detail::Cell> cell;
  };

  [[gnu::noinline]] T& make_here(Args... args) const {
    Made made = make_(loop_here(), std::forward<Args>(args)...);
    keep(std::move(made.cell));
    return *(values_[worker_index] = made.value);
  }

  mutable std::vector<T*> values_;  // each is its thread's
  std::function<Made(Loop&, Args...)> make_;
};

}  // namespace sluice
