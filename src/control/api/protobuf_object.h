// What comes in Kubernetes' protobuf form: Secrets and ConfigMaps (kubectl's `create secret` and `create configmap`,
// and programs written with client-go, whose typed clients send nothing else), Namespaces and DeleteOptions.
//
//   "k8s\0" Unknown { typeMeta = 1 { apiVersion = 1, kind = 2 }, raw = 2, contentEncoding = 3, contentType = 4 }
//
// Source: k8s.io/apimachinery runtime/generated.proto (Unknown), meta/v1/generated.proto (ObjectMeta, DeleteOptions),
// k8s.io/api core/v1/generated.proto (Secret, ConfigMap, Namespace).
#pragma once

#include <string_view>

#include "base/result.h"
#include "config/node.h"

namespace sluice {

// The object as its JSON form would say it: bytes as base64. Fields without a place here are an error that names them.
Result<Node> read_protobuf_object(std::string_view bytes);

}  // namespace sluice
