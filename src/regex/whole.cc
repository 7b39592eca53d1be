#include "regex/whole.h"

#include <algorithm>

#include "regex/effort.h"

namespace sluice::regex {

Whole::Whole(std::shared_ptr<const RE2> regex)
    : regex_(std::move(regex)), places_(static_cast<size_t>(regex_->ProgramSize())) {}

Found Whole::matches(std::string_view text, size_t& effort) const {
  if (!regex_) return Found::no;
  const size_t most = effort_max(places_, text.size(), 0) - text.size();
  if (most > effort) return Found::too_costly;
  const Search searched = search(*regex_, places_, {text.data(), text.size()}, 0, text.size(), RE2::ANCHOR_BOTH, {});
  effort -= std::min(searched.effort - text.size(), most);
  return searched.found ? Found::yes : Found::no;
}

}  // namespace sluice::regex
