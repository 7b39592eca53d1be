// Header changes on virtual hosts, routes and weighted destinations (reference gloo-core.md 5.4).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/bind.h"

namespace sluice::kinds {

struct HeaderValue {
  std::string key;    // a legal field name, neither `host` nor a pseudo header
  std::string value;  // may hold %OPERATORS%
};
void bind(Fields& f, HeaderValue& header);

struct RequestHeaderAddition {
  std::optional<HeaderValue> header;           // either a header
  std::optional<ObjectRef> header_secret_ref;  // or every key of a secret
  bool append = true;                          // false: in place of what is there
};
void bind(Fields& f, RequestHeaderAddition& addition);

struct ResponseHeaderAddition {
  HeaderValue header;
  bool append = true;
};
void bind(Fields& f, ResponseHeaderAddition& addition);

struct HeaderManipulation {
  std::vector<RequestHeaderAddition> request_headers_to_add;
  std::vector<std::string> request_headers_to_remove;
  std::vector<ResponseHeaderAddition> response_headers_to_add;
  std::vector<std::string> response_headers_to_remove;

  bool empty() const;
};
void bind(Fields& f, HeaderManipulation& manipulation);

// Why requests cannot have this header changed, in Gloo's words, or "".
std::string request_header_error(std::string_view name);

}  // namespace sluice::kinds
