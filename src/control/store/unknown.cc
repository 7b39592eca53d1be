#include "control/store/unknown.h"

#include "config/policy_gap.h"

namespace sluice {
namespace {

bool is_of_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

std::string_view without_ends(std::string_view word) {
  while (!word.empty() && (word.front() == '-' || word.front() == '.')) word.remove_prefix(1);
  while (!word.empty() && (word.back() == '-' || word.back() == '.')) word.remove_suffix(1);
  return word;
}

template <class Take>
void each_word(std::string_view bytes, Take take) {
  for (size_t at = 0; at < bytes.size();) {
    size_t end = at;
    while (end < bytes.size() && is_of_name(bytes[end])) ++end;
    if (const std::string_view word = without_ends(bytes.substr(at, end - at)); !word.empty()) take(word);
    at = end + 1;
  }
}

}  // namespace

void Unknown::add_text(Part part, std::string_view bytes) {
  // In another encoding, or no text at all.
  if (bytes.contains('\0')) return add_unseen(std::move(part));
  texts_.push_back({std::move(part), bytes});
}

void Unknown::add_unseen(Part part) {
  unseen_.push_back(std::move(part));
}

void Unknown::look_for(const std::unordered_set<std::string_view>& names) {
  if (!unseen_.empty()) return;  // may hold all of them
  for (size_t i = 0; i < texts_.size(); ++i)
    each_word(texts_[i].bytes, [&](std::string_view word) {
      if (const auto name = names.find(word); name != names.end()) found_.try_emplace(*name, i);
    });
}

const Unknown::Part* Unknown::said(const Part* part) {
  was_asked_ = true;
  return part;
}

const Unknown::Part* Unknown::holder_of(std::string_view name) {
  if (!unseen_.empty()) return said(&unseen_.front());
  const auto found = found_.find(name);
  return found == found_.end() ? nullptr : said(&texts_[found->second].part);
}

const Unknown::Part* Unknown::policy_holder(bool changed_only) {
  for (const Part& part : unseen_)
    if (part.changed || !changed_only) return said(&part);
  for (Text& text : texts_) {
    if (changed_only && !text.part.changed) continue;
    if (!text.may_hold_policy) text.may_hold_policy = may_hold_policy(text.part.path, text.bytes);
    if (*text.may_hold_policy) return said(&text.part);
  }
  return nullptr;
}

}  // namespace sluice
