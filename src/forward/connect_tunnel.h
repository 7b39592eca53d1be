// Through a proxy to where it goes on (tcpProxySettings.tunnelingConfig): CONNECT of HTTP/1.1 (RFC 9110 9.3.6) on a
// connection of its own, or of HTTP/2 (RFC 9113 8.5) on a stream of one.
#pragma once

#include <memory>

#include "http/client_session.h"
#include "net/stream.h"
#include "pipeline/tcp_service.h"

namespace sluice {

// `stream` leads to the proxy. Gives what is behind the head of its answer, if that is 2xx; else an Error that says
// what it answered (ErrorKind::denied), or why it was not asked. ErrorKind::timeout after `deadline`.
Task<std::unique_ptr<Stream>> connect_through(std::unique_ptr<Stream> stream, const TcpTunnel& tunnel,
                                              const StreamInfo& info, SteadyTime deadline);

// A stream of a session that multiplexes. Ends with it.
class Http2Tunnel final : private ClientStream::Owner {
 public:
  Http2Tunnel() = default;
  Http2Tunnel(const Http2Tunnel&) = delete;
  Http2Tunnel& operator=(const Http2Tunnel&) = delete;
  ~Http2Tunnel();

  // Once. `session` has capacity and outlives this. Errors as of connect_through(); `patience`: the longest silence.
  Task<void> connect(ClientSession& session, const TcpTunnel& tunnel, const StreamInfo& info, SteadyTime now,
                     Nanos patience);
  // Once it is connected.
  Stream& stream() const { return *tunnel_; }
  // The proxy has said something of it.
  bool heard() const { return stream_ && stream_->heard(); }

 private:
  void request_sent() override {}
  void request_broke(Error) override {}

  Arena arena_;
  TaskGroup background_;
  Headers headers_{arena_};
  ClientStreamPtr stream_;
  Stream* tunnel_ = nullptr;
};

}  // namespace sluice
