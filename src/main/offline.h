// Configuration put together as `run` would, but not served: what `check` and `explain` look at.
#pragma once

#include <span>

#include "config/load.h"
#include "control/translate.h"

namespace sluice {

// The files at these paths; `-` is standard input. Nothing, and a line on standard error for each, when one cannot be
// read.
struct ReadFiles {
  std::vector<ConfigFile> files;
  bool complete = true;  // false: something could not be read; standard error was told
};
ReadFiles read_files(const std::vector<std::string>& paths);

class Offline {
 public:
  explicit Offline(std::span<const ConfigFile> files);

 private:
  std::vector<OptionField> fields_;
  Metrics metrics_{2};
  Loop loop_;
  OwnedLoops loops_{{&loop_}};
  ResolverPool resolvers_{loops_};
  Translator translator_;

 public:
  LoadedConfig loaded;
  Translation translation;  // of what could be loaded
  Loop& loop() { return loop_; }
};

}  // namespace sluice
