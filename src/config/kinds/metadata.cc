#include "config/kinds/metadata.h"

#include <fmt/format.h>
#include <algorithm>

#include "base/strings.h"

namespace sluice::kinds {
namespace {

bool is_lower_alphanumeric(char c) {
  return ascii_digit(c) || (c >= 'a' && c <= 'z');
}

// Letters and digits at both ends; `inner` may stand between.
bool is_name(std::string_view text, std::string_view inner, bool upper) {
  const auto alphanumeric = [&](char c) { return is_lower_alphanumeric(c) || (upper && ascii_alpha(c)); };
  return !text.empty() && alphanumeric(text.front()) && alphanumeric(text.back()) &&
         std::ranges::all_of(text, [&](char c) { return alphanumeric(c) || inner.contains(c); });
}

std::string shown(std::string_view text) {
  return json_quote(printable(text, 80));
}

void check_labels(Fields& f, const Metadata& metadata) {
  for (const auto& [key, value] : metadata.labels) {
    if (auto why = label_key_error(key); !why.empty()) f.error("labels", std::move(why));
    if (auto why = label_value_error(value); !why.empty()) f.error("labels", std::move(why));
  }
}

void check_annotations(Fields& f, const Metadata& metadata) {
  constexpr size_t kBytesMax = 256U << 10;  // as Kubernetes
  size_t bytes = 0;
  for (const auto& [key, value] : metadata.annotations) {
    bytes += key.size() + value.size();
    if (auto why = label_key_error(to_lower(key)); !why.empty()) f.error("annotations", std::move(why));
  }
  f.check(bytes <= kBytesMax, "annotations", "hold more than 256 KiB");
  // A switch that is written otherwise would be off without a word.
  for (const auto& [key, value] : metadata.annotations)
    if (key.starts_with("gateway.solo.io/") && key != kIsolateAnnotation)
      f.warning("annotations", fmt::format("{} has no effect: of Gloo's annotations {} is read, on Gateways",
                                           shown(key), kIsolateAnnotation));
}

}  // namespace

// [prefix/]name; annotations have such keys, too.
std::string label_key_error(std::string_view key) {
  const size_t slash = key.find('/');
  std::string_view name = key;
  if (slash != std::string_view::npos) {
    if (auto why = dns_subdomain_error(key.substr(0, slash)); !why.empty()) return why;
    name = key.substr(slash + 1);
  }
  if (name.size() > 63 || !is_name(name, "-_.", true))
    return fmt::format(
        "{} is no key: a name has letters, digits, '-', '_', '.', begins and ends with a letter or digit, "
        "and has at most 63 bytes, with a domain and '/' before it if need be",
        shown(key));
  return {};
}

std::string label_value_error(std::string_view value) {
  if (value.size() <= 63 && (value.empty() || is_name(value, "-_.", true))) return {};
  return fmt::format(
      "{} is no label value: at most 63 letters, digits, '-', '_', '.', with a letter or digit at both ends",
      shown(value));
}

std::string dns_label_error(std::string_view text) {
  if (text.size() <= 63 && is_name(text, "-", false)) return {};
  return fmt::format(
      "{} is no name: lower-case letters, digits and '-', with a letter or digit at both ends, at most 63 "
      "bytes",
      shown(text));
}

std::string dns_subdomain_error(std::string_view text) {
  if (text.size() <= 253 &&
      std::ranges::all_of(split(text, '.'), [](std::string_view label) { return is_name(label, "-", false); }))
    return {};
  return fmt::format(
      "{} is no name: lower-case letters, digits, '-' and '.', with a letter or digit at both ends of each "
      "part, at most 253 bytes",
      shown(text));
}

void bind(Fields& f, Metadata& m) {
  f.required("name", m.name, "Name of the object, unique for its kind in the namespace.");
  f.optional("namespace", m.ns, "Namespace of the object.");
  f.optional("labels", m.labels, "Words to select objects by.");
  f.optional("annotations", m.annotations, "Notes that tools keep on the object.");
  f.optional("creationTimestamp", m.creation_timestamp, "When the object was made; decides who was first.");
  for (const char* name : {"uid", "resourceVersion", "generation", "managedFields", "selfLink", "generateName",
                           "deletionTimestamp", "deletionGracePeriodSeconds", "cluster"})
    f.ignored(name, "Kept by an API server.");
  // Kubernetes acts on these; nothing does here.
  f.without_effect("ownerReferences", "the object stays when its owner is deleted");
  f.without_effect("finalizers",
                   "the object is gone as soon as it is deleted, nothing waits for what a finalizer stands for");
  if (f.present("name"))
    if (auto why = dns_subdomain_error(m.name); !why.empty()) f.check(false, "name", why);
  if (auto why = dns_label_error(m.ns); !why.empty()) f.check(false, "namespace", why);
  check_labels(f, m);
  check_annotations(f, m);
  if (f.present("creationTimestamp"))
    f.check(parse_iso(m.creation_timestamp).has_value(), "creationTimestamp",
            "expected a time such as \"2026-01-02T03:04:05Z\"");
}

}  // namespace sluice::kinds
