// For tests of whoever calls other services: an Upstream whose host is played in memory.
#pragma once

#include <functional>
#include <list>
#include <string>

#include "forward/static_upstream.h"
#include "io/testing.h"
#include "net/dialer.h"
#include "net/memory_stream.h"
#include "pipeline/worker_place.h"

namespace sluice {

// Every connection that is dialled is answered by `answer`, request by request; "" is silence until say().
class MemoryServer final : public Dialer {
 public:
  std::function<std::string(const std::string& request)> answer = [](const std::string&) {
    return "HTTP/1.1 204 No Content\r\n\r\n";
  };
  bool refuses = false;  // connections
  std::vector<std::string> requests;
  size_t connections = 0;

  ~MemoryServer() override {
    tasks_.cancel();
    CHECK(tasks_.empty());
  }

  Result<std::unique_ptr<Stream>> dial(Loop& loop, const SocketAddress&) override {
    if (refuses) return fail(ErrorKind::refused, "nobody listens", Side::upstream);
    ++connections;
    StreamPair pair = memory_streams(loop);
    Peer& peer = peers_.emplace_back(std::move(pair.downstream));
    tasks_.spawn(serve(peer));
    return std::move(pair.upstream);
  }
  // On the newest connection.
  void say(std::string text) {
    Peer& peer = peers_.back();
    peer.said.push_back(std::move(text));
    tasks_.spawn(peer.stream->write_all(peer.said.back(), 0s));
  }
  void hang_up() { peers_.back().stream->abort(); }
  // Whether the client has closed it.
  bool is_closed() { return peers_.back().stream->peer_ended() || peers_.back().stream->is_broken(); }

 private:
  struct Peer {
    explicit Peer(std::unique_ptr<Stream> s) : stream(std::move(s)) {}
    std::unique_ptr<Stream> stream;
    std::list<std::string> said;
  };

  Task<void> serve(Peer& peer) {
    std::string heard;
    for (std::array<char, 4096> buffer;;) {
      auto reading = peer.stream->read(buffer);
      const size_t bytes = CO_TRY(co_await reading);
      if (bytes == 0) co_return Status{};
      heard.append(buffer.data(), bytes);
      if (!is_whole(heard)) continue;
      requests.push_back(std::exchange(heard, {}));
      const std::string text = answer(requests.back());
      auto writing = peer.stream->write_all(text, 0s);
      CO_TRY(co_await writing);
    }
  }
  // With its body, where it says how long that is.
  static bool is_whole(const std::string& request) {
    const size_t end = request.find("\r\n\r\n");
    if (end == std::string::npos) return false;
    const size_t length = request.find("content-length: ");
    return length == std::string::npos || request.size() >= end + 4 + std::stoul(request.substr(length + 16));
  }

  std::list<Peer> peers_;
  TaskGroup tasks_;
};

// An Upstream with one host, which is that server, on one worker.
struct MemoryUpstream {
  MemoryUpstream(const WorkerLoops& loops, Metrics& metrics, const kinds::CircuitBreakers& breakers = {})
      : upstreams(loops.loop(0), server), place{&upstreams.loop, &upstreams} {
    auto made = std::make_shared<StaticCluster>(loops);
    made->cluster = std::make_shared<Cluster>("c", breakers, 1, metrics);
    made->hosts = {{.name = "", .address = IpAddress::v4(127, 0, 0, 1), .port = 80, .weight = 1}};
    end = make_static_upstream(made);
  }

  // Whoever uses it has gone.
  ~MemoryUpstream() {
    end.reset();
    settle_in_memory(upstreams.loop);
  }
  MemoryUpstream(const MemoryUpstream&) = delete;
  MemoryUpstream& operator=(const MemoryUpstream&) = delete;

  MemoryServer server;
  Upstreams upstreams;
  WorkerPlace place;
  std::shared_ptr<const Service> end;
};

inline std::string http_answer(std::string_view body, std::string_view status = "200 OK") {
  return fmt::format("HTTP/1.1 {}\r\ncontent-length: {}\r\n\r\n{}", status, body.size(), body);
}

}  // namespace sluice
