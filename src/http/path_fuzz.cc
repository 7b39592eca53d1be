// No reader that decodes once finds a dot segment in a normalised path, and normalising again changes nothing.
#include <cstdlib>
#include <string>

#include "http/path.h"
#include "http/testing.h"

using namespace sluice;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Arena arena;
  std::string path("/");
  path.append(reinterpret_cast<const char*>(data), size);
  const std::string_view normal = normalize_path(path, arena);
  if (!normal.starts_with('/') || normalize_path(normal, arena) != normal) std::abort();
  const std::string_view only_path = normal.substr(0, normal.find('?'));
  if (has_dot_segments(normal) || finds_dot_segment(only_path, true) || finds_dot_segment(only_path, false))
    std::abort();
  if (rewrite_problem(path, merge_slashes(normal, arena)).contains("dot segment")) std::abort();
  return 0;
}
