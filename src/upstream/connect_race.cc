#include "upstream/connect_race.h"

#include <algorithm>

#include "base/check.h"

namespace sluice {

// --- FamiliesByTurns --------------------------------------------------------------------------------------------

size_t FamiliesByTurns::find(bool of_first_family) const {
  size_t i = at_[of_first_family];
  while (i < rest_.size() && (rest_[i].family() == rest_.front().family()) != of_first_family) ++i;
  return i;
}

const SocketAddress& FamiliesByTurns::next() {
  bool which = first_family_;
  size_t found = find(which);
  if (found == rest_.size()) found = find(which = !which);
  CHECK(found < rest_.size());
  at_[which] = found + 1;
  first_family_ = !which;
  ++taken_;
  const SocketAddress& address = rest_[found];
  if (!has_more()) begin_last_resort();
  return address;
}

void FamiliesByTurns::begin_last_resort() {
  if (last_resort_.empty()) return;
  rest_ = std::exchange(last_resort_, {});
  at_[0] = at_[1] = taken_ = 0;
  first_family_ = true;
}

// --- ConnectRace ------------------------------------------------------------------------------------------------

Task<std::unique_ptr<Stream>> ConnectRace::run() {
  CHECK(order_.has_more());
  const SocketAddress& first = order_.next();
  if (!order_.has_more()) return plain_dial(first);
  attempts_.spawn(attempt(first));
  return race();
}

void ConnectRace::give_up() {
  given_up_ = true;
  if (only_) return only_->abort();
  news_.notify(loop_);
}

SteadyTime ConnectRace::attempt_deadline() const {
  return std::min(limits_.deadline, later(loop_.now(), limits_.connect_timeout));
}

Task<std::unique_ptr<Stream>> ConnectRace::plain_dial(const SocketAddress& address) {
  auto dialled = dialer_.dial(loop_, address);
  if (dialled) {
    only_ = dialled->get();
    auto establishing = only_->established(attempt_deadline());
    const Status established = co_await establishing;
    only_ = nullptr;
    if (established) {
      winner_address_ = &address;
      co_return std::move(dialled);
    }
    dialled = std::unexpected(established.error());
  }
  note(address, dialled.error());
  co_return std::move(dialled);
}

bool ConnectRace::may_begin() const {
  return order_.has_more() && running_ < kAttemptsMax && !no_means_ && loop_.now() < limits_.deadline;
}

bool ConnectRace::take_place() {
  if (!limits_.places || running_ == 0) return true;
  if (!limits_.places->take()) return false;
  ++places_;
  return true;
}

// The sockets that are open still have theirs; one of them, or the next, needs none.
void ConnectRace::give_places_back() {
  const unsigned open = running_ + (winner_ ? 1 : 0);
  for (; places_ > 0 && places_ >= open; --places_) limits_.places->give_back();
}

// The first attempt has begun.
Task<std::unique_ptr<Stream>> ConnectRace::race() {
  Status waited;
  while (!winner_ && !given_up_ && (running_ > 0 || may_begin())) {
    auto waiting = news_.wait(loop_, may_begin() ? later(loop_.now(), kAttemptDelay) : SteadyTime::max());
    waited = co_await waiting;
    if (!waited && waited.error().kind == ErrorKind::cancelled) break;
    if (!winner_ && !given_up_ && may_begin() && take_place()) attempts_.spawn(attempt(order_.next()));
  }
  attempts_.cancel();
  auto ending = attempts_.join();
  co_await ending;
  if (!waited && waited.error().kind == ErrorKind::cancelled) co_return cancelled_error();
  if (given_up_) co_return fail(ErrorKind::reset, "the connection was given up", Side::upstream);
  if (winner_) co_return std::move(winner_);
  co_return std::unexpected(*last_);
}

Task<void> ConnectRace::attempt(const SocketAddress& address) {
  ++running_;
  auto stream = dialer_.dial(loop_, address);
  if (stream) {
    auto establishing = (*stream)->established(attempt_deadline());
    const Status established = co_await establishing;
    if (!established) stream = std::unexpected(established.error());
  }
  --running_;
  news_.notify(loop_);
  if (!stream) {
    note(address, stream.error());
  } else if (!winner_) {
    winner_ = *std::move(stream);
    winner_address_ = &address;
  } else {
    stream->reset();  // as quick, but later
  }
  give_places_back();
  co_return Status{};
}

void ConnectRace::note(const SocketAddress& address, const Error& error) {
  if (error.kind == ErrorKind::cancelled || given_up_) return;
  last_ = error;
  if (error.side == Side::ours) no_means_ = true;
  if (loop_.now() < limits_.deadline) failures_.push_back({&address, error});
}

}  // namespace sluice
