#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "engines/jose/sign.h"
#include "main/commands.h"

namespace sluice {
namespace {

// Not a stream of the library: it throws when it reads a folder.
Result<std::string> read_file(const std::string& path) {
  const std::unique_ptr<FILE, int (*)(FILE*)> opened(path == "-" ? nullptr : std::fopen(path.c_str(), "rbe"),
                                                     [](FILE* file) { return std::fclose(file); });
  FILE* file = path == "-" ? stdin : opened.get();
  std::string text;
  std::array<char, 4096> chunk;
  if (file) {
    while (!std::feof(file) && !std::ferror(file))
      text.append(chunk.data(), std::fread(chunk.data(), 1, chunk.size(), file));
    if (!std::ferror(file)) return text;
  }
  return fail(ErrorKind::io, fmt::format("cannot read {}: {}", path, std::strerror(errno)));
}

}  // namespace

int token_command(const SignToken& options) {
  const auto key = read_file(options.key_file);
  const auto payload = read_file(options.payload_file);
  for (const auto* file : {&key, &payload})
    if (!*file) {
      fmt::print(stderr, "sluice: {}\n", file->error().message);
      return kSystemError;
    }
  const auto token = jose::sign(*payload, options.algorithm, *key);
  if (!token) {
    fmt::print(stderr, "sluice: {}\n", token.error().message);
    return kUsage;
  }
  fmt::print("{}\n", *token);
  return kOk;
}

}  // namespace sluice
