// How the names of a head's fields were written, where that is not as Headers has them: in lower case.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/strings.h"

namespace sluice {

// Of one request; the names live as long as it does. A name that comes twice is written as it was at first.
class WrittenNames {
 public:
  void add(std::string_view written) {
    const auto at = place_of(written);
    if (at == names_.end() || compare(*at, written) != 0) names_.insert(at, written);
  }
  // `lower_name` itself when it was written so, or not at all.
  std::string_view find(std::string_view lower_name) const {
    const auto at = std::ranges::lower_bound(names_, lower_name, is_less);
    return at != names_.end() && compare(*at, lower_name) == 0 ? *at : lower_name;
  }
  void clear() { names_.clear(); }

 private:
  static int compare(std::string_view one, std::string_view other) {
    for (size_t i = 0; i < std::min(one.size(), other.size()); ++i)
      if (const int by = ascii_lower(one[i]) - ascii_lower(other[i]); by != 0) return by;
    return static_cast<int>(one.size() > other.size()) - static_cast<int>(one.size() < other.size());
  }
  static bool is_less(std::string_view one, std::string_view other) { return compare(one, other) < 0; }
  std::vector<std::string_view>::iterator place_of(std::string_view name) {
    return std::ranges::lower_bound(names_, name, is_less);
  }

  std::vector<std::string_view> names_;  // in order, whatever their case
};

}  // namespace sluice
