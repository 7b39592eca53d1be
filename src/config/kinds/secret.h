// Secret and ConfigMap (v1). The values of a Secret never appear in messages.
#pragma once

#include <map>
#include <string>

#include "config/bind.h"

namespace sluice::kinds {

struct Secret {
  std::string type = "Opaque";
  std::map<std::string, std::string> data;  // decoded; `stringData` wins over `data`
};
void bind(Fields& f, Secret& secret);

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
