#include "config/diagnostics.h"

#include <fmt/format.h>
#include <algorithm>
#include <map>

#include "base/strings.h"

namespace sluice {

std::string ObjectKey::to_string() const {
  if (kind.empty()) return {};
  if (ns.empty() && name.empty()) return kind;
  return ns.empty() ? fmt::format("{} {}", kind, name) : fmt::format("{} {}/{}", kind, ns, name);
}

std::string Diagnostic::sentence() const {
  return suggestion.empty() ? message : fmt::format("{}; did you mean {}?", message, json_quote(suggestion));
}

std::string Diagnostic::to_string() const {
  std::string out = file;
  if (place.line != 0) out += fmt::format("{}{}", file.empty() ? "line " : ":", place.line);
  for (const std::string& part : {object.to_string(), path}) {
    if (part.empty()) continue;
    if (!out.empty()) out += ": ";
    out += part;
  }
  if (!out.empty()) out += ": ";
  if (severity == Severity::warning) out += "warning: ";
  if (severity == Severity::note) out += "note: ";
  return out + sentence();
}

void Diagnostics::add(Diagnostic diagnostic) {
  const bool note = diagnostic.severity == Severity::note;
  (note ? notes_ : diagnostic.severity == Severity::error ? errors_ : warnings_) += 1;
  if (full() || (note && notes_kept_ == kNotesMax)) return;
  notes_kept_ += note;
  kept_.push_back(std::move(diagnostic));
}

void Diagnostics::append(const Diagnostics& more) {
  for (const Diagnostic& diagnostic : more.kept_) add(diagnostic);
  // And what it did not keep.
  errors_ += more.errors_ - static_cast<size_t>(std::ranges::count(more.kept_, Severity::error, &Diagnostic::severity));
  warnings_ +=
      more.warnings_ - static_cast<size_t>(std::ranges::count(more.kept_, Severity::warning, &Diagnostic::severity));
  notes_ += more.notes_ - more.notes_kept_;
}

void Diagnostics::sort_by_line() {
  std::vector<Diagnostic> sorted;
  for (auto begin = kept_.begin(); begin != kept_.end();) {
    const auto end =
        std::find_if(begin, kept_.end(), [&file = begin->file](const Diagnostic& d) { return d.file != file; });
    std::multimap<uint32_t, Diagnostic> by_line;  // keeps the order of equal lines
    for (; begin != end; ++begin) by_line.emplace(begin->place.line, std::move(*begin));
    for (auto& [line, diagnostic] : by_line) sorted.push_back(std::move(diagnostic));
  }
  kept_ = std::move(sorted);
}

std::string Diagnostics::to_string() const {
  std::string out;
  for (const Diagnostic& diagnostic : kept_) (out += diagnostic.to_string()) += '\n';
  if (const size_t more = errors_ + warnings_ + notes_ - kept_.size(); more > 0)
    out += fmt::format("and {} more\n", more);
  return out;
}

}  // namespace sluice
