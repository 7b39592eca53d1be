// A tree in few bytes: what is kept of a document that few look at. As a Node one object with ten routes takes 8 KiB,
// so about 1.
//
// Immutable; copies share the bytes. Any thread.
#pragma once

#include <memory>

#include "config/node.h"

namespace sluice {

class FrozenNode {
 public:
  FrozenNode() = default;  // null
  explicit FrozenNode(const Node& node);

  // The same tree again, with the places of all values.
  Node thaw() const;
  // Equal trees at equal places.
  friend bool operator==(const FrozenNode& a, const FrozenNode& b);
  size_t bytes() const { return size_; }

 private:
  std::shared_ptr<const char[]> bytes_;
  uint32_t size_ = 0;
};

}  // namespace sluice
