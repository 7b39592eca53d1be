// The descriptors of a set, its rules, and the conversions of messages. For the files of this folder that see
// protobuf's headers.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/util/type_resolver.h>

#include <deque>

#include "engines/transcoding/path_template.h"
#include "engines/transcoding/rule_tree.h"
#include "engines/transcoding/transcoder.h"

namespace sluice::transcoding {

using FieldPath = std::vector<const google::protobuf::FieldDescriptor*>;

// One way to call a method.
struct Rule {
  Method method;
  const google::protobuf::MethodDescriptor* descriptor = nullptr;
  PathTemplate path;
  std::vector<FieldPath> variables;  // of path.variables
  FieldPath body;                    // empty: all of the message
  FieldPath response_body;           // the same; a HttpBody
};

class Schema {
 public:
  static constexpr size_t kFieldPathMax = 32;  // JSON may nest deeper, a query need not

  // Of a google.protobuf.FileDescriptorSet.
  Status read(std::string_view descriptor_set);
  // Adds google.rpc.Status where the set has it not.
  Status add_status();
  const google::protobuf::Descriptor* status() const { return pool_.FindMessageTypeByName("google.rpc.Status"); }

  const google::protobuf::ServiceDescriptor* service(const std::string& name) const {
    return pool_.FindServiceByName(name);
  }
  // What there is where there is none of that name: "; did you mean X?", "; it has [..]".
  std::string services_like(std::string_view name) const;
  // Each step but the last is into a single message. Nothing: there is no such field.
  static std::optional<FieldPath> field_path(const google::protobuf::Descriptor& message,
                                             std::span<const std::string_view> names);

  // Nothing but one value of JSON, as append_message() reads it.
  static Status check_one_value(std::string_view json);
  enum class Unknown : uint8_t { ignored, refused };  // fields of JSON that the message has not
  Status append_message(const std::string& type, std::string_view json, Unknown unknown, std::string& out) const;
  Status append_json(const google::protobuf::Descriptor& type, std::string_view message, std::string& out) const;
  // The bytes as a message of the type; nothing: they are none.
  std::unique_ptr<google::protobuf::Message> parse(const google::protobuf::Descriptor& type,
                                                   std::string_view bytes) const;

  RuleTree tree;
  std::deque<Rule> rules;  // calls point to them
  PrintOptions print;

 private:
  Status add_file(const google::protobuf::FileDescriptorProto& file);
  Status add_builtin(const std::string& symbol);

  google::protobuf::DescriptorPool pool_;
  std::vector<std::string> services_;
  std::unique_ptr<google::protobuf::util::TypeResolver> types_;
  mutable google::protobuf::DynamicMessageFactory factory_;  // has a lock of its own
};

}  // namespace sluice::transcoding
