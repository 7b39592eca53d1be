#include "net/cipher_suites.h"

#include <algorithm>
#include <array>

namespace sluice {
namespace {

struct Suite {
  std::string_view name;
  uint16_t number;
};

constexpr Suite kSuites[] = {
    {"TLS_AES_128_GCM_SHA256", 0x1301},
    {"TLS_AES_256_GCM_SHA384", 0x1302},
    {"TLS_CHACHA20_POLY1305_SHA256", 0x1303},
    {"ECDHE-ECDSA-AES128-GCM-SHA256", 0xc02b},
    {"ECDHE-RSA-AES128-GCM-SHA256", 0xc02f},
    {"ECDHE-ECDSA-AES256-GCM-SHA384", 0xc02c},
    {"ECDHE-RSA-AES256-GCM-SHA384", 0xc030},
    {"ECDHE-ECDSA-CHACHA20-POLY1305", 0xcca9},
    {"ECDHE-RSA-CHACHA20-POLY1305", 0xcca8},
    {"ECDHE-ECDSA-AES128-SHA256", 0xc023},
    {"ECDHE-RSA-AES128-SHA256", 0xc027},
    {"ECDHE-ECDSA-AES256-SHA384", 0xc024},
    {"ECDHE-RSA-AES256-SHA384", 0xc028},
    {"ECDHE-ECDSA-AES128-SHA", 0xc009},
    {"ECDHE-RSA-AES128-SHA", 0xc013},
    {"ECDHE-ECDSA-AES256-SHA", 0xc00a},
    {"ECDHE-RSA-AES256-SHA", 0xc014},
    {"DHE-RSA-AES128-GCM-SHA256", 0x009e},
    {"DHE-RSA-AES256-GCM-SHA384", 0x009f},
    {"DHE-RSA-CHACHA20-POLY1305", 0xccaa},
    {"DHE-RSA-AES128-SHA256", 0x0067},
    {"DHE-RSA-AES256-SHA256", 0x006b},
    {"DHE-RSA-AES128-SHA", 0x0033},
    {"DHE-RSA-AES256-SHA", 0x0039},
    {"AES128-GCM-SHA256", 0x009c},
    {"AES256-GCM-SHA384", 0x009d},
    {"AES128-SHA256", 0x003c},
    {"AES256-SHA256", 0x003d},
    {"AES128-SHA", 0x002f},
    {"AES256-SHA", 0x0035},
    {"ECDHE-ECDSA-DES-CBC3-SHA", 0xc008},
    {"ECDHE-RSA-DES-CBC3-SHA", 0xc012},
    {"DES-CBC3-SHA", 0x000a},
    {"ECDHE-RSA-RC4-SHA", 0xc011},
    {"RC4-SHA", 0x0005},
    {"RC4-MD5", 0x0004},
};

constexpr auto kNames = [] {
  std::array<std::string_view, std::size(kSuites)> out;
  std::ranges::transform(kSuites, out.begin(), &Suite::name);
  return out;
}();

}  // namespace

std::optional<uint16_t> cipher_suite_named(std::string_view name) {
  const auto found = std::ranges::find(kSuites, name, &Suite::name);
  return found == std::end(kSuites) ? std::nullopt : std::optional(found->number);
}

std::span<const std::string_view> cipher_suite_names() {
  return kNames;
}

}  // namespace sluice
