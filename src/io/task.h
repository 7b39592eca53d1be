// Task<T>: something that may wait, written from top to bottom. `co_await task` gives a Result<T>.
//
// A Task does not start until it is awaited (or handed to a TaskGroup or Runner), and belongs to whoever holds it.
// A task that is ready from the start holds its value and has no frame at all: return a value, or the task of the
// next in line, instead of being a coroutine.
//
// Ending early: a tree of tasks that await one another shares one TaskContext. cancel() on it makes the innermost wait
// return `cancelled`, and every later wait in that tree too, so that all of it unwinds through its normal returns.
// Destroying a task that is still running is a CHECK. All of this belongs to one thread.
#pragma once

#include <coroutine>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/check.h"
#include "base/result.h"

namespace sluice {

class Waiter;

// What a running tree of tasks has in common.
struct TaskContext {
  bool cancelled = false;
  Waiter* waiting = nullptr;  // what the innermost task waits for just now
  void (*finished)(TaskContext&) = nullptr;

  void cancel();
};

// Something a task can wait for. The source of events calls wake() once, then forgets it.
class Waiter {
 public:
  virtual void wake() = 0;
  // The task is to end: withdraw from the source of events and resume, or arrange for that. Called at most once.
  virtual void cancel() = 0;

 protected:
  ~Waiter() = default;
};

[[gnu::cold]] inline std::unexpected<Error> cancelled_error() {
  return fail(ErrorKind::cancelled, "cancelled");
}

// Frames come from per-thread free lists: a request allocates a few of a few sizes.
void* allocate_frame(size_t bytes);
void free_frame(void* frame, size_t bytes);

template <class T = void>
class Task;

namespace task_detail {

struct PromiseBase {
  std::coroutine_handle<> continuation;
  TaskContext* context = nullptr;

  static void* operator new(size_t bytes) { return allocate_frame(bytes); }
  static void operator delete(void* frame, size_t bytes) { free_frame(frame, bytes); }

  std::suspend_always initial_suspend() noexcept { return {}; }
  [[noreturn]] void unhandled_exception() noexcept { check_failed("no exception leaves a task", __FILE__, __LINE__); }

  struct Final {
    bool await_ready() noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> self) noexcept {
      const PromiseBase& promise = self.promise();
      if (promise.continuation) return promise.continuation;
      if (promise.context && promise.context->finished) promise.context->finished(*promise.context);
      return std::noop_coroutine();
    }
    void await_resume() noexcept {}
  };
  Final final_suspend() noexcept { return {}; }
};

template <class T>
struct Promise final : PromiseBase {
  std::optional<Result<T>> value;

  Task<T> get_return_object();
  void return_value(Result<T> result) { value.emplace(std::move(result)); }
};

template <>
struct Promise<void> final : PromiseBase {
  std::optional<Result<void>> value;

  Task<void> get_return_object();
  void return_value(Result<void> result) { value.emplace(std::move(result)); }
};

}  // namespace task_detail

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = task_detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  // A task that is done already.
  Task(Result<T> value) : ready_(std::move(value)) {}               // NOLINT(google-explicit-constructor)
  Task(std::unexpected<Error> error) : ready_(std::move(error)) {}  // NOLINT(google-explicit-constructor)
  template <class U>
    requires(!std::is_void_v<T> && std::is_convertible_v<U &&, T> && !std::is_same_v<std::remove_cvref_t<U>, Task>)
  Task(U&& value) : ready_(Result<T>(std::forward<U>(value))) {}  // NOLINT(google-explicit-constructor)

  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)), ready_(std::move(other.ready_)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      destroy();
      handle_ = std::exchange(other.handle_, nullptr);
      ready_ = std::move(other.ready_);
    }
    return *this;
  }
  ~Task() { destroy(); }

  // Its value is at hand without waiting.
  bool ready() const { return !handle_ || handle_.done(); }
  // The value of a ready task.
  Result<T> take() { return handle_ ? std::move(*handle_.promise().value) : std::move(*ready_); }

  Handle handle() const { return handle_; }
  // Its frame, which is now the caller's to run and to destroy; null when it has none.
  Handle release() { return std::exchange(handle_, nullptr); }

  struct Awaiter {
    Task& task;
    bool await_ready() const noexcept { return !task.handle_; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> parent) noexcept {
      task.handle_.promise().continuation = parent;
      task.handle_.promise().context = parent.promise().context;
      return task.handle_;
    }
    Result<T> await_resume() { return task.take(); }
  };
  Awaiter operator co_await() & { return Awaiter{*this}; }
  Awaiter operator co_await() && { return Awaiter{*this}; }

 private:
  void destroy() {
    if (!handle_) return;
    // Started and not at its end: somebody would resume a frame that is gone.
    CHECK(handle_.done() || !handle_.promise().context);
    handle_.destroy();
    handle_ = nullptr;
  }

  Handle handle_ = nullptr;
  std::optional<Result<T>> ready_;
};

template <class T>
Task<T> task_detail::Promise<T>::get_return_object() {
  return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Task<void> task_detail::Promise<void>::get_return_object() {
  return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}

// Base of the things that are awaited at the leaves: sockets, timers, events. Derived classes give
//   bool start(): true when there is nothing to wait for;
//   void stop(): withdraw from the source of events;
//   auto result(): what the co_await gives, after wake().
// When the task is cancelled, result() is not asked and the co_await gives `cancelled`.
template <class Derived, class T>
class Wait : public Waiter {
  friend Derived;  // nobody else may take it as a base
  Wait() = default;
  Wait(const Wait&) = delete;
  Wait& operator=(const Wait&) = delete;

 public:
  bool await_ready() { return false; }
  template <class Promise>
  bool await_suspend(std::coroutine_handle<Promise> task) {
    context_ = task.promise().context;
    task_ = task;
    if (context_->cancelled) {
      was_cancelled_ = true;
      return false;
    }
    if (static_cast<Derived*>(this)->start()) return false;
    context_->waiting = this;
    return true;
  }
  Result<T> await_resume() {
    if (was_cancelled_) return cancelled_error();
    return static_cast<Derived*>(this)->result();
  }

  void wake() override {
    context_->waiting = nullptr;
    task_.resume();
  }
  void cancel() override {
    static_cast<Derived*>(this)->stop();
    was_cancelled_ = true;
    wake();
  }

 protected:
  ~Wait() = default;

  TaskContext* context_ = nullptr;
  std::coroutine_handle<> task_;
  bool was_cancelled_ = false;
};

// Runs one task at a time for an owner, who is told when it is done. The owner must not go away while it runs.
class Runner : public TaskContext {
 public:
  using Done = void (*)(void* owner, Result<void> result);

  Runner(void* owner, Done done) : owner_(owner), done_(done) { TaskContext::finished = &Runner::on_finished; }
  Runner(const Runner&) = delete;
  Runner& operator=(const Runner&) = delete;
  ~Runner() { CHECK(!running()); }

  bool running() const { return task_ != nullptr; }
  // May call `done` before it returns.
  void start(Task<void> task);

 private:
  static void on_finished(TaskContext& context);

  void* owner_;
  Done done_;
  Task<void>::Handle task_ = nullptr;
};

// Background tasks with an owner: spawn() starts one; cancel() asks all to end, and a task that is spawned after it is
// not started; join() waits until all have ended.
// If the task that waits in join() is cancelled, it cancels the group and goes on waiting.
class TaskGroup {
 public:
  TaskGroup() = default;
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;
  ~TaskGroup() { CHECK(!first_); }

  void spawn(Task<void> task);
  void cancel();
  bool empty() const { return !first_; }

  class Join final : public Wait<Join, void> {
   public:
    explicit Join(TaskGroup& group) : group_(group) {}
    // Unlike other waits it waits even when its own task has been cancelled: the children must end first.
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> task) {
      context_ = task.promise().context;
      task_ = task;
      if (context_->cancelled) group_.cancel();
      if (start()) return false;
      if (!context_->cancelled) context_->waiting = this;
      return true;
    }
    bool start();
    Result<void> result() { return {}; }
    void stop() {}
    void cancel() override { group_.cancel(); }

   private:
    TaskGroup& group_;
  };
  Join join() { return Join(*this); }

 private:
  struct Node;
  void remove(Node& node);
  void wake_joiner();

  Node* first_ = nullptr;
  Join* joining_ = nullptr;
  bool cancelled_ = false;
  bool cancelling_ = false;  // just now
};

}  // namespace sluice
