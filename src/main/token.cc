#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>

#include "engines/jose/sign.h"
#include "main/commands.h"

namespace sluice {
namespace {

Result<std::string> read_file(const std::string& path) {
  if (path == "-") return std::string(std::istreambuf_iterator<char>(std::cin), {});
  std::ifstream file(path, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(file), {});
  if (!file && text.empty()) return fail(ErrorKind::io, fmt::format("cannot read {}", path));
  return text;
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
