// For tests of whoever calls upstreams: one in memory that speaks HTTP/2, played by hand.
#pragma once

#include <memory>
#include <vector>

#include "http/h2/client_testing.h"
#include "io/testing.h"
#include "net/memory_network.h"

namespace sluice {

// Takes every call to its address.
class MemoryHttp2Server final : private MemoryNetwork::Host {
 public:
  using Fields = h2::TestFields;
  using Asked = h2::TestHost::Asked;

  MemoryHttp2Server(Loop& loop, MemoryNetwork& network, const SocketAddress& address) : loop_(loop) {
    network.listen(address, *this);
  }
  // The newest request, once it is whole; nullptr: none comes.
  const Asked* asked() {
    const auto came = [&] { return !hosts_.empty() && !hosts_[0]->asked.empty() && hosts_[0]->asked.back().ended; };
    return turn_until(loop_, came) ? &hosts_[0]->asked.back() : nullptr;
  }
  // Answers it.
  void say(const Fields& head, const std::string& body, const Fields& trailers) {
    h2::TestHost& host = *hosts_.at(0);
    const int32_t id = host.asked.back().id;
    const bool last = body.empty() && trailers.empty();
    host.head(id, head, last);
    if (!last) host.body(id, body, true, trailers);
  }

 private:
  void called(MemoryCall call) override { hosts_.push_back(std::make_unique<h2::TestHost>(call.accept())); }

  Loop& loop_;
  std::vector<std::unique_ptr<h2::TestHost>> hosts_;
};

}  // namespace sluice
