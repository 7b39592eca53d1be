// Through a proxy of HTTP/1.1 to where it goes on (tcpProxySettings.tunnelingConfig): CONNECT (RFC 9110 9.3.6).
#pragma once

#include <memory>

#include "net/stream.h"
#include "pipeline/tcp_service.h"

namespace sluice {

// `stream` leads to the proxy. Gives what is behind the head of its answer, if that is 2xx; else an Error that says
// what it answered (ErrorKind::denied), or why it was not asked. ErrorKind::timeout after `deadline`.
Task<std::unique_ptr<Stream>> connect_through(std::unique_ptr<Stream> stream, const TcpTunnel& tunnel,
                                              const StreamInfo& info, SteadyTime deadline);

}  // namespace sluice
