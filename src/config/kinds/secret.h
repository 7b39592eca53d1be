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

// The object with every value of a Secret's data and stringData (and of kubectl's copy of it in the annotations) as
// "[redacted]"; other objects as they are.
Node redacted(const Node& object);

}  // namespace sluice::kinds
