#include <algorithm>
#include <map>
#include <set>

#include "base/check.h"
#include "engines/dns/name_table.h"

// A random life: lookups, uses, answers of all kinds, time. What must hold whatever happens:
//  - one query in flight for a name and type;
//  - no more names than allowed: as many with addresses as without;
//  - no stranger pushes out a name that has addresses;
//  - whoever was told to wait is told more within the query timeout;
//  - no address is used later than its TTL and the longest staleness allow.
namespace {

using namespace sluice;
using namespace sluice::dns;

constexpr NameSettings kSettings{.query_timeout = 5s, .stale_max = 60s, .hosts_max = 2};
constexpr Seconds kTtl{20};

class Life {
 public:
  explicit Life(LookupFamily family)
      : table_([&] {
          NameSettings settings = kSettings;
          settings.family = family;
          return settings;
        }()) {}

  void step(uint8_t op, uint8_t argument) {
    const std::string name{static_cast<char>('a' + argument % 6)};
    const auto worker = static_cast<uint16_t>(argument / 6 % 3);
    switch (op % 5) {
      case 0: look_up(name, worker, argument >= 128 ? Standing::in_use : Standing::stranger); break;
      case 1: table_.used(name, worker, now_); break;
      case 2: answer(argument); break;
      case 3: now_ += Millis(1 << argument % 15); break;
      case 4: table_.turn(now_); break;
    }
    if (table_.next_turn() <= now_) table_.turn(now_);
    perform();
    CHECK(table_.size() <= 2 * kSettings.hosts_max);
    CHECK(table_.next_turn() > now_);
    for (const auto& [who, since] : waiting_) CHECK(now_ < since + kSettings.query_timeout);
  }

 private:
  long resolved() const {
    return std::ranges::count_if(table_.rows(), [](const auto& row) { return row.state.addresses != nullptr; });
  }
  void look_up(const std::string& name, uint16_t worker, Standing standing) {
    const long before = resolved();
    const auto state = table_.lookup(name, worker, now_, standing);
    CHECK(standing == Standing::in_use || resolved() >= before);
    if (!state) {
      waiting_.try_emplace({name, worker}, now_);
    } else {
      check_age(name, *state);
    }
  }
  void check_age(const std::string& name, const NameState& state) {
    if (!state.addresses) return;
    CHECK(!state.addresses->addresses.empty());
    CHECK(state.expires <= came_[name] + kTtl + kSettings.stale_max);
  }
  void answer(uint8_t argument) {
    if (open_.empty()) return;
    const auto query = std::next(open_.begin(), argument % static_cast<long>(open_.size()));
    const auto [id, what] = *query;
    open_.erase(query);
    std::expected<Answer, NameFailure> result = std::unexpected(NameFailure::server_unreachable);
    const bool six = what.second == RecordType::aaaa;
    switch (argument / 16 % 6) {
      case 0: break;
      case 1: result = Answer{.rcode = Rcode::server_failure}; break;
      case 2: result = Answer{.rcode = Rcode::name_does_not_exist, .negative_ttl = Seconds(argument)}; break;
      case 3: result = Answer{}; break;
      default:
        result = Answer{.ttl = kTtl};
        result->addresses.push_back(six ? IpAddress::v6(0, argument) : IpAddress::v4(argument));
        came_[what.first] = now_;
    }
    table_.answered(id, std::move(result), now_);
  }
  void perform() {
    for (Command& command : table_.take_commands()) {
      if (const auto* query = std::get_if<SendQuery>(&command)) {
        for (const auto& [id, what] : open_) CHECK(what != std::pair(query->name, query->type));
        open_.emplace(query->id, std::pair(query->name, query->type));
      } else if (const auto* cancel = std::get_if<CancelQuery>(&command)) {
        CHECK(open_.erase(cancel->id) == 1);
      } else {
        const auto& publication = std::get<Publish>(command);
        waiting_.erase({publication.name, publication.worker});
        check_age(publication.name, publication.state);
      }
    }
  }

  NameTable table_;
  SteadyTime now_{1000s};
  std::map<QueryId, std::pair<std::string, RecordType>> open_;
  std::map<std::pair<std::string, uint16_t>, SteadyTime> waiting_;
  std::map<std::string, SteadyTime> came_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  Life life(static_cast<LookupFamily>(data[0] % 5));
  for (size_t i = 1; i + 1 < size; i += 2) life.step(data[i], data[i + 1]);
  return 0;
}
