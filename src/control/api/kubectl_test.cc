// The real kubectl against the API over a config folder: what an operator types, and what stands in the files after it.
//
// KUBECTL and KUBECTL_NEW name the programs (default: kubectl on the PATH). Skipped where there is none.
#include <stdlib.h>
#include <sys/wait.h>

#include <cstdio>

#include "control/api/test_server.h"
#include "control/store/test_folder.h"

namespace sluice {
namespace {

constexpr std::string_view kGateway = R"(# The gateway of the lab.
apiVersion: gateway.solo.io/v1
kind: Gateway
metadata:
  name: gateway-proxy  # the one
  namespace: gloo-system
spec:
  bindAddress: 127.0.0.1  # loopback
  bindPort: 8080
  httpGateway: {}
---
# An upstream in the same file.
apiVersion: gloo.solo.io/v1
kind: Upstream
metadata: {name: tenants, namespace: gloo-system}
spec: {static: {hosts: [{addr: 127.0.0.1, port: 18081}]}}
)";

constexpr std::string_view kTwo = R"(apiVersion: gloo.solo.io/v1
kind: Upstream
metadata: {name: two}
spec: {static: {hosts: [{addr: 127.0.0.1, port: 1}]}}
)";

struct Ran {
  int status = -1;
  std::string output;  // both streams
};

Ran run_shell(const std::string& command) {
  Ran ran;
  FILE* pipe = ::popen(("exec 2>&1; " + command).c_str(), "r");
  CHECK(pipe != nullptr);
  char chunk[4096];
  while (const size_t got = ::fread(chunk, 1, sizeof(chunk), pipe)) ran.output.append(chunk, got);
  const int status = ::pclose(pipe);
  ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ran;
}

std::string quoted(const std::string& word) {
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// One server, one folder, one kubectl.
class Cluster {
 public:
  TestFolder folder;
  TestFolder work;  // what the operator has: kubeconfig, manifests, kubectl's cache

  explicit Cluster(std::string program) : program_(std::move(program)) {
    folder.write("gateway.yaml", kGateway);
    auto opened = ConfigFolder::open(store_, {folder.path()}, {});
    CHECK(opened);
    config_ = std::move(*opened);
    config_->reload(wall_now());
    CHECK(config_->diagnostics().errors() == 0);
    api_.emplace(store_, *config_, ApiOptions{});
    server_.emplace(*api_, config_.get());
    work.write(
        "kubeconfig",
        fmt::format(
            "apiVersion: v1\nkind: Config\nclusters: [{{name: s, cluster: {{server: \"http://127.0.0.1:{}\"}}}}]\n"
            "contexts: [{{name: s, context: {{cluster: s, user: s, namespace: gloo-system}}}}]\n"
            "users: [{{name: s, user: {{}}}}]\ncurrent-context: s\n",
            server_->port()));
  }

  // `words` as a shell reads them.
  Ran kubectl(const std::string& words) const {
    return run_shell(fmt::format("cd {0} && HOME={0} KUBECONFIG={0}/kubeconfig no_proxy='*' timeout 60 {1} {2}",
                                 work.path(), quoted(program_), words));
  }

 private:
  std::string program_;
  ObjectStore store_{wall_now()};
  std::unique_ptr<ConfigFolder> config_;
  std::optional<ApiServer> api_;
  std::optional<TestServer> server_;
};

class Kubectl : public testing::TestWithParam<std::string_view> {
 protected:
  // The program for this test, "" where there is none (then the test is to be skipped).
  static std::string program() {
    if (const char* named = ::getenv(std::string(GetParam()).c_str())) return named;
    if (GetParam() == "KUBECTL_NEW") return {};
    return run_shell("command -v kubectl >/dev/null").status == 0 ? "kubectl" : "";
  }
};

#define CLUSTER(name)                                                                            \
  if (program().empty()) GTEST_SKIP() << "there is no kubectl: set " << GetParam() << " to one"; \
  const Cluster name(program())

#define EXPECT_OUTPUT(ran, expected_status, text)               \
  do {                                                          \
    const Ran result = (ran);                                   \
    EXPECT_EQ(result.status, expected_status) << result.output; \
    EXPECT_TRUE(result.output.contains(text)) << result.output; \
  } while (false)

TEST_P(Kubectl, gets_tables_yaml_json_and_descriptions) {
  CLUSTER(c);
  EXPECT_OUTPUT(c.kubectl("get gw,us"), 0, "gateway.gateway.solo.io/gateway-proxy");
  EXPECT_OUTPUT(c.kubectl("get gateways -A"), 0, "NAMESPACE     NAME            STATUS   AGE");
  EXPECT_OUTPUT(c.kubectl("get gw -o wide"), 0, "REASON");
  EXPECT_OUTPUT(c.kubectl("get gw gateway-proxy -o yaml"), 0, "bindPort: 8080");
  EXPECT_OUTPUT(c.kubectl("get gw gateway-proxy -o jsonpath={.spec.bindPort}"), 0, "8080");
  EXPECT_OUTPUT(c.kubectl("get us -o name"), 0, "upstream.gloo.solo.io/tenants");
  EXPECT_OUTPUT(c.kubectl("get us -l nothing=here"), 0, "No resources found");
  EXPECT_OUTPUT(c.kubectl("get us --field-selector metadata.name=tenants -o name"), 0, "tenants");
  EXPECT_OUTPUT(c.kubectl("describe gw gateway-proxy"), 0, "Bind Address:  127.0.0.1");
  EXPECT_OUTPUT(c.kubectl("describe gw gateway-proxy"), 0, "Events:  <none>");
  EXPECT_OUTPUT(c.kubectl("get ns"), 0, "gloo-system   Active");
  EXPECT_OUTPUT(c.kubectl("get vs"), 0, "No resources found");
  EXPECT_OUTPUT(c.kubectl("get gw none"), 1, "gateways.gateway.solo.io \"none\" not found");
  EXPECT_OUTPUT(c.kubectl("get pods"), 1, "the server doesn't have a resource type \"pods\"");
  EXPECT_OUTPUT(c.kubectl("api-resources"), 0, "virtualservices");
}

TEST_P(Kubectl, patches_the_file_and_keeps_its_comments) {
  CLUSTER(c);
  EXPECT_OUTPUT(
      c.kubectl(
          R"(patch gw/gateway-proxy --type merge -p '{"spec":{"httpGateway":{"options":{"dynamicForwardProxy":{}}}}}')"),
      0, "patched");
  EXPECT_OUTPUT(
      c.kubectl(R"(patch gw/gateway-proxy --type json -p '[{"op":"replace","path":"/spec/bindPort","value":8081}]')"),
      0, "patched");
  EXPECT_OUTPUT(c.kubectl("annotate gw gateway-proxy note='hello: world'"), 0, "annotated");
  EXPECT_OUTPUT(c.kubectl("label gw gateway-proxy app=web"), 0, "labeled");
  std::string expected(kGateway);
  const auto replace = [&expected](std::string_view from, std::string_view to) {
    expected.replace(expected.find(from), from.size(), to);
  };
  replace("  namespace: gloo-system\n",
          "  namespace: gloo-system\n  annotations:\n    note: \"hello: world\"\n  labels:\n    app: web\n");
  replace("  bindPort: 8080\n", "  bindPort: 8081\n");
  replace("  httpGateway: {}\n", "  httpGateway:\n    options:\n      dynamicForwardProxy: {}\n");
  EXPECT_EQ(c.folder.read("gateway.yaml"), expected);
  EXPECT_OUTPUT(c.kubectl("get gw -l 'app in (web,x)' -o name"), 0, "gateway-proxy");
  EXPECT_OUTPUT(c.kubectl("label gw gateway-proxy app-"), 0, "label");
}

TEST_P(Kubectl, says_what_is_wrong_and_stores_nothing) {
  CLUSTER(c);
  EXPECT_OUTPUT(c.kubectl(R"(patch gw/gateway-proxy --type merge -p '{"spec":{"bindprt":1}}')"), 1,
                "spec.bindprt: unknown field; did you mean \"bindPort\"?");
  EXPECT_OUTPUT(
      c.kubectl(R"(patch gw/gateway-proxy --type json -p '[{"op":"test","path":"/spec/bindPort","value":1}]')"), 1,
      "the test does not hold");
  EXPECT_OUTPUT(c.kubectl(R"(patch gw/gateway-proxy --type strategic -p '{}')"), 1, "application/merge-patch+json");
  c.work.write("bad.yaml", "apiVersion: gloo.solo.io/v1\nkind: Upstream\nmetadata: {name: bad}\nspec: {statick: {}}\n");
  EXPECT_OUTPUT(c.kubectl("create -f bad.yaml"), 1, "spec.statick: unknown field");
  EXPECT_OUTPUT(c.kubectl("apply -f bad.yaml"), 1, "spec.statick: unknown field");
  EXPECT_OUTPUT(c.kubectl("delete ns gloo-system"), 1, "read-only");
  EXPECT_EQ(c.folder.read("gateway.yaml"), kGateway);
  EXPECT_EQ(c.folder.names(), "gateway.yaml");
}

TEST_P(Kubectl, applies_creates_replaces_and_deletes) {
  CLUSTER(c);
  c.work.write("two.yaml", kTwo);
  EXPECT_OUTPUT(c.kubectl("apply -f two.yaml"), 0, "two created");
  EXPECT_EQ(c.folder.names(), "gateway.yaml upstream.gloo-system.two.yaml");
  EXPECT_OUTPUT(c.kubectl("apply -f two.yaml"), 0, "two unchanged");
  std::string changed(kTwo);
  c.work.write("two.yaml", changed.replace(changed.find("port: 1"), 7, "port: 2"));
  EXPECT_OUTPUT(c.kubectl("apply -f two.yaml"), 0, "two configured");
  EXPECT_OUTPUT(c.kubectl("get us two -o jsonpath='{.spec.static.hosts[0].port} {.metadata.generation}'"), 0, "2 2");
  EXPECT_OUTPUT(c.kubectl("create -f two.yaml"), 1, "already exists");
  EXPECT_OUTPUT(c.kubectl("replace -f two.yaml"), 0, "two replaced");
  EXPECT_OUTPUT(c.kubectl("apply --server-side -f two.yaml"), 1, "Server-side apply not available");
  EXPECT_OUTPUT(c.kubectl("delete us two"), 0, "\"two\" deleted");
  EXPECT_OUTPUT(c.kubectl("delete us two"), 1, "not found");
  EXPECT_EQ(c.folder.names(), "gateway.yaml");
  EXPECT_OUTPUT(c.kubectl("delete us tenants"), 0, "deleted");
  EXPECT_EQ(c.folder.read("gateway.yaml"), kGateway.substr(0, kGateway.find("---\n")));
}

TEST_P(Kubectl, edits_in_an_editor) {
  CLUSTER(c);
  c.work.write("editor", "#!/bin/sh\nsed -i 's/bindPort: .*/bindPort: 9999/' \"$1\"\n");
  std::filesystem::permissions(c.work.path("editor"), std::filesystem::perms::owner_all);
  EXPECT_OUTPUT(run_shell("true"), 0, "");
  EXPECT_OUTPUT(c.kubectl("get gw gateway-proxy -o jsonpath={.spec.bindPort}"), 0, "8080");
  ::setenv("EDITOR", c.work.path("editor").c_str(), 1);
  EXPECT_OUTPUT(c.kubectl("edit gw gateway-proxy"), 0, "edited");
  ::unsetenv("EDITOR");
  std::string expected(kGateway);
  EXPECT_EQ(c.folder.read("gateway.yaml"), expected.replace(expected.find("8080"), 4, "9999"));
}

TEST_P(Kubectl, keeps_secrets_and_config_maps) {
  CLUSTER(c);
  EXPECT_OUTPUT(c.kubectl("create secret generic s --from-literal=a=b"), 0, "secret/s created");
  EXPECT_OUTPUT(c.kubectl("get secret s"), 0, "Opaque");
  EXPECT_OUTPUT(c.kubectl("describe secret s"), 0, "a:  1 bytes");
  c.work.write("s.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: c}\n");
  EXPECT_OUTPUT(c.kubectl("apply -f s.yaml"), 0, "secret/s configured");
  c.work.write("s.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {a: d}\n");
  EXPECT_OUTPUT(c.kubectl("apply -f s.yaml"), 0, "secret/s configured");  // now it is a strategic merge patch
  EXPECT_OUTPUT(c.kubectl("get secret s -o jsonpath={.data.a}"), 0, "ZA==");
  EXPECT_OUTPUT(c.kubectl("create configmap m --from-literal=k=v"), 0, "configmap/m created");
  EXPECT_OUTPUT(c.kubectl(R"(patch cm m -p '{"data":{"l":"w","k":null}}')"), 0, "patched");
  EXPECT_OUTPUT(c.kubectl("get cm m -o jsonpath={.data}"), 0, "{\"l\":\"w\"}");
  EXPECT_OUTPUT(c.kubectl("delete secret,cm --all"), 0, "deleted");
  EXPECT_EQ(c.folder.names(), "gateway.yaml");
}

TEST_P(Kubectl, watches) {
  CLUSTER(c);
  // The watch ends when the label is there; nothing here depends on how long anything takes.
  const std::string watch = "(timeout 30 " + quoted(program()) +
                            " get gw gateway-proxy -w -o 'jsonpath={.metadata.labels.x}.' &) | head -c 3";
  const auto ran =
      run_shell(fmt::format("cd {0} && export HOME={0} KUBECONFIG={0}/kubeconfig; (for i in 1 2 3 4 5 6 7 8; do "
                            "timeout 20 {1} label --overwrite gw "
                            "gateway-proxy x=$i; done >/dev/null 2>&1 &); {2}",
                            c.work.path(), quoted(program()), watch));
  EXPECT_EQ(ran.output.size(), 3u) << ran.output;
  EXPECT_TRUE(ran.output.contains(".")) << ran.output;
}

INSTANTIATE_TEST_SUITE_P(Versions, Kubectl, testing::Values("KUBECTL", "KUBECTL_NEW"),
                         [](const auto& row) { return row.param == "KUBECTL" ? "installed" : "current"; });

}  // namespace
}  // namespace sluice
