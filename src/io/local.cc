#include "io/local.h"

#include <iterator>

#include "base/check.h"

namespace sluice {
namespace local_detail {

void Home::add(std::unique_ptr<Cell> cell) {
  CHECK(!ending_);  // nobody would end it
  cells_.push_back(std::move(cell));
  cells_.back()->self_ = std::prev(cells_.end());
}

void Home::post(std::move_only_function<void()> job) {
  const std::scoped_lock lock(mutex_);
  if (!open_) return;
  loop.post([home = shared_from_this(), work = std::move(job)]() mutable {
    if (!home->ending_) work();
  });
}

void Home::end_later(Cell& cell) {
  post([this, &cell] {
    cell.ending_ = true;
    stopping_.spawn(end(cell));
  });
}

Task<void> Home::end(Cell& cell) {
  {
    auto stopping = cell.stop();
    (void)co_await stopping;
  }
  if (!ending_) destroy(cell);
  co_return Status{};
}

// Out of the list first: what it does in its destructor may look at it.
void Home::destroy(const Cell& cell) {
  const auto at = cell.self_;
  const std::unique_ptr<Cell> last = std::move(*at);
  cells_.erase(at);
}

void Home::end_all() {
  if (std::exchange(ending_, true)) return;
  {
    const std::scoped_lock lock(mutex_);
    open_ = false;
  }
  // None goes before all have stopped: they may need each other for it.
  for (const auto& cell : cells_)
    if (!std::exchange(cell->ending_, true)) stopping_.spawn(end(*cell));
  stopping_.cancel();
  while (!stopping_.empty()) loop.turn(10ms);
  while (!cells_.empty()) destroy(*cells_.back());
}

}  // namespace local_detail

WorkerLoops::WorkerLoops(const std::vector<Loop*>& workers, Loop* control)
    : workers_(static_cast<unsigned>(workers.size())) {
  Homes homes;
  homes.reserve(workers.size() + 1);
  for (Loop* loop : workers) homes.push_back(std::make_shared<local_detail::Home>(*loop));
  if (control) homes.push_back(std::make_shared<local_detail::Home>(*control));
  homes_ = std::make_shared<const Homes>(std::move(homes));
}

OwnedLoops::~OwnedLoops() {
  for (unsigned i = 0; i < threads(); ++i) end(i);
}

void OwnedLoops::end(unsigned thread) {
  (*homes_)[thread]->end_all();
}

LocalSlots::LocalSlots(const WorkerLoops& loops) : loops_(loops), cells_(loops.threads()) {}

LocalSlots::~LocalSlots() {
  for (size_t i = 0; i < cells_.size(); ++i)
    if (cells_[i]) (*loops_.homes_)[i]->end_later(*cells_[i]);
}

Loop& LocalSlots::loop_here() const {
  CHECK(worker_index < cells_.size());
  return loops_.loop(worker_index);
}

void LocalSlots::keep(std::unique_ptr<local_detail::Cell> cell) const {
  cells_[worker_index] = cell.get();
  (*loops_.homes_)[worker_index]->add(std::move(cell));
}

}  // namespace sluice
