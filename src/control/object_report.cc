#include "control/object_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/strings.h"

namespace sluice {

void add_once(std::vector<std::string>& texts, std::string text) {
  if (std::ranges::find(texts, text) == texts.end()) texts.push_back(std::move(text));
}

void ObjectReport::error(std::string text) {
  add_once(errors, std::move(text));
}
void ObjectReport::clash(std::string text) {
  add_once(clashes, std::move(text));
}
void ObjectReport::warning(std::string text) {
  add_once(warnings, std::move(text));
}

ObjectState ObjectReport::state() const {
  if (!errors.empty() || !clashes.empty()) return ObjectState::rejected;
  return warnings.empty() ? ObjectState::accepted : ObjectState::warning;
}

std::vector<std::string> ObjectReport::all_errors() const {
  std::vector<std::string> out = errors;
  out.insert(out.end(), clashes.begin(), clashes.end());
  return out;
}

std::string ObjectReport::reason() const {
  std::string out;
  if (const std::vector<std::string> all = all_errors(); !all.empty()) {
    out = all.size() == 1 ? "1 error occurred:\n" : fmt::format("{} errors occurred:\n", all.size());
    for (const std::string& error : all) out += fmt::format("\t* {}\n", error);
    out += '\n';
  }
  if (!warnings.empty()) {
    if (!out.empty()) out += '\n';
    out += "warning: \n  " + join(warnings, "\n");
  }
  return out;
}

std::pair<std::string, std::string> path_and_message(const std::string& text) {
  const size_t end = text.find(": ");
  if (!text.starts_with("spec.") || end == std::string::npos || text.find(' ') < end) return {"", text};
  return {text.substr(0, end), text.substr(end + 2)};
}

}  // namespace sluice
