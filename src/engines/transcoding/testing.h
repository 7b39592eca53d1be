// Sets of descriptors for tests, from the text of a .proto file.
#pragma once

#include <string>
#include <string_view>

namespace sluice::transcoding {

// As `protoc --include_imports --descriptor_set_out` makes it of a file "test.proto". It may import
// google/api/annotations.proto, google/api/httpbody.proto, google/rpc/status.proto (the parts that matter here) and
// google/protobuf/*.proto. Broken text is a CHECK.
std::string descriptor_set_of(std::string_view proto);

// A service bookstore.Bookstore with a method for each form that a rule has.
extern const std::string_view kBookstore;

}  // namespace sluice::transcoding
