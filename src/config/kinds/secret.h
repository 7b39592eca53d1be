// Secret and ConfigMap (v1). The values of a Secret never appear in messages.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "config/bind.h"

namespace sluice::kinds {

struct Secret {
  std::string type = "Opaque";
  std::map<std::string, std::string> data;  // decoded; `stringData` wins over `data`
};
void bind(Fields& f, Secret& secret);

// What a Secret for TLS holds (gloo-core 9.4), "" for what it does not: of type kubernetes.io/tls, or in Gloo's older
// form, where the annotation `resource_kind: '*v1.Secret'` says that the value of `tls` is YAML.
struct TlsSecret {
  std::string certificates;  // PEM
  std::string private_key;   // PEM
  std::string root_ca;       // PEM
  std::string ocsp_staple;   // DER
};
// Nothing: it is no Secret for TLS, or its YAML cannot be read.
std::optional<TlsSecret> tls_secret(const Secret& secret, const std::map<std::string, std::string>& annotations);

struct ConfigMap {
  std::map<std::string, std::string> data;         // text
  std::map<std::string, std::string> binary_data;  // decoded
};
void bind(Fields& f, ConfigMap& map);

// The object as it may be shown: "[redacted]" stands for every value of a Secret's data and stringData (and kubectl's
// copy of it in the annotations), and in an object of any kind for every text that holds a private key: a PEM block, a
// JWK or a JWK set with `k` or `d`, also inside another text. Public keys stay.
Node redacted(const Node& object);

}  // namespace sluice::kinds
