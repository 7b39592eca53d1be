// sluice check: reads configuration as `run` would and prints everything that is wrong with it.
#include <algorithm>
#include <cstdio>

#include "control/store/folder_scan.h"
#include "main/commands.h"
#include "main/offline.h"

namespace sluice {
namespace {

// A file that was named holds something of ours, and a folder any file, or it is not the one that was meant.
void look_for_nothing(const std::vector<std::string>& paths, size_t files, LoadedConfig& loaded) {
  for (const std::string& path : paths) {
    const auto is_in = [&](const auto& one) { return one->file == path; };
    const auto is_wrong = [&](const Diagnostic& one) { return one.file == path && one.severity == Severity::error; };
    if (std::ranges::any_of(loaded.objects, is_in) || std::ranges::any_of(loaded.diagnostics.all(), is_wrong)) continue;
    if (is_folder(path)) {
      if (files == 0) loaded.diagnostics.add({.file = path, .message = "holds no .yaml, .yml or .json file"});
      continue;
    }
    loaded.diagnostics.add({.file = path, .message = "holds no object that sluice reads"});
  }
}

}  // namespace

int check_command(const std::vector<std::string>& paths) {
  const auto [files, complete] = read_files(paths);
  if (files.empty() && !complete) return kSystemError;
  Offline offline(files);

  // What only shows when objects are put together: references, domains, expressions of filters.
  LoadedConfig& loaded = offline.loaded;
  look_for_nothing(paths, files.size(), loaded);
  for (const ConfigObjectPtr& object : loaded.objects) {
    const auto found = offline.translation.reports->find(object->key);
    if (found == offline.translation.reports->end()) continue;
    const auto tell = [&](Severity severity, const std::string& message) {
      auto [path, sentence] = path_and_message(message);
      const Node tree = object->tree();
      const Place place = path.empty() ? tree.place() : place_at(tree, path);
      loaded.diagnostics.add({.severity = severity,
                              .file = object->file,
                              .place = place,
                              .object = object->key,
                              .path = std::move(path),
                              .message = std::move(sentence)});
    };
    for (const std::string& error : found->second.all_errors()) tell(Severity::error, error);
    for (const std::string& warning : found->second.warnings) tell(Severity::warning, warning);
  }
  loaded.diagnostics.sort_by_line();
  fmt::print("{}", check_report(loaded, files.size()));
  if (!complete) return kSystemError;
  return loaded.diagnostics.errors() > 0 ? kConfigErrors : kOk;
}

}  // namespace sluice
