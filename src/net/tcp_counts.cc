#include "net/tcp_counts.h"

#include <linux/tcp.h>  // the newest fields; clashes with netinet/tcp.h
#include <netinet/in.h>
#include <sys/socket.h>

namespace sluice {

void tell_of_tcp(int fd, const TcpObserver& observer) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return;
  observer.closing({.segments_sent = info.tcpi_segs_out,
                    .segments_received = info.tcpi_segs_in,
                    .data_segments_sent = info.tcpi_data_segs_out,
                    .data_segments_received = info.tcpi_data_segs_in,
                    .segments_retransmitted = info.tcpi_total_retrans,
                    .bytes_sent = info.tcpi_bytes_sent,
                    .bytes_received = info.tcpi_bytes_received,
                    .round_trip_micros = info.tcpi_rtt,
                    .round_trip_variance_micros = info.tcpi_rttvar});
}

}  // namespace sluice
