// The end of a connection whose bytes nobody looks at: who connects it to a destination. What a Service is to requests.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "io/task.h"
#include "net/stream.h"
#include "pipeline/format.h"
#include "pipeline/stream_info.h"

namespace sluice {

class Loop;
class Upstreams;

// The destination is a proxy of HTTP, which is asked by CONNECT to go on (tcpProxySettings.tunnelingConfig).
struct TcpTunnel {
  Format host;  // "host:port"
  struct Header {
    std::string name;  // lower case
    Format value;      // empty: the header is left out
  };
  std::vector<Header> headers;
};

struct TcpClient {
  Arena& arena;  // for what the log is told
  Loop& loop;
  Upstreams& upstreams;
  StreamInfo& info;
  const Stream& stream;
  const SocketAddress* introduced_as;  // what the client connected to, as a proxy in front said; null: none did
  const TcpTunnel* tunnel = nullptr;   // null: bytes go to the destination as they are

  // Costs a system call.
  SocketAddress connected_to() const { return introduced_as ? *introduced_as : stream.local_address(); }
};

// A connection to a destination, and all that it takes there; given back when this goes.
class TcpConnection {
 public:
  TcpConnection() = default;
  TcpConnection(const TcpConnection&) = delete;
  TcpConnection& operator=(const TcpConnection&) = delete;
  virtual ~TcpConnection() = default;
  virtual Stream& stream() = 0;
  // So many bytes have gone to it, or come from it.
  virtual void sent(uint64_t bytes) = 0;
  virtual void received(uint64_t bytes) = 0;
};

class TcpService {
 public:
  virtual ~TcpService() = default;
  // Tries so many endpoints at most. Notes in `info` whom, and how it failed: null then. An Error only where the task
  // was cancelled.
  virtual Task<std::unique_ptr<TcpConnection>> connect(TcpClient& client, unsigned attempts_max) const = 0;
  // Of a TcpService that is an Upstream.
  virtual std::string_view cluster_name() const = 0;
};

}  // namespace sluice
