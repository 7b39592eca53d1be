// JSON over HTTP to messages of gRPC and back, by the rules of google.api.http that a set of descriptors has.
//
//   auto transcoder = TRY(Transcoder::create(descriptor_set, options));
//   if (auto call = transcoder->find("GET", "/shelves/7?theme=music")) {
//     TRY(call->append_message(frame, json));          // what the path and the query bind is in it
//     TRY(call->append_json(json, answer));
//   }
//
// The mapping of values is that of Protocol Buffers' JSON (util/json_util of Debian's libprotobuf); fields of JSON that
// a message has not are passed over, as in Envoy. No HTTP, no frames of gRPC. A Transcoder never changes, and any
// thread may use it; it lives as long as its calls.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace google::protobuf {
class FieldDescriptor;
}

namespace sluice::transcoding {

// util::JsonPrintOptions, as in Gloo's grpc_json.proto.
struct PrintOptions {
  bool add_whitespace = false;
  bool always_print_primitive_fields = false;
  bool always_print_enums_as_ints = false;
  bool preserve_proto_field_names = false;
};

struct Options {
  std::vector<std::string> services;  // by their full names
  PrintOptions print;
  std::vector<std::string> ignored_query_parameters;
  bool ignore_unknown_query_parameters = false;
  bool auto_mapping = false;    // methods without a rule: POST /package.Service/Method, body "*"
  bool convert_status = false;  // whether status_json() will be called
};

struct Method {
  std::string path;  // "/package.Service/Method"
  bool client_streaming = false;
  bool server_streaming = false;
  // The body is the bytes of a google.api.HttpBody, not JSON.
  bool takes_raw = false;
  bool gives_raw = false;
};

struct Rule;
class Schema;

// A message google.api.HttpBody.
struct RawBody {
  std::string content_type;
  std::string data;
};

class Call {
 public:
  static constexpr size_t kBindingsMax = 256;  // of path and query; more are refused
  const Method& method() const;

  // Puts the message behind what `out` holds. `json`: the request's body, empty for none. What path and query bind
  // belongs to the first message of a stream alone. Refused: what is no JSON, or not of the message's types, and a
  // field to which the body gives another value than the path or the query. After an error `out` is of no use.
  enum class Place : uint8_t { first, later };
  Status append_message(std::string_view json, Place place, std::string& out) const;
  // Where takes_raw.
  Status append_raw(const RawBody& body, Place place, std::string& out) const;

  // Puts a response's message as JSON behind what `out` holds. Not where gives_raw.
  Status append_json(std::string_view message, std::string& out) const;
  // Where gives_raw.
  Result<RawBody> raw(std::string_view message) const;

 private:
  friend class Transcoder;
  struct Binding {
    std::vector<const google::protobuf::FieldDescriptor*> path;
    std::string value;
  };
  Call(const Schema& schema, const Rule& rule) : schema_(&schema), rule_(&rule) {}
  bool bind_query(std::string_view query, const Options& options);
  void leave_raw_body_alone();
  Status append_body(std::string_view json, std::string& out) const;
  Status append_bound(std::string& out) const;
  Status check_bound() const;
  Status check_conflicts(std::string_view body, std::string_view bound) const;
  static void write_json(std::span<const Binding* const> bindings, size_t depth, std::string& out);

  const Schema* schema_;
  const Rule* rule_;
  std::vector<Binding> bindings_;  // those of the path, then of the query
  size_t of_path_ = 0;
};

class Transcoder {
 public:
  // `descriptor_set`: a google.protobuf.FileDescriptorSet with all that its files import.
  static Result<std::shared_ptr<Transcoder>> create(std::string_view descriptor_set, Options options);
  ~Transcoder();

  // `path` with its query. Nothing: no rule fits, or the query has a parameter that the method does not know.
  std::optional<Call> find(std::string_view method, std::string_view path) const;

  // google.rpc.Status as JSON. Nothing: a type of its details is not in the set.
  std::optional<std::string> status_json(std::string_view status_message) const;
  std::optional<std::string> status_json(uint64_t code, std::string_view message) const;

  // What the owner of the set should know: rules that fit the same requests.
  std::span<const std::string> warnings() const { return warnings_; }

 private:
  explicit Transcoder(Options options);
  Status add_services();

  Options options_;
  std::unique_ptr<Schema> schema_;
  std::vector<std::string> warnings_;
};

}  // namespace sluice::transcoding
