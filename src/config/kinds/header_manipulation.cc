#include "config/kinds/header_manipulation.h"

#include <fmt/format.h>

#include "base/header_names.h"
#include "base/strings.h"
#include "config/kinds/paths.h"

namespace sluice::kinds {
namespace {

std::string response_header_error(std::string_view name) {
  if (equals_ignoring_case(name, "host"))
    return "an answer has no host (Gloo: \"cannot set Host header in response headers\")";
  if (name.starts_with(':'))
    return fmt::format("{0} is no header of an answer (Gloo: \":-prefixed headers cannot be set: '{0}'\")",
                       printable(name, 60));
  return header_change_error(name);
}

}  // namespace

std::string request_header_error(std::string_view name) {
  if (name.starts_with(':') || equals_ignoring_case(name, "host"))
    return fmt::format(
        "{0} cannot be changed here: hostRewrite is for the host, prefixRewrite for the path (Gloo: \": -prefixed or "
        "host headers may not be modified. Received '{0}' header\")",
        printable(name, 60));
  return header_change_error(name);
}

void bind(Fields& f, HeaderValue& h) {
  f.required("key", h.key, "Name of the header.");
  f.optional("value", h.value, "Its value; may hold operators such as `%REQ(x)%`; a literal percent is `%%`.");
  f.check(is_header_value(h.value), "value", "must not hold line breaks or other control characters");
}

void bind(Fields& f, RequestHeaderAddition& a) {
  f.optional("header", a.header, "The header to add.");
  f.optional("headerSecretRef", a.header_secret_ref, "A header Secret, of which every key is added.");
  f.optional("append", a.append, "Add one more value; false: in place of the values that are there.");
  f.exactly_one({"header", "headerSecretRef"});
}

void bind(Fields& f, ResponseHeaderAddition& a) {
  f.required("header", a.header, "The header to add.");
  f.optional("append", a.append, "Add one more value; false: in place of the values that are there.");
}

void bind(Fields& f, HeaderManipulation& m) {
  f.optional("requestHeadersToAdd", m.request_headers_to_add, "Headers to set on the way to the upstream.");
  f.optional("requestHeadersToRemove", m.request_headers_to_remove, "Headers to take off on the way to the upstream.");
  f.optional("responseHeadersToAdd", m.response_headers_to_add, "Headers to set on the answer.");
  f.optional("responseHeadersToRemove", m.response_headers_to_remove, "Headers to take off the answer.");
  const auto refuse = [&](std::string_view field, size_t i, std::string why) {
    if (!why.empty() && f.good(field)) f.error(field, i, std::move(why));
  };
  for (size_t i = 0; i < m.request_headers_to_add.size(); ++i)
    if (const auto& header = m.request_headers_to_add[i].header)
      refuse("requestHeadersToAdd", i, request_header_error(header->key));
  for (size_t i = 0; i < m.request_headers_to_remove.size(); ++i)
    refuse("requestHeadersToRemove", i, request_header_error(m.request_headers_to_remove[i]));
  for (size_t i = 0; i < m.response_headers_to_add.size(); ++i)
    refuse("responseHeadersToAdd", i, response_header_error(m.response_headers_to_add[i].header.key));
  for (size_t i = 0; i < m.response_headers_to_remove.size(); ++i)
    refuse("responseHeadersToRemove", i, response_header_error(m.response_headers_to_remove[i]));
}

bool HeaderManipulation::empty() const {
  return request_headers_to_add.empty() && request_headers_to_remove.empty() && response_headers_to_add.empty() &&
         response_headers_to_remove.empty();
}

}  // namespace sluice::kinds
