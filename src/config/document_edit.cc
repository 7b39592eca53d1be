// Changing one document of a file and no other byte.
#include "config/documents.h"

namespace sluice {
namespace {

std::string_view line_end(std::string_view file) {
  return file.contains("\r\n") ? "\r\n" : "\n";
}

std::string with_final_break(std::string_view yaml) {
  std::string out(yaml);
  if (!out.empty() && out.back() != '\n') out += '\n';
  return out;
}

}  // namespace

std::string replace_document(std::string_view file, size_t begin, size_t end, std::string_view yaml) {
  std::string out(file.substr(0, begin));
  if (!out.empty() && out.back() != '\n' && !out.ends_with("\xEF\xBB\xBF"))
    out += '\n';  // content stood on the marker's line
  out += with_final_break(yaml);
  out += file.substr(end);
  return out;
}

namespace {

// Takes the marker line off the end of the text, if only blanks follow it. (The first document has none.)
bool take_off_marker(std::string& before) {
  const size_t marker = before.rfind("---");
  if (marker == std::string::npos || (marker > 0 && before[marker - 1] != '\n')) return false;
  if (before.find_first_not_of(" \t\r\n", before.find('\n', marker)) != std::string::npos) return false;
  before.resize(marker);
  return true;
}

}  // namespace

std::string remove_documents(std::string_view file, std::span<const DocumentSpan> documents) {
  std::string out;
  size_t at = 0;
  for (const DocumentSpan& document : documents) {
    out += file.substr(at, document.begin - at);
    at = document.end;
    // The document's own marker goes with it; where it has none, the next one's goes.
    if (take_off_marker(out) || !file.substr(at).starts_with("---")) continue;
    at = std::min(file.find('\n', at), file.size() - 1) + 1;
  }
  return out += file.substr(at);
}

std::string append_document(std::string_view file, std::string_view yaml) {
  std::string out(file);
  if (out.find_first_not_of(" \t\r\n") == std::string::npos) return with_final_break(yaml);
  if (out.back() != '\n') out += line_end(file);
  return out + "---" + std::string(line_end(file)) + with_final_break(yaml);
}

}  // namespace sluice
