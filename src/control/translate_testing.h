// Objects in, statuses and snapshots out: what the tests of translation share.
#pragma once

#include <gtest/gtest.h>

#include "control/testing.h"

namespace sluice {

// An object in few words: `spec` is YAML in flow style; of a Secret it is its own fields.
inline std::string object(std::string_view kind, std::string_view name, std::string_view spec,
                          std::string_view meta = "") {
  const bool own = kind == "EgressPolicy" || kind == "ProxySettings";
  const std::string_view version = kind == "Secret"     ? "v1"
                                   : own                ? "sluice.dev/v1alpha1"
                                   : kind == "Upstream" ? "gloo.solo.io/v1"
                                                        : "gateway.solo.io/v1";
  return fmt::format("---\napiVersion: {}\nkind: {}\nmetadata: {{name: {}, namespace: gloo-system{}}}\n{}\n", version,
                     kind, name, meta, kind == "Secret" ? std::string(spec) : fmt::format("spec: {}", spec));
}

class TranslateCase : public testing::Test, protected WithTranslator {
 protected:
  std::vector<ConfigObjectPtr> read(const std::string& yaml) {
    const ConfigFile file{"test.yaml", yaml, 0};
    LoadedConfig loaded = load_config(std::span(&file, 1), fields_);
    for (const Diagnostic& d : loaded.diagnostics.all())
      if (d.severity == Severity::error) ADD_FAILURE() << d.to_string();
    return loaded.objects;
  }
  // As at a start: of what is bad there is no other version.
  const Translation& apply(const std::string& yaml) {
    const ConfigFile file{"test.yaml", yaml, 0};
    const LoadedConfig loaded = load_config(std::span(&file, 1), fields_);
    said_ = loaded.diagnostics.to_string();
    objects_ = all_documents(loaded);
    now_ = translator_.translate(objects_, loaded.gaps);
    return now_;
  }
  // As the files say now.
  void look_again() {
    if (translator_.look_at_files()) now_ = translator_.translate(objects_);
  }

  // "Accepted", or the state and the reason as a status shows it.
  static std::string told(const ObjectReport& report) {
    static constexpr std::string_view kWords[] = {"Accepted", "Warning ", "Rejected "};
    return std::string(kWords[static_cast<size_t>(report.state())]) + report.reason();
  }
  std::string told(std::string_view kind, std::string_view name) const {
    const auto found = now_.reports->find(ObjectKey{std::string(kind), "gloo-system", std::string(name)});
    return found == now_.reports->end() ? "nothing" : told(found->second);
  }

  // What would be said of that one of these objects, among those that are applied.
  std::string tried(const std::string& yaml, std::string_view kind, std::string_view name) {
    for (const ConfigObjectPtr& object : read(yaml))
      if (object->key.kind == kind && object->key.name == name) return told(translator_.try_out(object));
    return "nothing";
  }

  const SnapshotListener* listener(std::string_view name = "tls") const {
    for (const auto& one : now_.snapshot->listeners)
      if (one->gateway == fmt::format("gloo-system/{}", name)) return one.get();
    return nullptr;
  }
  std::string hosts(const Router& router) const {
    std::vector<std::string> out;
    for (const VirtualHostEntry& host : router.table().hosts()) out.push_back(host.name);
    return join(out, " ");
  }

  const std::vector<OptionField> fields_ = option_fields_of(all_filters());
  std::string said_;
  std::vector<ConfigObjectPtr> objects_;
  Translation now_;
};

}  // namespace sluice
