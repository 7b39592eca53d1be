// What the kernel counts of a TCP connection (TCP_INFO).
#pragma once

#include <cstdint>

namespace sluice {

struct TcpCounts {
  uint64_t segments_sent = 0;
  uint64_t segments_received = 0;
  uint64_t data_segments_sent = 0;
  uint64_t data_segments_received = 0;
  uint64_t segments_retransmitted = 0;
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
  uint32_t round_trip_micros = 0;
  uint32_t round_trip_variance_micros = 0;
};

// Is told of connections just before they are closed, on their own threads.
class TcpObserver {
 public:
  virtual void closing(const TcpCounts& counts) const = 0;

 protected:
  ~TcpObserver() = default;
};

// Tells it of a descriptor. What an older kernel does not count is 0; nothing is told of what is no TCP.
void tell_of_tcp(int fd, const TcpObserver& observer);

}  // namespace sluice
