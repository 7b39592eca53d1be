#include "engines/transcoding/testing.h"

#include <google/protobuf/compiler/importer.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <map>
#include <set>

#include "base/check.h"

namespace sluice::transcoding {

namespace pb = google::protobuf;

namespace {

struct Import {
  std::string_view name, text;
};
constexpr Import kImports[] = {{"google/api/annotations.proto", R"(syntax = "proto3"; package google.api;
import "google/protobuf/descriptor.proto";
message CustomHttpPattern { string kind = 1; string path = 2; }
message HttpRule {
  string selector = 1;
  oneof pattern { string get = 2; string put = 3; string post = 4; string delete = 5; string patch = 6; CustomHttpPattern custom = 8; }
  string body = 7;
  string response_body = 12;
  repeated HttpRule additional_bindings = 11;
}
extend google.protobuf.MethodOptions { HttpRule http = 72295728; })"},
                               {"google/api/httpbody.proto", R"(syntax = "proto3"; package google.api;
import "google/protobuf/any.proto";
message HttpBody { string content_type = 1; bytes data = 2; repeated google.protobuf.Any extensions = 3; })"},
                               {"google/rpc/status.proto", R"(syntax = "proto3"; package google.rpc;
import "google/protobuf/any.proto";
message Status { int32 code = 1; string message = 2; repeated google.protobuf.Any details = 3; })"}};

// The files above, and those that libprotobuf has compiled in are added by their descriptors' text.
class Tree final : public pb::compiler::SourceTree {
 public:
  explicit Tree(std::string_view test) : test_(test) {}
  pb::io::ZeroCopyInputStream* Open(const std::string& name) override {
    std::string_view text = test_;
    if (name != "test.proto") {
      const auto* const known = std::ranges::find(kImports, name, &Import::name);
      if (known != std::end(kImports)) {
        text = known->text;
      } else if (const pb::FileDescriptor* file = pb::DescriptorPool::generated_pool()->FindFileByName(name)) {
        text = builtin_.emplace(name, file->DebugString()).first->second;
      } else {
        return nullptr;
      }
    }
    return new pb::io::ArrayInputStream(text.data(), static_cast<int>(text.size()));
  }

 private:
  const std::string_view test_;
  std::map<std::string, std::string> builtin_;
};

class Errors final : public pb::compiler::MultiFileErrorCollector {
 public:
  void AddError(const std::string& file, int line, int, const std::string& message) override {
    text += file + ":" + std::to_string(line + 1) + ": " + message + "\n";
  }
  std::string text;
};

void add(const pb::FileDescriptor& file, std::set<std::string>& done, pb::FileDescriptorSet& out) {
  if (!done.insert(file.name()).second) return;
  for (int i = 0; i < file.dependency_count(); ++i) add(*file.dependency(i), done, out);
  file.CopyTo(out.add_file());
}

}  // namespace

std::string descriptor_set_of(std::string_view proto) {
  Tree tree(proto);
  Errors errors;
  pb::compiler::Importer importer(&tree, &errors);
  const pb::FileDescriptor* file = importer.Import("test.proto");
  if (!file) fmt::print(stderr, "{}", errors.text);
  CHECK(file);
  pb::FileDescriptorSet set;
  std::set<std::string> done;
  add(*file, done, set);
  return set.SerializeAsString();
}

const std::string_view kBookstore = R"(syntax = "proto3"; package bookstore;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
enum Kind { PLAIN = 0; RARE = 1; }
message Author { string first_name = 1; string last_name = 2; int64 born = 3; }
message Book {
  int64 id = 1; string title = 2; Author author = 3; repeated string tags = 4; Kind kind = 5; double price = 6; bool sold = 7;
  bytes cover = 8; google.protobuf.Timestamp printed = 9; google.protobuf.Int32Value pages = 10; optional int32 shelf_mark = 11;
  map<string, string> notes = 12; oneof form { string paper = 13; string sound = 14; }
}
message BookRequest {
  int64 shelf = 1; Book book = 2; string name = 3; google.protobuf.FieldMask mask = 4; repeated int32 numbers = 5;
}
message Upload { string name = 1; google.api.HttpBody file = 2; int32 part = 3; }
message Framed { google.api.HttpBody file = 1; }
service Bookstore {
  rpc GetBook(BookRequest) returns (Book) { option (google.api.http) = {
    get: "/shelves/{shelf}/books/{book.id}" additional_bindings { get: "/v2/books/{book.id}" } }; }
  rpc GetByName(BookRequest) returns (Book) { option (google.api.http) = { get: "/v1/{name=shelves/*/books/*}" }; }
  rpc CreateBook(BookRequest) returns (Book) { option (google.api.http) = { post: "/shelves/{shelf}/books" body: "book" }; }
  rpc UpdateBook(BookRequest) returns (Book) { option (google.api.http) = { patch: "/shelves/{shelf}/books/{book.id}" body: "*" }; }
  rpc Count(BookRequest) returns (Book) { option (google.api.http) = { post: "/shelves/{shelf}:count" body: "numbers" }; }
  rpc Watch(BookRequest) returns (stream Book) { option (google.api.http) = { get: "/watch/{shelf}" }; }
  rpc Import(stream Book) returns (Book) { option (google.api.http) = { post: "/import/{id}" body: "*" }; }
  rpc Talk(stream Book) returns (stream Book) { option (google.api.http) = { post: "/talk" body: "*" }; }
  rpc Cover(BookRequest) returns (google.api.HttpBody) { option (google.api.http) = { get: "/covers/{book.id}" }; }
  rpc Framed_(BookRequest) returns (Framed) { option (google.api.http) = { get: "/framed" response_body: "file" }; }
  rpc Pages(BookRequest) returns (stream google.api.HttpBody) { option (google.api.http) = { get: "/pages/{book.id}" }; }
  rpc Put(Upload) returns (Book) { option (google.api.http) = { put: "/files/{name=**}" body: "file" }; }
  rpc Feed(stream Upload) returns (Book) { option (google.api.http) = { post: "/feed/{name}" body: "file" }; }
  rpc Lock(BookRequest) returns (Book) { option (google.api.http) = { custom: { kind: "LOCK" path: "/locks/{shelf}" } }; }
  rpc Plain(BookRequest) returns (Book);
})";

}  // namespace sluice::transcoding
