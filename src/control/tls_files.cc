#include "control/tls_files.h"

#include "control/store/file_write.h"

namespace sluice {

// A file that is not there is as wrong as any other that cannot be used, where a Secret may still come. One that is
// empty is there to say something, and about to: taken for none, a CA that is being written anew would ask for no
// certificates.
Result<std::string> TlsFiles::read_once(const std::string& path) {
  auto text = read_file(path, kBytesMax);
  if (!text) return fail(ErrorKind::invalid, std::move(text).error().message);
  if (text->empty()) return invalid(fmt::format("cannot read {}: it is empty", path));
  return text;
}

const TlsFiles::File& TlsFiles::read(const std::string& path) {
  const auto [at, is_new] = files_.try_emplace(path);
  Known& known = at->second;
  if (!is_new) return known.file;
  known.stamp = stamp_of(path);  // before it is read: what is written meanwhile is another one
  known.file = {.text = read_once(path), .version = ++last_version_};
  return known.file;
}

std::vector<std::string> TlsFiles::changed() {
  std::vector<std::string> out;
  for (const auto& [path, known] : files_)
    if (stamp_of(path) != known.stamp) out.push_back(path);
  for (const std::string& path : out) files_.erase(path);
  return out;
}

}  // namespace sluice
