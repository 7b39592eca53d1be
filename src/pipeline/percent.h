// A PEM text as Envoy writes it into headers and logs.
#pragma once

#include <string>
#include <string_view>

namespace sluice {

inline std::string percent_encoded_pem(std::string_view pem) {
  std::string out;
  out.reserve(pem.size() + pem.size() / 8);
  for (const char c : pem) {
    switch (c) {
      case '\n': out += "%0A"; break;
      case ' ': out += "%20"; break;
      case '+': out += "%2B"; break;
      case '/': out += "%2F"; break;
      case '=': out += "%3D"; break;
      default: out += c;
    }
  }
  return out;
}

}  // namespace sluice
