// What a value of each shape may look like, for documentation.
#include <fmt/format.h>
#include <algorithm>
#include <cstring>

#include "config/bind.h"

namespace sluice {
namespace {

int64_t load_integer(const ValueType& type, const void* value) {
  int64_t out = 0;
  std::memcpy(&out, value, type.size);
  if (type.is_signed && type.size < 8) {
    const unsigned shift = 64u - type.size * 8u;
    out = static_cast<int64_t>(static_cast<uint64_t>(out) << shift) >> shift;
  }
  return out;
}

}  // namespace

std::string default_text(const ValueType& type, const void* value) {
  if (type.is_optional) {
    const void* held = type.value(value);
    return held ? default_text(*type.element, held) : std::string();
  }
  switch (type.shape) {
    case Shape::boolean: return *static_cast<const bool*>(value) ? "true" : "false";
    case Shape::integer: {
      const int64_t number = load_integer(type, value);
      return number == 0 ? std::string() : fmt::to_string(number);
    }
    case Shape::number: {
      const double number = type.size == sizeof(double) ? *static_cast<const double*>(value)
                                                        : static_cast<double>(*static_cast<const float*>(value));
      return number == 0 ? std::string() : fmt::to_string(number);
    }
    case Shape::text: return *static_cast<const std::string*>(value);
    case Shape::duration: {
      const Nanos duration = *static_cast<const Nanos*>(value);
      return duration == Nanos(0) ? std::string() : format_duration(duration);
    }
    case Shape::enumeration: {
      const std::span<const EnumName> entries = type.names();
      const auto it = std::ranges::find(entries, load_integer(type, value), &EnumName::value);
      return it == entries.end() ? std::string() : std::string(it->name);
    }
    default: return {};
  }
}

Schema describe_value(const ValueType& type, const void* value, std::span<const OptionField> option_fields) {
  if (type.is_optional) {
    const std::shared_ptr<void> held = type.element->make();
    return describe_value(*type.element, held.get(), option_fields);
  }
  Schema out;
  out.shape = type.shape;
  out.is_signed = type.is_signed;
  out.bits = type.size * 8u;
  if (type.names)
    for (const EnumName& entry : type.names()) out.enum_names.push_back(entry.name);
  if (type.element) {
    const std::shared_ptr<void> element = type.element->make();
    out.element = std::make_unique<Schema>(describe_value(*type.element, element.get(), option_fields));
  }
  if (type.bind) {
    Fields fields(out, option_fields);
    type.bind(fields, const_cast<void*>(value));  // a value made for describing; bind may tidy it up
  }
  return out;
}

}  // namespace sluice
