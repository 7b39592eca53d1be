// One connection to whichever of several addresses takes it first (RFC 8305, 5): attempts begin 250 ms apart, the next
// one at once when one fails, and when one is established the others are ended. A broken path then costs a quarter of a
// second, not the whole connectTimeout.
//
// With one address it is a plain dial, and costs no more.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "io/loop.h"
#include "net/dialer.h"

namespace sluice {

// Where to try next. An address lives as long as the race; it is asked for when it is needed, not before.
class AddressOrder {
 public:
  virtual bool has_more() const = 0;
  virtual const SocketAddress& next() = 0;  // while has_more()

 protected:
  ~AddressOrder() = default;
};

// As they stand, but the families by turns, that of the first address first (RFC 8305, 4); all of `first` before any of
// `last_resort`.
class FamiliesByTurns final : public AddressOrder {
 public:
  explicit FamiliesByTurns(std::span<const SocketAddress> first, std::span<const SocketAddress> last_resort = {})
      : rest_(first), last_resort_(last_resort) {
    if (rest_.empty()) begin_last_resort();
  }
  bool has_more() const override { return taken_ < rest_.size(); }
  const SocketAddress& next() override;

 private:
  void begin_last_resort();
  // The first of that kind that has not been taken.
  size_t find(bool of_first_family) const;

  std::span<const SocketAddress> rest_;
  std::span<const SocketAddress> last_resort_;
  size_t at_[2] = {};  // where to look for the next: of another family than the first address, of its family
  size_t taken_ = 0;
  bool first_family_ = true;  // is next
};

// Places for the attempts of a race, each of which holds a descriptor.
class AttemptPlaces {
 public:
  virtual bool take() = 0;  // false: there is none just now
  virtual void give_back() = 0;

 protected:
  ~AttemptPlaces() = default;
};

class ConnectRace {
 public:
  static constexpr Nanos kAttemptDelay = 250ms;
  static constexpr unsigned kAttemptsMax = 8;  // at a time; then one must end before the next begins

  struct Limits {
    Nanos connect_timeout;  // of each attempt
    SteadyTime deadline = SteadyTime::max();
    // For each attempt that is under way besides the first, whose place whoever connects has already. Without one it
    // begins when it gets one, or when no other is under way. Null: nobody counts.
    AttemptPlaces* places = nullptr;
  };
  struct Failure {
    const SocketAddress* address;
    Error error;  // its side tells whether it was the address's fault
  };

  // `order` has one address at least. What is given outlives the race, and the race its task.
  ConnectRace(Loop& loop, Dialer& dialer, AddressOrder& order, const Limits& limits)
      : loop_(loop), dialer_(dialer), order_(order), limits_(limits) {}
  ConnectRace(const ConnectRace&) = delete;
  ConnectRace& operator=(const ConnectRace&) = delete;

  // An established stream, or the Error of the last attempt. Once. When it is done no attempt is under way any more.
  Task<std::unique_ptr<Stream>> run();
  // While it runs: makes it end soon, with an Error.
  void give_up();

  // Once it is done: whom the stream is connected to, and which attempts had failed until then, in that order. Those
  // that were ended because another was quicker, or that the deadline ended, have not failed.
  const SocketAddress& winner() const { return *winner_address_; }
  std::span<const Failure> failures() const { return failures_; }

 private:
  Task<std::unique_ptr<Stream>> plain_dial(const SocketAddress& address);
  Task<std::unique_ptr<Stream>> race();
  Task<void> attempt(const SocketAddress& address);
  bool may_begin() const;
  bool take_place();
  void give_places_back();
  SteadyTime attempt_deadline() const;
  void note(const SocketAddress& address, const Error& error);

  Loop& loop_;
  Dialer& dialer_;
  AddressOrder& order_;
  const Limits limits_;
  std::vector<Failure> failures_;
  std::optional<Error> last_;
  const SocketAddress* winner_address_ = nullptr;
  Stream* only_ = nullptr;  // of a plain dial
  std::unique_ptr<Stream> winner_;
  TaskGroup attempts_;
  Event news_;  // of attempts that have ended
  unsigned running_ = 0;
  unsigned places_ = 0;  // taken
  bool given_up_ = false;
  bool no_means_ = false;  // to begin another: the system refuses, whatever the address
};

}  // namespace sluice
