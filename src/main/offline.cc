#include "main/offline.h"

#include <cstdio>
#include <iostream>
#include <iterator>

#include "control/store/folder_scan.h"
#include "filters/all.h"
#include "main/commands.h"

namespace sluice {
namespace {

TranslateOptions options(Metrics& metrics, ResolverPool& resolvers) {
  TranslateOptions out;
  out.metrics = &metrics;
  out.loops = resolvers.loops();
  out.resolvers = &resolvers;
  out.filters = all_filters();
  return out;
}

}  // namespace

ReadFiles read_files(const std::vector<std::string>& paths) {
  ReadFiles out;
  std::vector<ConfigFile>& files = out.files;
  std::vector<std::string> on_disk;
  for (const std::string& path : paths) {
    if (path == "-")
      files.push_back({"-", std::string(std::istreambuf_iterator<char>(std::cin), {}), 0});
    else
      on_disk.push_back(path);
  }
  FolderScan scan = scan_folders(on_disk);
  for (const std::string& path : scan.gone) scan.problems.push_back(fmt::format("{}: no such file or folder", path));
  for (ScannedFile& file : scan.files) {
    if (!file.problem.empty())
      scan.problems.push_back(fmt::format("{}: {}", file.path, file.problem));
    else
      files.push_back({file.path, std::move(file.bytes), file.size});
  }
  for (const std::string& problem : scan.problems) fmt::print(stderr, "sluice: {}\n", problem);
  out.complete = scan.problems.empty();
  return out;
}

Offline::Offline(std::span<const ConfigFile> files)
    : fields_(option_fields_of(all_filters())),
      translator_(options(metrics_, resolvers_)),
      loaded(load_config(files, fields_)) {
  // Those that a gateway started without options has besides: a request to them is refused by its rule own-port.
  translator_.set_open_ports({kAdminPortDefault, kApiPortDefault});
  translation = translator_.translate(all_documents(loaded), loaded.gaps);
}

}  // namespace sluice
