// A list that runs through its members: whoever is in it has the links, so that entering and leaving allocates nothing
// and a member can leave without a look for its place.
//
//   struct Name { Links<Name> links; };
//   LinkedList<Name, &Name::links> idle;
//
// Owns nothing. A member is in at most one list by the same links, and leaves before it ends or moves.
#pragma once

#include <cstddef>

#include "base/check.h"

namespace sluice {

template <class T>
struct Links {
  T* before = nullptr;
  T* after = nullptr;
};

template <class T, Links<T> T::* kLinks>
class LinkedList {
 public:
  LinkedList() = default;
  LinkedList(const LinkedList&) = delete;
  LinkedList& operator=(const LinkedList&) = delete;

  bool empty() const { return !first_; }
  size_t size() const { return size_; }
  // Of one that is not empty.
  T& front() const { return *first_; }
  T& back() const { return *last_; }

  void push_front(T& one) {
    (one.*kLinks) = {.before = nullptr, .after = first_};
    (first_ ? (first_->*kLinks).before : last_) = &one;
    first_ = &one;
    ++size_;
  }
  void push_back(T& one) {
    (one.*kLinks) = {.before = last_, .after = nullptr};
    (last_ ? (last_->*kLinks).after : first_) = &one;
    last_ = &one;
    ++size_;
  }
  // A member of this list.
  void remove(T& one) {
    const Links<T> links = one.*kLinks;
    CHECK(size_ > 0 && (links.before || first_ == &one) && (links.after || last_ == &one));
    (links.before ? (links.before->*kLinks).after : first_) = links.after;
    (links.after ? (links.after->*kLinks).before : last_) = links.before;
    (one.*kLinks) = {};
    --size_;
  }
  void move_to_front(T& one) {
    remove(one);
    push_front(one);
  }
  void move_to_back(T& one) {
    remove(one);
    push_back(one);
  }

 private:
  T* first_ = nullptr;
  T* last_ = nullptr;
  size_t size_ = 0;
};

}  // namespace sluice
