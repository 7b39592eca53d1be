// Waits for the whole body of a request before it goes on, for upstreams that cannot wait for it themselves.
#pragma once

#include "pipeline/filter.h"

namespace sluice {

const FilterFactory& buffer_filter();

namespace buffer {

class BufferFilter final : public Filter {
 public:
  explicit BufferFilter(size_t bytes_max) : bytes_max_(bytes_max) {}
  Task<Response> handle(Request& request, Next next) const override;

 private:
  Task<Response> collect(Request& request, Next next) const;

  const size_t bytes_max_;
};

}  // namespace buffer
}  // namespace sluice
