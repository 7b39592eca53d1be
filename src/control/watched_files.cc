#include "control/watched_files.h"

#include "control/store/file_write.h"

namespace sluice {
namespace {

// A file that is not there is as wrong as any other that cannot be used, where a Secret may still come. One that is
// empty is there to say something, and about to: taken for none, a CA that is being written anew would ask for no
// certificates.
Result<std::shared_ptr<const std::string>> read_once(const std::string& path, size_t bytes_max) {
  auto text = read_file(path, bytes_max);
  if (!text) return fail(ErrorKind::invalid, std::move(text).error().message);
  if (text->empty()) return invalid(fmt::format("cannot read {}: it is empty", path));
  return std::make_shared<const std::string>(*std::move(text));
}

}  // namespace

const WatchedFiles::File& WatchedFiles::read(const std::string& path, size_t bytes_max) {
  const auto [at, is_new] = files_.try_emplace({path, bytes_max});
  Known& known = at->second;
  if (!is_new) return known.file;
  known.stamp = stamp_of(path);  // before it is read: what is written meanwhile is another one
  known.file = {.text = read_once(path, bytes_max), .version = ++last_version_};
  return known.file;
}

std::vector<std::string> WatchedFiles::changed() {
  std::vector<std::string> out;
  std::erase_if(files_, [&out](const auto& file) {
    const auto& [path, bytes_max] = file.first;
    if (stamp_of(path) == file.second.stamp) return false;
    out.push_back(path);
    return true;
  });
  return out;
}

}  // namespace sluice
