#include "forward/upstreams.h"

#include <mutex>
#include <set>

namespace sluice {
namespace {

// Asked when a cluster is made or goes, on any thread; never for a request.
class Numbers {
 public:
  size_t take() {
    const std::scoped_lock lock(mutex_);
    if (free_.empty()) return next_++;
    return free_.extract(free_.begin()).value();
  }
  void give_back(size_t number) {
    const std::scoped_lock lock(mutex_);
    free_.insert(number);
  }
  size_t taken() {
    const std::scoped_lock lock(mutex_);
    return next_ - free_.size();
  }

 private:
  std::mutex mutex_;
  std::set<size_t> free_;
  size_t next_ = 0;
};

Numbers& numbers() {
  static Numbers& all = *new Numbers;  // clusters may go after static objects have
  return all;
}

}  // namespace

ClusterId::ClusterId() : value_(numbers().take()) {}
ClusterId::~ClusterId() {
  numbers().give_back(value_);
}

size_t ClusterId::in_use() {
  return numbers().taken();
}

}  // namespace sluice
