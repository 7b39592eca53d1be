// An upstream host of the simulation: accepts, refuses, stalls, answers well, badly or not at all, as its seed has it.
#pragma once

#include "net/memory_network.h"
#include "simulation/ledger.h"
#include "simulation/wire.h"

namespace sluice::simulation {

class Host final : public MemoryNetwork::Host {
 public:
  enum class Mood : uint8_t { good, moody, bad };
  Host(Loop& loop, Ledger& ledger, std::string name, Mood mood, uint64_t seed)
      : loop_(loop), ledger_(ledger), name_(std::move(name)), mood_(mood), random_(seed) {}
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  void called(MemoryCall call) override;
  size_t open() const { return open_; }  // connections, and calls that are not decided
  size_t heads_read() const { return heads_read_; }
  size_t heads_sent() const { return heads_sent_; }
  void end() { connections_.cancel(); }

 private:
  enum class Deed : uint8_t { answer, answer_early, stall, stall_unread, cut, cut_answer, garbage };
  struct Open;

  bool chance(unsigned percent) { return random_.below(100) < percent; }
  Deed draw_deed();
  Task<void> pick_up(MemoryCall call, Nanos after, bool refuses);
  Task<void> ignore(MemoryCall call);
  Task<void> serve(std::unique_ptr<Stream> stream);
  bool check(const Message& request, std::string& method, std::string& id);
  void check_body(const Message& request, const std::string& id);
  // False: the connection ends behind it.
  Task<bool> answer(Wire& wire, const std::string& method, const std::string& id, bool cut);
  Task<void> tunnel(Stream& stream, Wire& wire, const std::string& id);
  Task<void> wait_for_end(Stream& stream);
  void note(const std::string& what) { ledger_.note(loop_.now(), name_ + " " + what); }

  Loop& loop_;
  Ledger& ledger_;
  const std::string name_;
  const Mood mood_;
  Random random_;
  TaskGroup connections_;
  size_t open_ = 0;
  size_t heads_read_ = 0;
  size_t heads_sent_ = 0;
};

}  // namespace sluice::simulation
