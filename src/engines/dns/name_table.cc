#include "engines/dns/name_table.h"

#include <algorithm>

#include "base/check.h"

namespace sluice::dns {
namespace {

bool asks_both_at_once(LookupFamily family) {
  return family == LookupFamily::automatic || family == LookupFamily::all;
}

bool same_addresses(AddressList a, AddressList b) {
  std::ranges::sort(a);  // servers rotate them
  std::ranges::sort(b);
  return a == b;
}

AddressList in_turns(std::span<const IpAddress> a, std::span<const IpAddress> b) {
  AddressList out;
  for (size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    if (i < a.size()) out.push_back(a[i]);
    if (i < b.size()) out.push_back(b[i]);
  }
  return out;
}

}  // namespace

// ---- what callers do ----

std::optional<NameState> NameTable::lookup(std::string_view text, uint16_t worker, SteadyTime now, Standing standing) {
  if (auto state = recall(text, worker, now)) return state;
  Name* name = find(text);
  if (!name) name = insert(text, now, standing);
  if (!name) {
    ++stats_.host_overflow;
    return NameState{.failure = NameFailure::table_full, .expires = now};
  }
  touch(*name, worker, now);

  if (!name->round) begin_round(*name, now);
  const bool is_stale = name->known && name->state.stale;
  const SteadyTime stale_until = is_stale ? merge(*name, now).stale_until : SteadyTime::min();
  if (now < stale_until) {
    NameState stale = name->state;
    stale.expires = std::min(name->round->ends, stale_until);
    reschedule(*name);
    return stale;
  }
  set_waiting(*name, true);
  reschedule(*name);
  return std::nullopt;
}

std::optional<NameState> NameTable::recall(std::string_view text, uint16_t worker, SteadyTime now) {
  Name* name = find(text);
  if (!name || !name->known || now >= name->state.expires) return std::nullopt;
  touch(*name, worker, now);
  reschedule(*name);  // it is in use now: perhaps due to be asked again
  return name->state;
}

void NameTable::used(std::string_view text, uint16_t worker, SteadyTime now) {
  Name* name = find(text);
  if (!name) return;
  touch(*name, worker, now);
  if (!name->round && name->ask_again <= now) begin_round(*name, now);
  reschedule(*name);
}

void NameTable::answered(QueryId id, std::expected<Answer, NameFailure> result, SteadyTime now) {
  const auto found = queries_.find(id);
  if (found == queries_.end()) return;
  const auto [name, records] = found->second;
  queries_.erase(found);
  record(*name, *records, result, now);
  go_on(*name, now);
  reschedule(*name);
}

void NameTable::turn(SteadyTime now) {
  while (!timers_.empty() && timers_.begin()->first <= now) {
    Name& name = *timers_.begin()->second;
    if (name.round && name.round->ends <= now) {
      time_out(name, now);
    } else if (name.round) {
      settle_early(name, now);
    } else {
      begin_round(name, now);
    }
    reschedule(name);
  }
  purge_idle(now);
}

SteadyTime NameTable::next_turn() const {
  const SteadyTime timer = timers_.empty() ? SteadyTime::max() : timers_.begin()->first;
  const auto purge = [&](const Population& names) {
    return names.idle.empty() ? SteadyTime::max() : later(names.idle.back().last_used, settings_.host_ttl);
  };
  return std::min({timer, purge(resolved_), purge(unresolved_)});
}

void NameTable::forget(std::string_view text, SteadyTime now) {
  Name* name = find(text);
  if (!name) return;
  name->state = {.failure = NameFailure::server_failure, .expires = now};
  if (name->waiting) publish(*name);
  remove(*name);
}

std::vector<NameTable::Row> NameTable::rows() const {
  std::vector<Row> out;
  for (const auto& [key, name] : names_)
    out.push_back({.name = std::string(key.view()),
                   .state = name.state,
                   .asking = name.round != nullptr,
                   .last_used = name.last_used});
  return out;
}

// ---- which names there are ----

NameTable::Name* NameTable::find(std::string_view text) {
  const auto found = names_.find(text);
  return found == names_.end() ? nullptr : &found->second;
}

NameTable::Name* NameTable::insert(std::string_view text, SteadyTime now, Standing standing) {
  if (!make_room(standing)) return nullptr;
  const auto [at, added] = names_.try_emplace(TextKey(text));
  CHECK(added);
  Name& name = at->second;
  name.key = &at->first;
  name.last_used = now;
  name.standing = standing;
  ++unresolved_.size;
  unresolved_.idle.push_front(name);
  ++stats_.host_added;
  return &name;
}

// For one name more. A stranger gets the place of another that nobody waits for, or none; a name that somebody uses may
// also have that of the resolved name that was used longest ago.
bool NameTable::make_room(Standing standing) {
  const auto full = [&] {
    const bool no_place = standing == Standing::stranger && unresolved_.size >= settings_.hosts_max;
    return no_place || names_.size() >= 2 * settings_.hosts_max;
  };
  while (full()) {
    if (!unresolved_.idle.empty())
      remove(unresolved_.idle.back());
    else if (standing == Standing::in_use && !resolved_.idle.empty())
      remove(resolved_.idle.back());
    else
      return false;
  }
  return true;
}

void NameTable::remove(Name& name) {
  if (name.round) {
    cancel(name.round->four, NameFailure::none);
    cancel(name.round->six, NameFailure::none);
  }
  if (name.timer != SteadyTime::max()) timers_.erase({name.timer, &name});
  --population(name).size;
  if (!name.waiting) population(name).idle.remove(name);
  ++stats_.host_removed;
  names_.erase(names_.find(name.text()));
}

void NameTable::purge_idle(SteadyTime now) {
  for (Population* names : {&resolved_, &unresolved_})
    while (!names->idle.empty() && later(names->idle.back().last_used, settings_.host_ttl) <= now)
      remove(names->idle.back());
}

void NameTable::touch(Name& name, uint16_t worker, SteadyTime now) {
  name.last_used = now;
  if (!name.waiting) population(name).idle.move_to_front(name);
  if (std::ranges::find(name.users, worker) == name.users.end()) name.users.push_back(worker);
}

void NameTable::set_waiting(Name& name, bool waiting) {
  if (name.waiting == waiting) return;
  name.waiting = waiting;
  auto& idle = population(name).idle;
  waiting ? idle.remove(name) : idle.push_front(name);
}

// It has got its first addresses, or lost its last: among the resolved ones, the one that was used longest ago makes
// room.
void NameTable::set_resolved(Name& name, bool resolved) {
  if (name.resolved == resolved) return;
  while (resolved && resolved_.size >= settings_.hosts_max && !resolved_.idle.empty()) remove(resolved_.idle.back());
  Population& from = population(name);
  name.resolved = resolved;
  Population& to = population(name);
  --from.size;
  ++to.size;
  if (name.waiting) return;
  from.idle.remove(name);
  to.idle.push_front(name);
}

void NameTable::reschedule(Name& name) {
  const SteadyTime next = name.round           ? std::min(name.round->ends, name.round->settles)
                          : name.users.empty() ? SteadyTime::max()
                                               : name.ask_again;
  if (next == name.timer) return;
  if (name.timer != SteadyTime::max()) timers_.erase({name.timer, &name});
  name.timer = next;
  if (next != SteadyTime::max()) timers_.emplace(next, &name);
}

// ---- a round of queries ----

void NameTable::begin_round(Name& name, SteadyTime now) {
  ++stats_.query_attempt;
  name.round = std::make_unique<Round>();
  name.round->ends = deadline_after(now, settings_.query_timeout);
  name.ask_again = SteadyTime::max();
  if (settings_.family != LookupFamily::v6_only) ask(name, name.round->four);
  if (settings_.family == LookupFamily::v6_only || asks_both_at_once(settings_.family)) ask(name, name.round->six);
}

void NameTable::ask(Name& name, Records& records) {
  records.outcome = Outcome::asking;
  records.query = ++query_last_;
  queries_.emplace(records.query, std::pair(&name, &records));
  commands_.emplace_back(SendQuery{.id = records.query,
                                   .name = std::string(name.text()),
                                   .type = records.type,
                                   .standing = name.resolved ? Standing::in_use : name.standing});
}

void NameTable::cancel(Records& records, NameFailure why) {
  if (records.outcome != Outcome::asking) return;
  queries_.erase(records.query);
  commands_.emplace_back(CancelQuery{records.query});
  records.outcome = Outcome::failed;
  records.failure = why;
}

void NameTable::record(Name& name, Records& records, const std::expected<Answer, NameFailure>& result,
                       SteadyTime now) const {
  if (!result) {
    records.outcome = Outcome::failed;
    records.failure = result.error();
    return;
  }
  if (result->endless) {
    records.outcome = Outcome::failed;
    records.failure = NameFailure::cname_loop;
    return;
  }
  if (result->rcode == Rcode::no_error && !result->addresses.empty()) {
    records.outcome = Outcome::addresses;
    records.ttl = std::clamp<Nanos>(result->ttl, settings_.ttl_min, settings_.ttl_max);
    records.expires = later(now, records.ttl);
    name.held.replace(records.type, result->addresses, later(records.expires, settings_.stale_max));
    return;
  }
  if (result->rcode == Rcode::no_error || result->rcode == Rcode::name_does_not_exist) {
    const bool exists = result->rcode == Rcode::no_error;
    records.outcome = exists ? Outcome::no_records : Outcome::name_does_not_exist;
    records.ttl = std::clamp<Nanos>(result->negative_ttl.value_or(0s), settings_.negative_min, settings_.negative_max);
    name.held.withdraw(records.type);
    return;
  }
  records.outcome = Outcome::failed;
  records.failure = result->rcode == Rcode::refused ? NameFailure::server_refused : NameFailure::server_failure;
}

// An answer came: ask on, wait on, or end.
void NameTable::go_on(Name& name, SteadyTime now) {
  Round& round = *name.round;
  if (wants_second_type(name, now)) {
    ask(name, round.six);
    return;
  }
  if (settings_.family == LookupFamily::automatic && round.six.outcome == Outcome::addresses)
    cancel(round.four, NameFailure::none);
  const bool some_wait = round.four.outcome == Outcome::asking || round.six.outcome == Outcome::asking;
  if (!some_wait) {
    end_round(name, now);
    return;
  }
  const bool some_came = round.four.outcome == Outcome::addresses || round.six.outcome == Outcome::addresses;
  if (some_came) round.settles = std::min(round.settles, later(now, settings_.family_delay));
}

bool NameTable::wants_second_type(const Name& name, SteadyTime now) const {
  if (settings_.family != LookupFamily::v4_preferred || name.round->six.outcome != Outcome::not_asked) return false;
  switch (name.round->four.outcome) {
    case Outcome::no_records: return true;
    // Old IPv4 addresses that may still be used are better than a change of family for one lost answer.
    case Outcome::failed: return name.held.of(RecordType::a).empty() || now >= name.held.stale_until(RecordType::a);
    case Outcome::name_does_not_exist:  // of no type
    case Outcome::not_asked:
    case Outcome::asking:
    case Outcome::addresses: return false;
  }
  return false;
}

void NameTable::time_out(Name& name, SteadyTime now) {
  ++stats_.query_timeout;
  cancel(name.round->four, NameFailure::timeout);
  cancel(name.round->six, NameFailure::timeout);
  end_round(name, now);
}

void NameTable::end_round(Name& name, SteadyTime now) {
  withdraw_missing(name);
  settle(name, merge(name, now), now);
  name.round.reset();
  publish(name);
  name.users.clear();
  set_waiting(name, false);
}

// "No such name" is an answer for all types: what an older round brought is gone with it.
void NameTable::withdraw_missing(Name& name) {
  const Round& round = *name.round;
  const bool missing =
      round.four.outcome == Outcome::name_does_not_exist || round.six.outcome == Outcome::name_does_not_exist;
  if (!missing) return;
  for (const Records* records : {&round.four, &round.six})
    if (records->outcome != Outcome::addresses) name.held.withdraw(records->type);
}

// ---- from answers to what is known ----

std::span<const IpAddress> NameTable::Held::of(RecordType type) const {
  const std::span<const IpAddress> all(addresses_);
  const auto four = static_cast<size_t>(std::ranges::count_if(all, &IpAddress::is_v4));
  return type == RecordType::a ? all.first(four) : all.subspan(four);
}

void NameTable::Held::replace(RecordType type, std::span<const IpAddress> addresses, SteadyTime stale_until) {
  const bool four = type == RecordType::a;
  const auto others = of(four ? RecordType::aaaa : RecordType::a);
  std::vector<IpAddress> all(addresses.begin(), addresses.end());
  all.insert(four ? all.end() : all.begin(), others.begin(), others.end());
  addresses_ = AddressList(all);
  stale_until_[index(type)] = stale_until;
}

NameTable::Merged NameTable::merge(const Name& name, SteadyTime now) const {
  // What a type contributes: what came in this round, else what came before and is not too old.
  using Addresses = std::span<const IpAddress>;
  const auto usable = [&](const Records& records) {
    const bool old = records.outcome != Outcome::addresses && now >= name.held.stale_until(records.type);
    return old ? Addresses() : name.held.of(records.type);
  };
  const Round& round = *name.round;
  const Addresses four = usable(round.four);
  const Addresses six = usable(round.six);
  Merged out;
  const auto count = [&](const Records& records, Addresses addresses) {
    if (addresses.empty()) return;
    out.stale_until = std::min(out.stale_until, name.held.stale_until(records.type));
    if (records.outcome != Outcome::addresses) return;
    out.fresh = true;
    out.ttl = std::min(out.ttl, records.ttl);
    out.expires = std::min(out.expires, records.expires);
  };
  const auto only = [&](const Records& records, Addresses addresses) {
    out.addresses = AddressList(addresses);
    count(records, addresses);
  };
  switch (settings_.family) {
    case LookupFamily::v4_only: only(round.four, four); break;
    case LookupFamily::v6_only: only(round.six, six); break;
    case LookupFamily::v4_preferred: four.empty() ? only(round.six, six) : only(round.four, four); break;
    case LookupFamily::automatic: six.empty() ? only(round.four, four) : only(round.six, six); break;
    case LookupFamily::all:
      out.addresses = in_turns(six, four);
      count(round.six, six);
      count(round.four, four);
      break;
  }
  if (out.addresses.empty()) out.stale_until = SteadyTime::min();
  return out;
}

// Some addresses came, others are still waited for: whoever waits goes on with these.
void NameTable::settle_early(Name& name, SteadyTime now) {
  name.round->settles = SteadyTime::max();
  Merged merged = merge(name, now);
  set_addresses(name, std::move(merged.addresses));
  name.known = true;
  set_resolved(name, true);
  name.state.expires = std::min(merged.expires, merged.stale_until);
  publish(name);  // users stay: they get the others, too
  set_waiting(name, false);
}

void NameTable::settle(Name& name, const Merged& merged, SteadyTime now) {
  name.known = true;
  if (merged.addresses.empty()) {
    settle_without(name, now);
  } else if (merged.fresh) {
    settle_fresh(name, merged);
  } else {
    settle_stale(name, merged, now);
  }
  set_resolved(name, name.state.addresses != nullptr);
}

void NameTable::settle_fresh(Name& name, const Merged& merged) {
  ++stats_.query_success;
  set_addresses(name, merged.addresses);
  name.failures = 0;
  name.state.expires = std::min(merged.expires, merged.stale_until);
  name.ask_again = name.state.expires - merged.ttl * 15 / 100;
}

void NameTable::settle_stale(Name& name, const Merged& merged, SteadyTime now) {
  ++stats_.query_failure;
  set_addresses(name, merged.addresses);
  name.ask_again = later(now, next_pause(name));
  name.state.stale = true;
  name.state.expires =
      std::min(later(name.ask_again, std::max<Nanos>(settings_.query_timeout, 1s)), merged.stale_until);
}

void NameTable::settle_without(Name& name, SteadyTime now) {
  ++stats_.query_failure;
  NameFailure failure = NameFailure::none;
  Nanos ttl = settings_.negative_max;
  bool exists = true;
  for (const Records* records : {&name.round->four, &name.round->six}) {
    if (records->outcome == Outcome::failed && failure == NameFailure::none) failure = records->failure;
    if (records->outcome == Outcome::name_does_not_exist) exists = false;
    if (records->outcome == Outcome::name_does_not_exist || records->outcome == Outcome::no_records)
      ttl = std::min(ttl, records->ttl);
  }
  if (!exists || failure == NameFailure::none) {
    failure = exists ? NameFailure::no_records : NameFailure::name_does_not_exist;
    name.failures = 0;
  } else {
    ttl = next_pause(name);
  }
  name.state = {.addresses = nullptr, .failure = failure, .stale = false, .expires = later(now, ttl)};
}

void NameTable::set_addresses(Name& name, AddressList addresses) {
  name.state.failure = NameFailure::none;
  name.state.stale = false;
  if (name.state.addresses && same_addresses(name.state.addresses->addresses, addresses)) return;
  ++stats_.host_address_changed;
  name.state.addresses = std::make_shared<const AddressSet>(
      AddressSet{.generation = next_generation(), .addresses = std::move(addresses)});
}

Nanos NameTable::next_pause(Name& name) const {
  constexpr uint8_t kFailuresMax = 62;  // what 2^n can be counted for: far beyond any failure_max
  const uint8_t before = name.failures;
  if (before < kFailuresMax) ++name.failures;
  if (before == 0) return settings_.failure_base;
  return std::min(times(settings_.failure_base, int64_t{1} << before), settings_.failure_max);
}

void NameTable::publish(Name& name) {
  for (const uint16_t worker : name.users)
    commands_.emplace_back(Publish{.worker = worker, .name = std::string(name.text()), .state = name.state});
}

}  // namespace sluice::dns
