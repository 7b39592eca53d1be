// A network in memory: a Dialer, and whoever listens on its addresses. For tests; all of it on one loop.
#pragma once

#include <map>
#include <string>

#include "net/dialer.h"
#include "net/memory_stream.h"

namespace sluice {

class MemoryNetwork final : public Dialer {
 public:
  class Host {
   public:
    // Somebody dials its address: it accepts or refuses the call now, or later, or never. Called from within dial().
    virtual void called(MemoryCall call) = 0;

   protected:
    ~Host() = default;
  };

  MemoryNetwork() = default;
  MemoryNetwork(const MemoryNetwork&) = delete;
  MemoryNetwork& operator=(const MemoryNetwork&) = delete;

  // `host` stays until close(). On an address where nobody listens, calls are refused.
  void listen(const SocketAddress& address, Host& host) { hosts_[address.to_string()] = &host; }
  void close(const SocketAddress& address) { hosts_.erase(address.to_string()); }

  // As where the process has no descriptors left: so many of the next dials fail at once, by our own fault.
  void fail_next(unsigned dials) { failing_ = dials; }
  size_t dials() const { return dials_; }

  Result<std::unique_ptr<Stream>> dial(Loop& loop, const SocketAddress& address) override;

 private:
  std::map<std::string, Host*, std::less<>> hosts_;
  unsigned failing_ = 0;
  size_t dials_ = 0;
};

}  // namespace sluice
