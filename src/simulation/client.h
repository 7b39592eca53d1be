// A client of the simulation: one connection, some requests on it, and what must be true of the answers.
#pragma once

#include "serve/http_server.h"
#include "simulation/ledger.h"
#include "simulation/wire.h"

namespace sluice::simulation {

// Where requests go; what World's service makes of them.
inline constexpr std::string_view kPlaces[] = {"static", "a.test",  "b.test",     "a.test, b.test",
                                               "local",  "collect", "denied.test"};

class Client {
 public:
  // How long the gateway keeps a connection on which nothing is asked.
  static constexpr Nanos kKeepAlive = 40s;
  // The gateway waits at least so long for a response to be whole.
  static constexpr Nanos kTimeoutMin = 500ms;

  Client(HttpListener& gateway, Ledger& ledger, unsigned number, uint64_t seed);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // All of its life.
  Task<void> run();

 private:
  enum class Manner : uint8_t { patient, half_closes, leaves, stalls };  // leaves, stalls: in the middle of something
  struct Plan {
    std::string id;
    std::string to;
    std::string method;
    size_t body_bytes = 0;
    Framing framing = Framing::none;
    bool expects_continue = false;
    bool upgrades = false;
    bool pipelined = false;  // sent before the answer to the one before has come
    std::string head, body;  // as they are sent
  };

  bool chance(unsigned percent) { return random_.below(100) < percent; }
  Plan draw(unsigned request);
  Task<void> write();
  Task<void> write_requests();
  Task<bool> wait_for_continue();
  Task<void> read();
  Task<bool> read_answer();
  Task<void> tunnel();
  void judge(const Message& answer, bool whole);
  void judge_end(const Error* error, bool head_came, const Message& answer);
  void judge_of_host(const Message& answer, bool whole, int status);
  void judge_own(const Message& answer, bool whole, int status);
  void note(const std::string& what) { ledger_.note(loop().now(), fmt::format("client {} {}", number_, what)); }
  void fault(const std::string& what) { ledger_.fault(loop().now(), fmt::format("client {}: {}", number_, what)); }
  Loop& loop() { return gateway_.server().loop; }

  HttpListener& gateway_;
  Ledger& ledger_;
  const unsigned number_;
  Random random_;
  const Manner manner_;
  std::vector<Plan> plans_;
  std::unique_ptr<Stream> stream_;
  std::optional<Wire> out_, in_;  // one for each direction
  std::string tunnelled_;
  TaskGroup writer_;
  Event news_;
  size_t begun_ = 0;     // requests whose first byte may have gone
  size_t sent_ = 0;      // whole
  size_t answered_ = 0;  // whole
  bool continued_ = false;
  bool closed_ = false;  // an answer said that it is the last
  bool timed_out_ = false;
  SteadyTime quiet_since_{};
  std::vector<SteadyTime> asked_at_, sent_at_;  // of each that was begun, of each that was sent
};

}  // namespace sluice::simulation
