// Rules for paths, header names and hosts that several kinds share.
#pragma once

#include <string>
#include <string_view>

namespace sluice::kinds {

// Why the text cannot be a literal path (matchers and redirects) or a rewrite, or "": only path characters of RFC 3986
// or %XX; no "//", "/./", "/../", "%2f", "#"; not ending in "/.." or "/.". Reference gloo-core.md 3.3.
std::string path_error(std::string_view path);

// Whether it is a pseudo header such as ":path".
bool is_pseudo_header(std::string_view name);
// No control bytes but tab (RFC 9110 5.5).
bool is_header_value(std::string_view value);
// A method name (RFC 9110 9.1).
bool is_method(std::string_view text);

// host[:port] as it may stand in Host: a name, an IPv4 address or a bracketed IPv6 address, no user, no path.
bool is_authority(std::string_view text);
bool is_ip_literal(std::string_view text);
// A DNS name of labels with letters, digits, '-' and '_'.
bool is_host_name(std::string_view text);

}  // namespace sluice::kinds
