// sluice check: reads configuration as `run` would and prints everything that is wrong with it.
#include <cstdio>
#include <iostream>
#include <iterator>

#include "config/schema.h"
#include "control/store/folder_scan.h"
#include "main/commands.h"
#include "main/offline.h"

namespace sluice {
namespace {

struct Read {
  std::vector<ConfigFile> files;
  bool failed = false;
};

Read read_files(const std::vector<std::string>& paths) {
  Read out;
  std::vector<std::string> on_disk;
  for (const std::string& path : paths) {
    if (path == "-")
      out.files.push_back({"-", std::string(std::istreambuf_iterator<char>(std::cin), {}), 0});
    else
      on_disk.push_back(path);
  }
  FolderScan scan = scan_folders(on_disk);
  for (const std::string& path : scan.gone) scan.problems.push_back(fmt::format("{}: no such file or folder", path));
  for (ScannedFile& file : scan.files) {
    if (!file.problem.empty())
      scan.problems.push_back(fmt::format("{}: {}", file.path, file.problem));
    else
      out.files.push_back({file.path, std::move(file.bytes), file.size});
  }
  for (const std::string& problem : scan.problems) fmt::print(stderr, "sluice: {}\n", problem);
  out.failed = !scan.problems.empty();
  return out;
}

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
  const Read read = read_files(paths);
  if (read.failed) return kSystemError;
  Offline offline(read.files);

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
    for (const std::string& error : found->second.errors) tell(Severity::error, error);
    for (const std::string& warning : found->second.warnings) tell(Severity::warning, warning);
  }
  fmt::print("{}", check_report(loaded, read.files.size()));
  return loaded.diagnostics.errors() > 0 ? kConfigErrors : kOk;
}

}  // namespace sluice
