// Which routes of a virtual host can match a path, in their order, so that a host with thousands of routes does not ask
// each of them.
//
// Routes by whole path and by prefix are found by a hash of that text; those by expression, and those that take any
// path, are candidates always. A candidate is not yet a match: its matcher says so. Immutable: any thread. Finding
// allocates nothing.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <ranges>
#include <span>
#include <string_view>
#include <vector>

#include "pipeline/request_matcher.h"

namespace sluice {

class PathIndex {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;
  // So many lengths of prefixes are hashed for each path; routes with prefixes of the rarest others are always
  // candidates.
  static constexpr size_t kLengthsMax = 30;

  PathIndex() = default;
  // Of matchers, whose position is the route's.
  template <std::ranges::input_range Matchers>
  explicit PathIndex(Matchers&& matchers) {
    std::vector<const RequestMatcher*> all;
    for (const RequestMatcher& matcher : matchers) all.push_back(&matcher);
    build(all);
  }
  // Made of nothing: it knows no candidates.
  bool empty() const { return always_.empty() && slots_.empty(); }

  // The candidates for a path (without its query), one after the other.
  class Candidates {
   public:
    Candidates(const PathIndex& index, std::string_view path);
    // The next in order; kNone after the last.
    uint32_t next();

   private:
    struct List {
      const uint32_t* at;
      const uint32_t* end;
    };
    void add(std::span<const uint32_t> list) {
      if (!list.empty()) lists_[count_++] = {list.data(), list.data() + list.size()};
    }

    size_t count_ = 0;
    std::array<List, kLengthsMax + 2> lists_;  // the first `count_`, none empty
  };

 private:
  struct Slot {
    uint64_t hash = 0;
    uint32_t begin = 0;
    uint32_t end = 0;  // 0: free
  };

  void build(std::span<const RequestMatcher* const> matchers);
  std::span<const uint32_t> find(uint64_t hash) const;

  std::vector<uint32_t> routes_;  // by text, those of one text in order
  std::vector<Slot> slots_;       // a power of two, at most half full; open addressing
  std::vector<uint32_t> always_;
  std::vector<size_t> lengths_;  // of prefixes, ascending
  bool exact_ = false;           // some route wants a whole path
};

}  // namespace sluice
