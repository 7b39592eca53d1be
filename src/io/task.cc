#include "io/task.h"

#include <array>
#include <cstdlib>
#include <new>

namespace sluice {
namespace {

// Free frames in steps of 64 bytes up to 4 KiB; each list is bounded, so that a burst does not stay for ever.
struct FrameLists {
  [[maybe_unused]] static constexpr size_t kStep = 64;
  static constexpr size_t kClasses = 64;
  [[maybe_unused]] static constexpr unsigned kKept = 256;
  struct Free {
    Free* next;
  };
  std::array<Free*, kClasses> lists{};
  std::array<unsigned, kClasses> counts{};

  ~FrameLists() {
    for (Free*& list : lists)
      while (list) ::operator delete(std::exchange(list, list->next));
  }
};
thread_local FrameLists frames;

}  // namespace

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLUICE_PLAIN_FRAMES 1  // so that the sanitizer sees a frame that is used after its end
#endif
#endif

void* allocate_frame(size_t bytes) {
#ifndef SLUICE_PLAIN_FRAMES
  const size_t which = (bytes - 1) / FrameLists::kStep;
  if (which < FrameLists::kClasses) {
    if (auto* free = frames.lists[which]) {
      frames.lists[which] = free->next;
      --frames.counts[which];
      return free;
    }
    return ::operator new((which + 1) * FrameLists::kStep);
  }
#endif
  return ::operator new(bytes);
}

void free_frame(void* frame, size_t bytes) {
#ifndef SLUICE_PLAIN_FRAMES
  const size_t which = (bytes - 1) / FrameLists::kStep;
  if (which < FrameLists::kClasses && frames.counts[which] < FrameLists::kKept) {
    ++frames.counts[which];
    frames.lists[which] = new (frame) FrameLists::Free{frames.lists[which]};
    return;
  }
#else
  static_cast<void>(bytes);
#endif
  ::operator delete(frame);
}

void TaskContext::cancel() {
  if (cancelled) return;
  cancelled = true;
  if (Waiter* waiter = std::exchange(waiting, nullptr)) waiter->cancel();
}

void Runner::start(Task<void> task) {
  CHECK(!running());
  cancelled = false;
  waiting = nullptr;
  if (!task.handle()) return done_(owner_, task.take());
  task_ = task.release();
  task_.promise().context = this;
  task_.resume();
}

void Runner::on_finished(TaskContext& context) {
  auto& self = static_cast<Runner&>(context);
  Result<void> result = std::move(*self.task_.promise().value);
  std::exchange(self.task_, nullptr).destroy();
  self.done_(self.owner_, std::move(result));
}

struct TaskGroup::Node {
  explicit Node(TaskGroup& g)
      : group(g), runner(this, [](void* node, Result<void>) {
          auto& ended = *static_cast<Node*>(node);
          ended.group.remove(ended);
        }) {}

  TaskGroup& group;
  Runner runner;
  Node* next = nullptr;
  Node* previous = nullptr;
};

void TaskGroup::spawn(Task<void> task) {
  if (cancelled_) return;
  auto* node = new Node(*this);
  node->next = first_;
  if (first_) first_->previous = node;
  first_ = node;
  node->runner.start(std::move(task));
}

void TaskGroup::remove(Node& node) {
  (node.previous ? node.previous->next : first_) = node.next;
  if (node.next) node.next->previous = node.previous;
  delete &node;
  wake_joiner();
}

void TaskGroup::wake_joiner() {
  // Last act: the joiner may end the group.
  if (!first_ && joining_ && !cancelling_) std::exchange(joining_, nullptr)->wake();
}

void TaskGroup::cancel() {
  cancelled_ = true;
  if (std::exchange(cancelling_, true)) return;
  // Each cancel() may end its task, and others with it: start again from the front until all have been asked.
  for (bool again = true; again;) {
    again = false;
    for (Node* node = first_; node; node = node->next) {
      if (node->runner.cancelled) continue;
      node->runner.cancel();
      again = true;
      break;
    }
  }
  cancelling_ = false;
  wake_joiner();
}

bool TaskGroup::Join::start() {
  if (!group_.first_) return true;
  group_.joining_ = this;
  return false;
}

}  // namespace sluice
