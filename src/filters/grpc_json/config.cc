#include "filters/grpc_json/config.h"

#include "base/encoding.h"

namespace sluice::transcoding {

void bind(Fields& f, PrintOptions& o) {
  f.optional("addWhitespace", o.add_whitespace, "Line breaks and indentation.");
  f.optional("alwaysPrintPrimitiveFields", o.always_print_primitive_fields,
             "Fields that have their default value as well.");
  f.optional("alwaysPrintEnumsAsInts", o.always_print_enums_as_ints, "Enums as numbers, not as names.");
  f.optional("preserveProtoFieldNames", o.preserve_proto_field_names, "Names of fields as the .proto file has them.");
}

}  // namespace sluice::transcoding

namespace sluice::grpc_json {

Result<std::string> decode_descriptor_set(std::string_view base64) {
  std::string text(base64);
  std::erase_if(text, [](char c) { return c == '\n' || c == '\r'; });
  auto bytes = base64_decode(text);
  if (!bytes) return invalid("must be a set of descriptors in Base64");
  return *std::move(bytes);
}

void bind(Fields& f, ConfigMapSource& source) {
  f.required("configMapRef", source.config_map, "The ConfigMap. Without a namespace it is not found.");
  f.optional("key", source.key, "Of its entries; may be left out where there is one.");
}

void bind(Fields& f, Options& o) {
  o.written = f.written();
  f.optional("protoDescriptor", o.descriptor_file,
             "File on this machine with the set of descriptors as it is; read again when it changes.");
  f.optional("protoDescriptorBin", o.descriptor_bin,
             "The set of descriptors, as `protoc --include_imports --descriptor_set_out` makes it, in Base64.");
  f.optional("protoDescriptorConfigMap", o.descriptor_config_map, "A ConfigMap that holds the same.");
  f.check(o.descriptor_file.empty() || o.descriptor_file.starts_with('/'), "protoDescriptor",
          "must be an absolute path");
  f.exactly_one({"protoDescriptor", "protoDescriptorBin", "protoDescriptorConfigMap"});
  f.optional("services", o.rules.services, "Full names of the services that are transcoded.");
  f.optional("printOptions", o.rules.print, "How JSON is written.");
  f.optional("matchIncomingRequestRoute", o.match_incoming_request_route,
             "The route stays that of the client's path; else it is chosen again by /package.Service/Method.");
  f.optional("ignoredQueryParameters", o.rules.ignored_query_parameters, "Parameters that say nothing to a method.");
  f.optional("autoMapping", o.rules.auto_mapping,
             "Methods without a rule take POST /package.Service/Method with the message as their body.");
  f.optional("ignoreUnknownQueryParameters", o.rules.ignore_unknown_query_parameters,
             "Pass over parameters that the message has no field for; else such a request is not transcoded.");
  f.optional("convertGrpcStatus", o.rules.convert_status,
             "An error without a body gets google.rpc.Status as JSON, of grpc-status-details-bin where that is said.");
  if (!f.reading()) return;
  if (f.good("services") && o.rules.services.empty()) f.warning("services", "is empty: nothing is transcoded");
  if (!f.present("protoDescriptorBin") || !f.good("protoDescriptorBin") || o.rules.services.empty()) return;
  auto bytes = decode_descriptor_set(o.descriptor_bin);
  if (!bytes) return f.error("protoDescriptorBin", bytes.error().message);
  auto transcoder = transcoding::Transcoder::create(*bytes, o.rules);
  if (!transcoder) return f.error("protoDescriptorBin", transcoder.error().message);
  o.transcoder = *std::move(transcoder);
  for (const std::string& warning : o.transcoder->warnings()) f.warning("protoDescriptorBin", warning);
}

}  // namespace sluice::grpc_json
