#include "net/memory_network.h"

#include <cerrno>

namespace sluice {

Result<std::unique_ptr<Stream>> MemoryNetwork::dial(Loop& loop, const SocketAddress& address) {
  ++dials_;
  if (failing_ > 0) {
    --failing_;
    Error error{.kind = ErrorKind::io, .message = "Too many open files", .side = Side::ours, .code = EMFILE};
    return std::unexpected(std::move(error));
  }
  MemoryCall::Dialled dialled = MemoryCall::dial(loop);
  const auto host = hosts_.find(address.to_string());
  if (host == hosts_.end())
    dialled.call.refuse();
  else
    host->second->called(std::move(dialled.call));
  return std::move(dialled.upstream);
}

}  // namespace sluice
