// `grpcJsonTranscoder` of a Gateway: Gloo's grpc_json.proto, gloo-core.md 2.4.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/bind.h"
#include "engines/transcoding/transcoder.h"

namespace sluice::transcoding {

void bind(Fields& f, PrintOptions& o);

}  // namespace sluice::transcoding

namespace sluice::grpc_json {

struct ConfigMapSource {
  ObjectRef config_map;
  std::string key;  // "": the map has one entry
};
void bind(Fields& f, ConfigMapSource& source);

struct Options {
  std::string descriptor_bin;  // decoded
  std::optional<ConfigMapSource> descriptor_config_map;
  std::string descriptor_file;  // its path
  transcoding::Options rules;
  bool match_incoming_request_route = false;

  std::shared_ptr<const transcoding::Transcoder> transcoder;  // of descriptor_bin; null where services is empty
  std::string written;                                        // Fields::written()
};
void bind(Fields& f, Options& o);

// The set of descriptors in Base64, as ConfigMaps and protoDescriptorBin have it. Line breaks may stand in it.
Result<std::string> decode_descriptor_set(std::string_view base64);

}  // namespace sluice::grpc_json
