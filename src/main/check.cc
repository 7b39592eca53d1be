// sluice check: reads configuration as `run` would and prints everything that is wrong with it.
#include <cstdio>

#include "config/schema.h"
#include "main/commands.h"
#include "main/offline.h"

namespace sluice {
namespace {

// A report that begins with a path, as in "spec.options...: unknown operator %X%", is about that place.
void find_place(Diagnostic& diagnostic, const Node& object) {
  std::string& message = diagnostic.message;
  const size_t end = message.find(": ");
  if (!message.starts_with("spec.") || end == std::string::npos || message.find(' ') < end) return;
  diagnostic.path = message.substr(0, end);
  diagnostic.place = place_at(object, diagnostic.path);
  message.erase(0, end + 2);
}

}  // namespace

int check_command(const std::vector<std::string>& paths) {
  const auto files = read_files(paths);
  if (!files) return kSystemError;
  Offline offline(*files);

  // What only shows when objects are put together: references, domains, expressions of filters.
  LoadedConfig& loaded = offline.loaded;
  for (const ConfigObjectPtr& object : loaded.objects) {
    const auto found = offline.translation.reports.find(object->key);
    if (found == offline.translation.reports.end()) continue;
    const auto tell = [&](Severity severity, const std::string& message) {
      Diagnostic diagnostic{.severity = severity,
                            .file = object->file,
                            .place = object->node.place(),
                            .object = object->key,
                            .path = {},
                            .message = message,
                            .suggestion = {}};
      find_place(diagnostic, object->node);
      loaded.diagnostics.add(std::move(diagnostic));
    };
    for (const std::string& error : found->second.all_errors()) tell(Severity::error, error);
    for (const std::string& warning : found->second.warnings) tell(Severity::warning, warning);
  }
  fmt::print("{}", check_report(loaded, files->size()));
  return loaded.diagnostics.errors() > 0 ? kConfigErrors : kOk;
}

}  // namespace sluice
