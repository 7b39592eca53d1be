// google.api.HttpRule of a method, read from the bytes of its options: the descriptors of googleapis are not needed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace google::protobuf {
class MethodDescriptor;
}

namespace sluice::transcoding {

struct HttpRule {
  std::string method;         // "GET"; of `custom` its kind, "*" for all. Empty: the rule has no pattern
  std::string path;           // a template
  std::string body;           // "": none, "*": all that the path does not bind, else a field
  std::string response_body;  // "": all of the response
};

// The rule that option google.api.http has, and those of its additional_bindings. Empty: the method has none.
Result<std::vector<HttpRule>> http_rules_of(const google::protobuf::MethodDescriptor& method);

}  // namespace sluice::transcoding
