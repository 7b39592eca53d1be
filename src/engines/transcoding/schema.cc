#include "engines/transcoding/schema.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver_util.h>

#include <algorithm>
#include <mutex>

#include "base/strings.h"

namespace sluice::transcoding {

namespace pb = google::protobuf;

namespace {

constexpr const char* kTypeUrl = "type.googleapis.com";

std::string url_of(const std::string& type) {
  return std::string(kTypeUrl) + "/" + type;
}

// What is wrong with a file of descriptors, in protobuf's words; the first is enough.
class FirstError final : public pb::DescriptorPool::ErrorCollector {
 public:
  void AddError(const std::string& file, const std::string& element, const pb::Message*, ErrorLocation,
                const std::string& message) override {
    if (text.empty()) text = file + ": " + (element.empty() || element == file ? "" : element + ": ") + message;
  }
  std::string text;
};

// It would write lines that clients can cause to the standard error; all it says comes back as a status as well.
void silence_protobuf() {
  static std::once_flag once;
  std::call_once(once, [] { pb::SetLogHandler(nullptr); });
}

// A message of JSON would quote bodies of any length.
constexpr size_t kMessageMax = 300;

Status refused(const pb::util::Status& status) {
  std::string text = status.message().ToString();
  if (text.size() > kMessageMax) text = text.substr(0, kMessageMax) + "...";
  return invalid(std::move(text));
}

bool is_called(const pb::FieldDescriptor& field, std::string_view name) {
  return field.name() == name || field.json_name() == name;
}

const pb::FieldDescriptor* find_field(const pb::Descriptor& message, std::string_view name) {
  for (int i = 0; i < message.field_count(); ++i)
    if (is_called(*message.field(i), name)) return message.field(i);
  return nullptr;
}

}  // namespace

Status Schema::read(std::string_view descriptor_set) {
  silence_protobuf();
  pb::FileDescriptorSet set;
  if (!set.ParseFromArray(descriptor_set.data(), static_cast<int>(descriptor_set.size())))
    return invalid("it is no google.protobuf.FileDescriptorSet, as protoc --descriptor_set_out makes it");
  for (const pb::FileDescriptorProto& file : set.file()) TRY(add_file(file));
  types_.reset(pb::util::NewTypeResolverForDescriptorPool(kTypeUrl, &pool_));
  return {};
}

Status Schema::add_file(const pb::FileDescriptorProto& file) {
  FirstError error;
  const pb::FileDescriptor* built = pool_.BuildFileCollectingErrors(file, &error);
  if (!built) return invalid(error.text + " (protoc makes a whole set with --include_imports)");
  for (int i = 0; i < built->service_count(); ++i) services_.push_back(built->service(i)->full_name());
  return {};
}

std::string Schema::services_like(std::string_view name) const {
  const std::vector<std::string_view> names(services_.begin(), services_.end());
  if (const auto near = nearest(name, names)) return "; did you mean " + std::string(*near) + "?";
  constexpr size_t kToldMax = 5;
  const std::span<const std::string_view> told = std::span(names).first(std::min(names.size(), kToldMax));
  return fmt::format("; it has [{}{}]", fmt::join(told, ", "), told.size() < names.size() ? ", .." : "");
}

Status Schema::add_builtin(const std::string& symbol) {
  if (pool_.FindFileContainingSymbol(symbol)) return {};
  pb::FileDescriptorProto file;
  pb::DescriptorPool::generated_pool()->FindFileContainingSymbol(symbol)->CopyTo(&file);
  return add_file(file);
}

Status Schema::add_status() {
  if (status()) return {};
  const std::string any = pb::Any::descriptor()->full_name();
  TRY(add_builtin(any));
  pb::FileDescriptorProto file;
  file.set_name("google/rpc/status.proto");
  file.set_package("google.rpc");
  file.set_syntax("proto3");
  file.add_dependency(pool_.FindFileContainingSymbol(any)->name());
  pb::DescriptorProto& status = *file.add_message_type();
  status.set_name("Status");
  const auto add = [&status](const char* name, int number, pb::FieldDescriptorProto::Type type) {
    pb::FieldDescriptorProto& field = *status.add_field();
    field.set_name(name);
    field.set_number(number);
    field.set_type(type);
    field.set_label(pb::FieldDescriptorProto::LABEL_OPTIONAL);
    return &field;
  };
  add("code", 1, pb::FieldDescriptorProto::TYPE_INT32);
  add("message", 2, pb::FieldDescriptorProto::TYPE_STRING);
  pb::FieldDescriptorProto& details = *add("details", 3, pb::FieldDescriptorProto::TYPE_MESSAGE);
  details.set_label(pb::FieldDescriptorProto::LABEL_REPEATED);
  details.set_type_name("." + any);
  return add_file(file);
}

std::optional<FieldPath> Schema::field_path(const pb::Descriptor& message, std::span<const std::string_view> names) {
  if (names.empty() || names.size() > kFieldPathMax) return std::nullopt;
  FieldPath path;
  const pb::Descriptor* in = &message;
  for (const std::string_view name : names) {
    if (!path.empty()) {
      const pb::FieldDescriptor& before = *path.back();
      if (before.is_repeated() || !before.message_type()) return std::nullopt;
      in = before.message_type();
    }
    const pb::FieldDescriptor* field = find_field(*in, name);
    if (!field) return std::nullopt;
    path.push_back(field);
  }
  return path;
}

Status Schema::append_message(const std::string& type, std::string_view json, Unknown unknown, std::string& out) const {
  pb::util::JsonParseOptions options;
  options.ignore_unknown_fields = unknown == Unknown::ignored;
  pb::io::ArrayInputStream in(json.data(), static_cast<int>(json.size()));
  pb::io::StringOutputStream to(&out);
  const auto status = pb::util::JsonToBinaryStream(types_.get(), url_of(type), &in, &to, options);
  return status.ok() ? Status() : refused(status);
}

// Printing takes the bytes as they come, whatever they are, and a field that is there twice twice: so they are read
// as a message first.
Status Schema::append_json(const pb::Descriptor& type, std::string_view message, std::string& out) const {
  const auto read = parse(type, message);
  if (!read) return invalid("the message is no " + type.full_name());
  const std::string bytes = read->SerializePartialAsString();
  pb::util::JsonPrintOptions options;
  options.add_whitespace = print.add_whitespace;
  options.always_print_primitive_fields = print.always_print_primitive_fields;
  options.always_print_enums_as_ints = print.always_print_enums_as_ints;
  options.preserve_proto_field_names = print.preserve_proto_field_names;
  pb::io::ArrayInputStream in(bytes.data(), static_cast<int>(bytes.size()));
  pb::io::StringOutputStream to(&out);
  const auto status = pb::util::BinaryToJsonStream(types_.get(), url_of(type.full_name()), &in, &to, options);
  return status.ok() ? Status() : refused(status);
}

Status Schema::check_one_value(std::string_view json) {
  static const std::unique_ptr<pb::util::TypeResolver> types(
      pb::util::NewTypeResolverForDescriptorPool(kTypeUrl, pb::DescriptorPool::generated_pool()));
  std::string value;
  pb::io::ArrayInputStream in(json.data(), static_cast<int>(json.size()));
  pb::io::StringOutputStream to(&value);
  const auto status = pb::util::JsonToBinaryStream(types.get(), url_of(pb::Value::descriptor()->full_name()), &in, &to);
  return status.ok() ? Status() : refused(status);
}

std::unique_ptr<pb::Message> Schema::parse(const pb::Descriptor& type, std::string_view bytes) const {
  std::unique_ptr<pb::Message> message(factory_.GetPrototype(&type)->New());
  if (!message->ParsePartialFromArray(bytes.data(), static_cast<int>(bytes.size()))) return nullptr;
  return message;
}

}  // namespace sluice::transcoding
