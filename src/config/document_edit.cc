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

std::string remove_document(std::string_view file, size_t begin, size_t end) {
  std::string before(file.substr(0, begin));
  std::string_view after = file.substr(end);
  // The document's own marker goes with it; the first document has none, so the next one's goes.
  const size_t marker = before.rfind("---");
  const bool own_marker = marker != std::string::npos && (marker == 0 || before[marker - 1] == '\n') &&
                          before.find_first_not_of(" \t\r\n", before.find('\n', marker)) == std::string::npos;
  if (own_marker) {
    before.resize(marker);
  } else if (after.starts_with("---")) {
    after.remove_prefix(std::min(after.find('\n'), after.size() - 1) + 1);
  }
  return before + std::string(after);
}

std::string append_document(std::string_view file, std::string_view yaml) {
  std::string out(file);
  if (out.find_first_not_of(" \t\r\n") == std::string::npos) return with_final_break(yaml);
  if (out.back() != '\n') out += line_end(file);
  return out + "---" + std::string(line_end(file)) + with_final_break(yaml);
}

}  // namespace sluice
