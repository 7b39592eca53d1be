// Objects in, statuses and snapshots out: what the tests of translation that concern TLS and chains share.
#pragma once

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "control/testing.h"
#include "io/loop.h"
#include "net/tls/testing.h"
#include "observe/log_file.h"

namespace sluice {

inline const TestAuthority& authority() {
  static const TestAuthority kAuthority;
  return kAuthority;
}

inline std::string object(std::string_view kind, std::string_view name, std::string_view spec,
                          std::string_view meta = "") {
  const std::string_view version = kind == "Secret"          ? "v1"
                                   : kind == "ProxySettings" ? "sluice.dev/v1alpha1"
                                   : kind == "Upstream"      ? "gloo.solo.io/v1"
                                                             : "gateway.solo.io/v1";
  return fmt::format("---\napiVersion: {}\nkind: {}\nmetadata: {{name: {}, namespace: gloo-system{}}}\n{}\n", version,
                     kind, name, meta, kind == "Secret" ? std::string(spec) : fmt::format("spec: {}", spec));
}

inline std::string secret(std::string_view name, const TlsKeyPair& pair, std::string_view ca = "") {
  return object(
      "Secret", name,
      fmt::format("type: kubernetes.io/tls\ndata: {{tls.crt: '{}', tls.key: '{}'{}}}", base64_encode(pair.certificates),
                  base64_encode(pair.private_key), ca.empty() ? "" : fmt::format(", ca.crt: {}", base64_encode(ca))));
}

inline std::string secret(std::string_view name, std::initializer_list<std::string> names) {
  return secret(name, authority().make(names));
}

// One route that answers by itself; `ssl` is its sslConfig, "" for none.
inline std::string service(std::string_view name, std::string_view ssl, std::string_view meta = "") {
  return object("VirtualService", name,
                fmt::format("{{{}virtualHost: {{domains: ['{}.test'], routes: [{{matchers: [{{prefix: /}}], "
                            "directResponseAction: {{status: 200}}}}]}}}}",
                            ssl.empty() ? "" : fmt::format("sslConfig: {}, ", ssl), name),
                meta);
}

inline std::string with_secret(std::string_view name, std::string_view more = "") {
  return fmt::format("{{secretRef: {{name: {}, namespace: gloo-system}}{}}}", name, more);
}

class TranslateCase : public testing::Test {
 protected:
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
    const ConfigFile file{"tried.yaml", yaml, 0};
    for (const ConfigObjectPtr& object : all_documents(load_config(std::span(&file, 1), fields_)))
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

  std::vector<OptionField> fields_ = option_fields_of(all_filters());
  std::string said_;
  std::vector<ConfigObjectPtr> objects_;
  Metrics metrics_{2};
  LogFiles log_files_{2, metrics_};
  Loop loop_;
  OwnedLoops loops_{{&loop_}};
  ResolverPool resolvers_{loops_};
  Translator translator_{translate_options(metrics_, resolvers_, log_files_)};
  Translation now_;
};

}  // namespace sluice
