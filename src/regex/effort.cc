#include "regex/effort.h"

#include <algorithm>

namespace sluice::regex {
namespace {

constexpr size_t kWaysPerUnit = 2;    // places that are followed at one byte
constexpr size_t kGroupsPerWay = 12;  // to copy them takes as long as a step of a way

// What the hooks said during one search of this thread.
struct Told {
  bool failed = false;
  size_t states = 0;  // that were made and thrown away
};
thread_local Told told;

void on_reset(const re2::hooks::DFAStateCacheReset& reset) {
  told.states += reset.state_cache_size;
}
void on_failure(const re2::hooks::DFASearchFailure& /*failure*/) {
  told.failed = true;
}

void set_hooks() {
  static const bool once = [] {
    re2::hooks::SetDFAStateCacheResetHook(on_reset);
    re2::hooks::SetDFASearchFailureHook(on_failure);
    return true;
  }();
  static_cast<void>(once);
}

}  // namespace

size_t effort_max(size_t places, size_t bytes, size_t groups) {
  const size_t ways = std::min(places, bytes);
  return bytes * (1 + (groups > 1 ? ways + ways * groups / kGroupsPerWay : ways) / kWaysPerUnit);
}

Search search(const re2::RE2& regex, size_t places, re2::StringPiece text, size_t from, size_t end,
              re2::RE2::Anchor anchor, std::span<re2::StringPiece> groups, size_t beyond) {
  set_hooks();
  told = {};
  Search out;
  out.found = regex.Match(text, from, end, anchor, groups.data(), static_cast<int>(groups.size()));
  const bool knows_where = out.found && !groups.empty();
  const size_t start = knows_where ? static_cast<size_t>(groups[0].data() - text.data()) : end;
  const size_t looked_at = start - from + std::min(beyond, end - start);
  out.effort = looked_at + told.states * places;
  if (told.failed)
    out.effort += effort_max(places, looked_at, groups.size());
  else if (knows_where && groups.size() > 1)  // the groups are found by a second search, in the match alone
    out.effort += effort_max(places, groups[0].size(), groups.size());
  return out;
}

}  // namespace sluice::regex
