// Several hosts in one text, in the order in which they are to be tried: "a.example, b.example:8080".
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "base/result.h"

namespace sluice {

class HostsList {
 public:
  static constexpr size_t kHostsMax = 8;

  // One host at least, none of them empty; spaces and tabs around each are cut. Each is still to be parsed as an
  // authority. The views are of `text`. ErrorKind::invalid, or ErrorKind::limit for too many.
  static Result<HostsList> split(std::string_view text);

  std::span<const std::string_view> hosts() const { return std::span(hosts_).first(count_); }

 private:
  std::array<std::string_view, kHostsMax> hosts_;
  size_t count_ = 0;
};

}  // namespace sluice
