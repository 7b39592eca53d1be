#include "serve/entrance.h"

#include "base/log.h"

namespace sluice {

void Entrance::take(Arrival arrival) {
  if (StreamHandler* next = passes(arrival)) return next->take(std::move(arrival));
  Waiting& one = waiting_.emplace_back(*this, std::move(arrival));
  one.self = std::prev(waiting_.end());
  if (metrics_) metrics_->waiting->add();
  one.runner.start(run(one));
}

bool Entrance::make_room() {
  if (waiting_.empty() || loop.now() - waiting_.front().since < kGrace) return make_room_behind();
  waiting_.front().runner.cancel();
  return true;
}

void Entrance::end_waiting() {
  while (!waiting_.empty()) waiting_.front().runner.cancel();
}

Task<void> Entrance::run(Waiting& one) {
  auto looking = look(one.arrival, deadline_after(loop.now(), patience()));
  one.next = CO_TRY(co_await looking);
  co_return Status{};
}

void Entrance::on_looked(void* waiting, Result<void> result) {
  auto& one = *static_cast<Waiting*>(waiting);
  one.entrance.looked(one, result);
}

// Nothing of it is left here when the protocol begins, which may end it at once.
void Entrance::looked(Waiting& one, const Result<void>& result) {
  if (!result) ended(one.arrival, result.error());
  StreamHandler* const next = result ? one.next : nullptr;
  Arrival arrival = std::move(one.arrival);
  waiting_.erase(one.self);
  if (metrics_) metrics_->waiting->sub();
  if (next) next->take(std::move(arrival));
}

// What went wrong while nothing had been said yet. Clients that come and go are no news.
void Entrance::ended(const Arrival&, const Error& why) const {
  if (!metrics_) return;
  if (why.kind == ErrorKind::timeout) metrics_->waiting_timeouts->add();
  if (why.kind == ErrorKind::closed || why.kind == ErrorKind::reset || why.kind == ErrorKind::io)
    metrics_->waiting_closed->add();
}

Task<void> read_more(Stream& stream, size_t most, SteadyTime deadline, std::string& bytes) {
  const size_t before = bytes.size();
  bytes.resize(before + most);
  auto reading = stream.read(std::span(bytes).subspan(before), deadline);
  auto got = co_await reading;
  bytes.resize(before + got.value_or(0));
  if (!got) co_return std::unexpected(std::move(got).error());
  if (*got == 0) co_return fail(ErrorKind::closed, "the client has gone", Side::downstream);
  co_return Status{};
}

}  // namespace sluice
