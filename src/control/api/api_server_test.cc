#include "control/api/api_server.h"

#include <ctime>

#include "config/documents.h"
#include "control/api/memory_database.h"
#include "control/api/request_body.h"
#include "control/store/config_folder.h"
#include "control/store/test_folder.h"

namespace sluice {
namespace {

constexpr WallTime kNow{Seconds(1'800'000'000)};
constexpr std::string_view kUpstreams = "/apis/gloo.solo.io/v1/namespaces/ns/upstreams";

std::string upstream(std::string_view name, int port, std::string_view metadata = "") {
  return fmt::format(R"({{"apiVersion":"gloo.solo.io/v1","kind":"Upstream","metadata":{{"name":"{}"{}}},)"
                     R"("spec":{{"static":{{"hosts":[{{"addr":"127.0.0.1","port":{}}}]}}}}}})",
                     name, metadata, port);
}

struct Reply {
  int status = 0;
  Node body;
  ApiResponse response;
  std::unique_ptr<WatchStream> watch;

  std::string_view text(std::initializer_list<std::string_view> path) const { return body.text_at(path); }
  const Node* at(std::initializer_list<std::string_view> path) const { return body.find(path); }
  std::string_view message() const { return body.text_at({"message"}); }
  std::string_view reason() const { return body.text_at({"reason"}); }
  std::string names() const {
    std::string names;
    if (const Node* items = body.find("items"))
      for (const Node& item : *items->list())
        names += (names.empty() ? "" : " ") + std::string(item.text_at({"metadata", "name"}));
    return names;
  }
  std::string warnings() const {
    std::string all;
    for (const auto& [name, value] : response.headers)
      if (name == "warning") all += value + "\n";
    return all;
  }
};

class Api {
 public:
  ObjectStore store{kNow};
  MemoryDatabase database{store};
  ApiServer server;
  WallTime now = kNow;
  SteadyTime steady{};

  explicit Api(ApiOptions options = {}) : server(store, database, std::move(options)) {}

  Reply send(std::string_view method, std::string_view target, std::string_view body = {},
             std::string_view type = "application/json",
             std::vector<std::pair<std::string_view, std::string_view>> more = {}) {
    more.emplace_back("content-type", type);
    if (std::ranges::none_of(more, [](const auto& field) { return field.first == "Host"; }))
      more.emplace_back("Host", "127.0.0.1:19001");
    auto answer = server.handle(
        {.method = method, .target = target, .headers = more, .body = body, .now = now, .steady_now = steady});
    Reply reply{
        .status = answer.response.status, .response = std::move(answer.response), .watch = std::move(answer.watch)};
    if (auto parsed = parse_json(reply.response.body)) reply.body = std::move(*parsed);
    return reply;
  }
  Reply get(std::string_view target, std::string_view accept = "application/json") {
    return send("GET", target, {}, "", {{"Accept", accept}});
  }
  Reply patch(std::string_view target, std::string_view body, std::string_view type = "application/merge-patch+json") {
    return send("PATCH", target, body, type);
  }
  std::string one(std::string_view name) const { return std::string(kUpstreams) + "/" + std::string(name); }
  void add(std::string_view name, int port = 1, std::string_view metadata = "") {
    EXPECT_EQ(send("POST", kUpstreams, upstream(name, port, metadata)).status, 201);
  }
  std::string events(WatchStream& watch) {
    std::string out;
    watch.pull(out, 1 << 20, now, steady);
    return out;
  }
};

TEST(ApiServer, answers_only_to_its_own_name_and_to_no_web_page) {
  Api api;
  for (const auto host : {"localhost", "localhost:19001", "LOCALHOST:1", "127.0.0.1:19001", "[::1]:19001"})
    EXPECT_EQ(api.send("GET", "/api", "", "", {{"Host", host}}).status, 200) << host;
  for (const auto host :
       {"", "evil.test", "evil.test:19001", "localhost.evil.test", "localhost:evil", "127.0.0.1.evil.test", "10.0.0.2",
        "[::1", "[::2]:1", "[::1]x", "127.0.0.1:", "localhost:19001:1", "user@localhost"})
    EXPECT_EQ(api.send("GET", "/api", "", "", {{"Host", host}}).status, 403) << host;
  EXPECT_EQ(api.send("GET", "/api", "", "", {{"Origin", "http://localhost"}}).status, 403);
  EXPECT_EQ(api.send("POST", kUpstreams, upstream("a", 1), "application/json", {{"origin", "null"}}).status, 403);
  EXPECT_EQ(api.database.writes, 0);
}

TEST(ApiServer, says_what_it_serves) {
  Api api;
  for (const auto path : {"/", "/api", "/apis", "/api/v1", "/apis/gateway.solo.io", "/apis/gateway.solo.io/v1",
                          "/apis/sluice.dev/v1alpha1", "/version", "/openapi/v2", "/openapi/v3", "/openapi/v3/api/v1",
                          "/openapi/v3/apis/gloo.solo.io/v1", "/healthz", "/livez", "/readyz"})
    EXPECT_EQ(api.get(path).status, 200) << path;
  for (const auto path :
       {"/x", "/apis/none", "/apis/gateway.solo.io/v2", "/api/v2", "/openapi/v1", "/openapi/v3/apis/none",
        "/openapi/v3/api", "/openapi", "/apis/gateway.solo.io/v1/routetables", "/apis/gateway.solo.io/v1/namespaces/ns",
        "/api/v1/pods", "/apis/v1", "/apis/gloo.solo.io/v1/namespaces/ns/upstreams/a/status",
        "/apis/gloo.solo.io/v1/upstreams/a", "/healthz/x"})
    EXPECT_EQ(api.get(path).status, 404) << path;
  EXPECT_EQ(api.send("POST", "/api").status, 405);
  const auto v2 = api.get("/openapi/v2", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf");
  EXPECT_EQ(v2.response.content_type, "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
  EXPECT_TRUE(
      v2.response.body.starts_with("\x0a\x03"
                                   "2.0"));
}

TEST(ApiServer, is_ready_when_it_is_told_so) {
  bool ready = false;
  Api api({.ready = [&ready] { return ready; }});
  EXPECT_EQ(api.get("/readyz").status, 503);
  ready = true;
  EXPECT_EQ(api.get("/readyz").status, 200);
}

TEST(ApiServer, creates_and_shows_an_object) {
  Api api;
  const auto created = api.send("POST", kUpstreams, upstream("a", 1));
  EXPECT_EQ(created.status, 201);
  EXPECT_EQ(created.text({"metadata", "namespace"}), "ns");
  EXPECT_EQ(created.text({"metadata", "creationTimestamp"}), "2027-01-15T08:00:00Z");
  EXPECT_EQ(api.get(api.one("a")).body, created.body);
  EXPECT_EQ(api.get(api.one("b")).status, 404);
  const auto again = api.send("POST", kUpstreams, upstream("a", 2));
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(again.reason(), "AlreadyExists");
  EXPECT_EQ(again.message(), "upstreams.gloo.solo.io \"a\" already exists");
}

TEST(ApiServer, takes_yaml_and_makes_up_names) {
  Api api;
  EXPECT_EQ(
      api.send(
             "POST", kUpstreams,
             "apiVersion: gloo.solo.io/v1\nkind: Upstream\nmetadata: {name: from-yaml}\nspec: {static: {hosts: [{addr: "
             "x, port: 1}]}}\n",
             "application/yaml")
          .status,
      201);
  const auto made = api.send("POST", kUpstreams, upstream("", 1, R"(,"generateName":"gen-")"));
  EXPECT_EQ(made.status, 201);
  EXPECT_TRUE(made.text({"metadata", "name"}).starts_with("gen-"));
  EXPECT_EQ(made.text({"metadata", "name"}).size(), 9u);
}

TEST(ApiServer, refuses_bodies_that_do_not_fit) {
  Api api;
  api.add("a");
  const struct {
    std::string_view what, method, target;
    std::string body;
    std::string_view type;
    int status;
  } kRows[] = {
      {"no JSON", "POST", kUpstreams, "{", "application/json", 400},
      {"two values", "POST", kUpstreams, "{}{}", "application/json", 400},
      {"a list", "POST", kUpstreams, "[]", "application/json", 400},
      {"a duplicate key", "POST", kUpstreams, R"({"kind":"Upstream","kind":"Upstream"})", "application/json", 400},
      {"too deep", "POST", kUpstreams, std::string(1000, '['), "application/json", 400},
      {"nothing", "POST", kUpstreams, "", "application/json", 400},
      {"another kind", "POST", "/apis/gateway.solo.io/v1/namespaces/ns/gateways", upstream("b", 1), "application/json",
       400},
      {"another namespace", "POST", kUpstreams, upstream("b", 1, R"(,"namespace":"other")"), "application/json", 400},
      {"a version", "POST", kUpstreams, upstream("b", 1, R"(,"resourceVersion":"1")"), "application/json", 400},
      {"no name", "POST", kUpstreams, upstream("", 1), "application/json", 422},
      {"a bad name", "POST", kUpstreams, upstream("A_b", 1), "application/json", 422},
      {"a name that is a path", "POST", kUpstreams, upstream("../x", 1), "application/json", 422},
      {"a bad namespace", "POST", "/apis/gloo.solo.io/v1/namespaces/A_b/upstreams", upstream("b", 1),
       "application/json", 422},
      {"a bad value", "POST", kUpstreams, upstream("b", 70000), "application/json", 422},
      {"an unknown field", "POST", kUpstreams,
       R"({"apiVersion":"gloo.solo.io/v1","kind":"Upstream","metadata":{"name":"b"},"spec":{"x":1}})",
       "application/json", 422},
      {"a bad label", "POST", kUpstreams, upstream("b", 1, R"(,"labels":{"a":"b c"})"), "application/json", 422},
      {"a finalizer", "POST", kUpstreams, upstream("b", 1, R"(,"finalizers":["x/y"])"), "application/json", 422},
      {"an owner", "POST", kUpstreams, upstream("b", 1, R"(,"ownerReferences":[{}])"), "application/json", 422},
      {"an immutable Secret", "POST", "/api/v1/namespaces/ns/secrets",
       R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"b"},"immutable":true})", "application/json", 422},
      {"a form type", "POST", kUpstreams, upstream("b", 1), "application/x-www-form-urlencoded", 415},
      {"text", "POST", kUpstreams, upstream("b", 1), "text/plain", 415},
      {"no namespace in the path", "POST", "/apis/gloo.solo.io/v1/upstreams", upstream("b", 1), "application/json",
       405},
      {"a namespace", "POST", "/api/v1/namespaces", "{}", "application/json", 405},
      {"a POST to an object", "POST", "/apis/gloo.solo.io/v1/namespaces/ns/upstreams/a", upstream("a", 1),
       "application/json", 405},
      {"a PUT of nothing", "PUT", "/apis/gloo.solo.io/v1/namespaces/ns/upstreams/none", upstream("none", 1),
       "application/json", 404},
      {"another name", "PUT", "/apis/gloo.solo.io/v1/namespaces/ns/upstreams/a", upstream("b", 1), "application/json",
       400},
      {"server-side apply", "PATCH", "/apis/gloo.solo.io/v1/namespaces/ns/upstreams/a", "{}",
       "application/apply-patch+yaml", 415},
      {"a strategic patch", "PATCH", "/apis/gloo.solo.io/v1/namespaces/ns/upstreams/a", "{}",
       "application/strategic-merge-patch+json", 415},
      {"a patch that is a list", "PATCH", "/apis/gloo.solo.io/v1/namespaces/ns/upstreams/a", "[]",
       "application/merge-patch+json", 400},
      {"a patch of the name", "PATCH", "/apis/gloo.solo.io/v1/namespaces/ns/upstreams/a",
       R"({"metadata":{"name":"b"}})", "application/merge-patch+json", 400},
      {"a patch of the kind", "PATCH", "/apis/gloo.solo.io/v1/namespaces/ns/upstreams/a", R"({"kind":"Gateway"})",
       "application/merge-patch+json", 400},
      {"a patch of the metadata away", "PATCH", "/apis/gloo.solo.io/v1/namespaces/ns/upstreams/a",
       R"({"metadata":null})", "application/merge-patch+json", 400},
      {"an odd method", "TRACE", "/apis/gloo.solo.io/v1/namespaces/ns/upstreams/a", "", "", 405},
      {"a half dry run", "POST", "/apis/gloo.solo.io/v1/namespaces/ns/upstreams?dryRun=Some", upstream("b", 1),
       "application/json", 400},
      {"an odd validation", "POST", "/apis/gloo.solo.io/v1/namespaces/ns/upstreams?fieldValidation=Lax",
       upstream("b", 1), "application/json", 400},
  };
  const int writes = api.database.writes;
  for (const auto& row : kRows) {
    const auto reply = api.send(row.method, row.target, row.body, row.type);
    EXPECT_EQ(reply.status, row.status) << row.what << ": " << reply.response.body;
    EXPECT_EQ(reply.text({"kind"}), "Status") << row.what;
    EXPECT_NE(reply.message(), "") << row.what;
  }
  EXPECT_EQ(api.database.writes, writes);
}

TEST(ApiServer, names_the_fields_that_are_wrong) {
  Api api;
  const auto reply =
      api.send("POST", kUpstreams,
               R"({"apiVersion":"gloo.solo.io/v1","kind":"Upstream","metadata":{"name":"b"},"spec":{"statick":{}}})");
  EXPECT_EQ(reply.status, 422);
  EXPECT_EQ(reply.reason(), "Invalid");
  EXPECT_EQ(reply.text({"details", "kind"}), "Upstream");
  const Node* causes = reply.at({"details", "causes"});
  ASSERT_TRUE(causes && causes->list() && !causes->list()->empty());
  EXPECT_TRUE(std::ranges::any_of(*causes->list(), [](const Node& cause) {
    return cause.text_at({"field"}) == "spec.statick";
  })) << to_json(*causes);
}

TEST(ApiServer, drops_unknown_fields_only_when_asked_to) {
  Api api;
  const std::string body = upstream("b", 1, R"(,"labels":{"a":"b"},"nonsense":1)");
  const std::string target(kUpstreams);
  EXPECT_EQ(api.send("POST", target, body).status, 422);  // nothing is ignored silently by default
  EXPECT_EQ(api.send("POST", target + "?fieldValidation=Strict", body).status, 422);
  const auto warned = api.send("POST", target + "?fieldValidation=Warn&dryRun=All", body);
  EXPECT_EQ(warned.status, 201) << warned.response.body;
  EXPECT_EQ(warned.warnings(), "299 - \"unknown field \\\"metadata.nonsense\\\"\"\n");
  const auto ignored = api.send("POST", target + "?fieldValidation=Ignore", body);
  EXPECT_EQ(ignored.status, 201);
  EXPECT_EQ(ignored.warnings(), "");
  EXPECT_EQ(ignored.at({"metadata", "nonsense"}), nullptr);
}

TEST(ApiServer, asks_the_check_it_was_given) {
  Api api({.check = [](const ConfigObject& object, Diagnostics& diagnostics) {
    if (object.key.name == "bad") diagnostics.add({.path = "spec.x", .message = "must not be \"bad\""});
    if (object.key.name == "odd")
      diagnostics.add({.severity = Severity::warning, .path = "spec.y", .message = "is odd\nindeed"});
    if (object.key.name == "alone") diagnostics.add({.severity = Severity::warning, .message = "nobody is there"});
  }});
  EXPECT_EQ(api.send("POST", kUpstreams, upstream("bad", 1)).status, 422);
  const auto odd = api.send("POST", kUpstreams, upstream("odd", 1));
  EXPECT_EQ(odd.status, 201);
  EXPECT_TRUE(odd.warnings().starts_with("299 - \"spec.y: is odd")) << odd.warnings();
  EXPECT_EQ(odd.warnings().find('\n'), odd.warnings().size() - 1);  // no header splitting
  for (const std::string& target : {std::string(kUpstreams) + "?dryRun=All", std::string(kUpstreams)})
    EXPECT_EQ(api.send("POST", target, upstream("alone", 1)).warnings(), "299 - \"nobody is there\"\n");
  EXPECT_EQ(api.send("PUT", api.one("alone"), upstream("alone", 2)).warnings(), "299 - \"nobody is there\"\n");
}

TEST(ApiServer, updates_only_the_version_that_was_read) {
  Api api;
  api.add("a", 1);
  const auto read = api.get(api.one("a"));
  const std::string version(read.text({"metadata", "resourceVersion"}));
  api.add("unrelated");
  const auto updated =
      api.send("PUT", api.one("a"), upstream("a", 2, fmt::format(R"(,"resourceVersion":"{}")", version)));
  EXPECT_EQ(updated.status, 200);
  EXPECT_EQ(*updated.at({"metadata", "generation"})->integer(), 2);
  const auto stale =
      api.send("PUT", api.one("a"), upstream("a", 3, fmt::format(R"(,"resourceVersion":"{}")", version)));
  EXPECT_EQ(stale.status, 409);
  EXPECT_EQ(stale.reason(), "Conflict");
  EXPECT_EQ(api.patch(api.one("a"), fmt::format(R"({{"metadata":{{"resourceVersion":"{}"}}}})", version)).status, 409);
  EXPECT_EQ(api.patch(api.one("a"), R"({"metadata":{"uid":"other"}})").status, 409);
  EXPECT_EQ(api.send("PUT", api.one("a"), upstream("a", 4)).status, 200);  // without a version: whatever is there
}

TEST(ApiServer, writes_nothing_when_nothing_changes) {
  Api api;
  api.add("a", 1);
  const int writes = api.database.writes;
  const uint64_t version = api.store.version();
  EXPECT_EQ(api.send("PUT", api.one("a"), upstream("a", 1)).status, 200);
  EXPECT_EQ(api.patch(api.one("a"), "{}").status, 200);
  EXPECT_EQ(api.patch(api.one("a"), R"({"status":{"state":"Accepted"}})").status, 200);  // status is not the client's
  EXPECT_EQ(api.database.writes, writes);
  EXPECT_EQ(api.store.version(), version);
}

TEST(ApiServer, refuses_patches_that_make_too_much) {
  Api api;
  const std::string maps = "/api/v1/namespaces/ns/configmaps";
  const std::string text(900'000, 'x');
  EXPECT_EQ(api.send("POST", maps, fmt::format(R"({{"metadata":{{"name":"m"}},"data":{{"a":"{}"}}}})", text)).status,
            201);
  std::string patch = "[";
  for (int i = 0; i < 5000; ++i)
    patch += fmt::format(R"({}{{"op":"copy","from":"/data/a","path":"/data/b{}"}})", i ? "," : "", i);
  const auto reply = api.patch(maps + "/m", patch + "]", "application/json-patch+json");
  EXPECT_EQ(reply.status, 413);
  EXPECT_EQ(reply.reason(), "RequestEntityTooLarge");
  EXPECT_TRUE(reply.message().contains("the patch copies more than")) << reply.message();
}

// As one may see them where somebody keeps a table in a ConfigMap. One by one, look-ups took a minute.
TEST(ApiServer, works_on_a_config_map_of_many_keys_in_no_time) {
  Api api;
  constexpr int kKeys = 60'000;
  const std::clock_t start = std::clock();  // CPU time: others may be busy
  const std::string maps = "/api/v1/namespaces/ns/configmaps";
  const auto data = [](std::string_view value) {
    std::string text;
    for (int i = 0; i < kKeys; ++i) text += fmt::format("{}\"{:x}\":{}", i ? "," : "", i, value);
    return "{" + text + "}";
  };
  EXPECT_EQ(api.send("POST", maps, R"({"metadata":{"name":"m"},"data":)" + data(R"("")") + "}").status, 201);
  EXPECT_EQ(api.patch(maps + "/m", R"({"data":)" + data(R"("x")") + "}").status, 200);
  EXPECT_EQ(api.patch(maps + "/m", R"({"data":)" + data("null") + "}").status, 200);
  EXPECT_EQ(api.get(maps + "/m").body.find("data"), nullptr);
  std::string yaml = "metadata: {name: y}\nx: &x\n";
  for (int i = 0; i < 20'000; ++i) yaml += fmt::format("  k{}: v\n", i);
  yaml += "data:\n  <<: [";
  for (int i = 0; i < 10; ++i) yaml += "*x, ";
  EXPECT_EQ(api.send("POST", maps, yaml + "]\n", "application/yaml").status, 422);  // x is no field
  EXPECT_LT((std::clock() - start) / CLOCKS_PER_SEC, 30);
}

TEST(ApiServer, refuses_objects_of_too_many_values) {
  Api api;
  std::string yaml = "metadata: {name: y}\na: &a [x, x, x, x, x, x, x, x, x, x]\nb: [";
  for (size_t i = 0; i < kObjectValuesMax / 10; ++i) yaml += "*a,";
  const auto reply = api.send("POST", "/api/v1/namespaces/ns/configmaps", yaml + "]\n", "application/yaml");
  EXPECT_EQ(reply.status, 400);
  EXPECT_TRUE(reply.message().contains("more than 300000 values once aliases are followed")) << reply.message();
}

// As in an API server of Kubernetes: for its own kinds the path says what the object is.
TEST(ApiServer, takes_secrets_and_config_maps_that_do_not_say_what_they_are) {
  Api api;
  for (const std::string plural : {"configmaps", "secrets"}) {
    const std::string path = "/api/v1/namespaces/ns/" + plural;
    EXPECT_EQ(api.send("POST", path, R"({"metadata":{"name":"a"},"data":{"k":"dg=="}})").status, 201) << plural;
    EXPECT_EQ(api.send("PUT", path + "/a", R"({"kind":"","metadata":{"name":"a"},"data":{"k":"eA=="}})").status, 200);
    const auto reply = api.get(path + "/a");
    EXPECT_EQ(reply.text({"data", "k"}), "eA==");
    EXPECT_EQ(reply.text({"apiVersion"}), "v1");
    EXPECT_TRUE(reply.response.body.starts_with(R"({"apiVersion":"v1","kind":)")) << reply.response.body;
  }
  EXPECT_EQ(api.send("POST", kUpstreams, R"({"metadata":{"name":"a"},"spec":{}})").status, 400);
}

TEST(ApiServer, answers_the_creation_of_a_namespace_by_whether_it_is_there) {
  Api api;
  api.add("a");
  const auto post = [&api](std::string_view name) {
    return api.send("POST", "/api/v1/namespaces", fmt::format(R"({{"metadata":{{"name":"{}"}}}})", name));
  };
  for (const auto name : {"default", "gloo-system", "ns"}) {
    EXPECT_EQ(post(name).status, 409) << name;
    EXPECT_EQ(post(name).reason(), "AlreadyExists");
    EXPECT_EQ(post(name).message(), fmt::format("namespaces \"{}\" already exists", name));
  }
  const auto fresh = post("fresh");
  EXPECT_EQ(fresh.status, 405);
  EXPECT_TRUE(fresh.message().contains("is there as soon as an object is in it")) << fresh.message();
}

// The type of a patch is judged first: helm and kubectl choose by that what to do where there is no object yet.
TEST(ApiServer, refuses_server_side_apply_whether_the_object_is_there_or_not) {
  Api api;
  api.add("a");
  for (const std::string name : {"a", "none"}) {
    EXPECT_EQ(api.patch(api.one(name), "{}", "application/apply-patch+yaml").status, 415) << name;
    EXPECT_EQ(api.patch("/api/v1/namespaces/ns/secrets/" + name, "{}", "application/apply-patch+yaml").status, 415);
  }
}

TEST(ApiServer, takes_no_path_that_ends_with_a_slash_for_a_collection_to_delete) {
  Api api;
  api.add("a");
  EXPECT_EQ(api.send("DELETE", std::string(kUpstreams) + "/").status, 400);
  for (const std::string_view dots : {"/%2e", "/.", "/%2e%2e/upstreams", "//", "/%2E%2E"})
    EXPECT_EQ(api.send("DELETE", std::string(kUpstreams) + std::string(dots)).status, 400) << dots;
  EXPECT_EQ(api.get(api.one("a")).status, 200);
  EXPECT_EQ(api.get(std::string(kUpstreams) + "/").status, 200);
}

TEST(ApiServer, patches_by_merge_and_by_json_patch) {
  Api api;
  api.add("a", 1);
  EXPECT_EQ(api.patch(api.one("a"), R"({"metadata":{"labels":{"x":"1","y":"2"}}})").status, 200);
  EXPECT_EQ(api.patch(api.one("a"), R"({"metadata":{"labels":{"x":null}}})").status, 200);
  auto reply = api.patch(
      api.one("a"),
      R"([{"op":"test","path":"/metadata/labels/y","value":"2"},{"op":"replace","path":"/spec/static/hosts/0/port","value":9}])",
      "application/json-patch+json");
  EXPECT_EQ(reply.status, 200) << reply.response.body;
  EXPECT_EQ(to_json(*reply.at({"metadata", "labels"})), R"({"y":"2"})");
  EXPECT_EQ(*reply.at({"metadata", "generation"})->integer(), 2);
  EXPECT_EQ(
      api.patch(api.one("a"), R"([{"op":"test","path":"/kind","value":"x"}])", "application/json-patch+json").status,
      422);
  EXPECT_EQ(api.patch(api.one("a"), R"([{"op":"remove","path":"/none"}])", "application/json-patch+json").status, 400);
  EXPECT_EQ(api.patch(api.one("none"), "{}").status, 404);
}

TEST(ApiServer, merges_secrets_strategically_where_that_is_the_same) {
  Api api;
  const std::string secrets = "/api/v1/namespaces/ns/secrets";
  const auto created = api.send(
      "POST", secrets, R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"stringData":{"a":"b"}})");
  EXPECT_EQ(created.status, 201) << created.response.body;
  EXPECT_EQ(created.text({"data", "a"}), "Yg==");
  EXPECT_EQ(created.text({"type"}), "Opaque");
  const std::string strategic = "application/strategic-merge-patch+json";
  EXPECT_EQ(
      api.patch(secrets + "/s", R"({"data":{"c":"ZA=="},"metadata":{"$setElementOrder/finalizers":[]}})", strategic)
          .status,
      200);
  EXPECT_EQ(api.patch(secrets + "/s", R"({"data":{"$patch":"replace","c":"ZA=="}})", strategic).status, 422);
  EXPECT_EQ(api.patch(secrets + "/s", R"({"data":{"c":"no base64!"}})", strategic).status, 422);
  EXPECT_EQ(to_json(*api.get(secrets + "/s").body.find("data")), R"({"a":"Yg==","c":"ZA=="})");
}

// "k8s\0" { typeMeta { version kind } raw }, all shorter than 128 bytes.
std::string protobuf(std::string_view version, std::string_view kind, std::string_view raw) {
  const auto field = [](char tag, std::string_view bytes) {
    return std::string{tag, static_cast<char>(bytes.size())} + std::string(bytes);
  };
  return std::string("k8s\0", 4) + field('\x0a', field('\x0a', version) + field('\x12', kind)) + field('\x12', raw);
}

// client-go's typed clients send nothing else.
TEST(ApiServer, reads_delete_options_in_protobuf) {
  Api api;
  const std::string type = "application/vnd.kubernetes.protobuf";
  api.add("a");
  const auto remove = [&](std::string_view version, std::string_view raw) {
    return api.send("DELETE", api.one("a"), protobuf(version, "DeleteOptions", raw), type);
  };
  // preconditions { uid "other" }
  EXPECT_EQ(remove("v1", "\x12\x07\x0a\x05other").status, 409);
  // dryRun [All]
  EXPECT_EQ(remove("v1",
                   "\x2a\x03"
                   "All")
                .status,
            200);
  EXPECT_EQ(api.get(api.one("a")).status, 200);
  EXPECT_EQ(api.send("DELETE", api.one("a"), protobuf("v1", "Secret", ""), type).status, 400);
  EXPECT_EQ(api.send("DELETE", api.one("a"), "[]").status, 400);
  // gracePeriodSeconds 0, orphanDependents false, propagationPolicy Background
  EXPECT_EQ(remove("gloo.solo.io/v1", std::string_view("\x08\0\x18\0\x22\x0a"
                                                       "Background",
                                                       16))
                .status,
            200);
  EXPECT_EQ(api.get(api.one("a")).status, 404);
  // A Namespace { metadata { name "default" } }
  EXPECT_EQ(api.send("POST", "/api/v1/namespaces",
                     protobuf("v1", "Namespace",
                              "\x0a\x09\x0a\x07"
                              "default"),
                     type)
                .status,
            409);
}

TEST(ApiServer, reads_what_kubectl_sends_as_protobuf) {
  Api api;
  // "k8s\0" { typeMeta { "v1" "Secret" } raw { metadata { name "s" } data { "a": "b" } type "Opaque" } }
  const std::string_view type("\x0a\x0c\x0a\x02v1\x12\x06Secret", 14);
  const std::string_view raw(
      "\x12\x17\x0a\x03\x0a\x01s\x12\x06\x0a\x01"
      "a\x12\x01"
      "b\x1a\x06Opaque\x28\x00",
      25);
  const std::string body = std::string("k8s\0", 4) + std::string(type) + std::string(raw);
  const auto created = api.send("POST", "/api/v1/namespaces/ns/secrets", body, "application/vnd.kubernetes.protobuf");
  EXPECT_EQ(created.status, 201) << created.response.body;
  EXPECT_EQ(created.text({"data", "a"}), "Yg==");
  for (size_t cut = 0; cut < body.size() - 2; ++cut)
    EXPECT_GE(api.send("POST", "/api/v1/namespaces/ns/secrets", std::string_view(body).substr(0, cut),
                       "application/vnd.kubernetes.protobuf")
                  .status,
              400)
        << cut;
}

TEST(ApiServer, deletes_one_or_all_that_match) {
  Api api;
  for (const auto name : {"a", "b", "c", "d"}) api.add(name, 1, name[0] < 'c' ? R"(,"labels":{"x":"1"})" : "");
  const std::string uid(api.get(api.one("a")).text({"metadata", "uid"}));
  EXPECT_EQ(api.send("DELETE", api.one("a"), R"({"preconditions":{"uid":"other"}})").status, 409);
  EXPECT_EQ(api.send("DELETE", api.one("a") + "?dryRun=All").status, 200);
  EXPECT_EQ(api.send("DELETE", api.one("a"), R"({"dryRun":["All"]})").status, 200);
  EXPECT_EQ(api.get(api.one("a")).status, 200);
  const auto deleted =
      api.send("DELETE", api.one("a"),
               fmt::format(R"({{"propagationPolicy":"Background","preconditions":{{"uid":"{}"}}}})", uid));
  EXPECT_EQ(deleted.status, 200);
  EXPECT_EQ(deleted.text({"status"}), "Success");
  EXPECT_EQ(deleted.text({"details", "uid"}), uid);
  EXPECT_EQ(api.send("DELETE", api.one("a")).status, 404);
  EXPECT_EQ(api.send("DELETE", std::string(kUpstreams) + "?labelSelector=x%3D1").names(), "b");
  EXPECT_EQ(api.send("DELETE", std::string(kUpstreams) + "?labelSelector=x%3D%3D%3D1").status, 400);
  EXPECT_EQ(api.send("DELETE", kUpstreams, R"({"dryRun":["All"]})").names(), "c d");
  EXPECT_EQ(api.send("DELETE", "/apis/gloo.solo.io/v1/upstreams").status, 405) << "no namespace is not all of them";
  EXPECT_EQ(api.get(kUpstreams).names(), "c d");
  int told = 0;
  const auto subscription = api.store.subscribe([&] { ++told; });
  EXPECT_EQ(api.send("DELETE", kUpstreams).status, 200);
  EXPECT_EQ(api.get(kUpstreams).names(), "");
  EXPECT_EQ(told, 1) << "all at once: one new snapshot";
}

TEST(ApiServer, says_why_the_database_refused) {
  Api api;
  const struct {
    ErrorKind kind;
    int status;
  } kRows[] = {{ErrorKind::conflict, 409}, {ErrorKind::denied, 403}, {ErrorKind::limit, 507}, {ErrorKind::io, 500}};
  for (const auto& row : kRows) {
    api.database.failure = Error{.kind = row.kind, .message = "because of this"};
    const auto reply = api.send("POST", kUpstreams, upstream("a", 1));
    EXPECT_EQ(reply.status, row.status);
    EXPECT_TRUE(reply.message().contains("because of this")) << reply.message();
    EXPECT_EQ(api.store.size(), 0u);
  }
}

TEST(ApiServer, says_of_a_collection_why_it_was_not_deleted) {
  Api api;
  api.add("a", 1);
  const struct {
    ErrorKind kind;
    int status;
    std::string_view message;
  } kRows[] = {
      {ErrorKind::conflict, 409, "Operation cannot be fulfilled on upstreams.gloo.solo.io: because of this"},
      {ErrorKind::not_found, 404, "upstreams.gloo.solo.io not found: because of this"},
      {ErrorKind::denied, 403, "upstreams.gloo.solo.io is forbidden: because of this"},
  };
  for (const auto& row : kRows) {
    api.database.failure = Error{.kind = row.kind, .message = "because of this"};
    const auto reply = api.send("DELETE", kUpstreams);
    EXPECT_EQ(reply.status, row.status);
    EXPECT_EQ(reply.message(), row.message);
  }
  EXPECT_EQ(api.send("DELETE", api.one("a")).message(), "upstreams.gloo.solo.io \"a\" is forbidden: because of this");
}

TEST(ApiServer, names_the_read_only_folder_that_keeps_a_collection) {
  const TestFolder folder;
  folder.write("a.yaml", upstream("a", 1, R"(,"namespace":"ns")"));
  ObjectStore store{kNow};
  auto config = ConfigFolder::open(store, {folder.path()}, {});
  ASSERT_TRUE(config) << config.error().message;
  (*config)->reload(kNow);
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0555));
  std::string body;
  {
    const BoundByModes like_others;
    ApiServer server(store, **config, {});
    const std::pair<std::string_view, std::string_view> headers[] = {{"host", "127.0.0.1:19001"}};
    auto answer = server.handle({.method = "DELETE", .target = kUpstreams, .headers = headers, .now = kNow});
    EXPECT_EQ(answer.response.status, 403);
    body = std::move(answer.response.body);
  }
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0755));
  const auto parsed = parse_json(body);
  ASSERT_TRUE(parsed) << body;
  const std::string message(parsed->text_at({"message"}));
  EXPECT_TRUE(message.starts_with("upstreams.gloo.solo.io is forbidden: cannot ")) << message;
  EXPECT_TRUE(message.contains(folder.path())) << message;
  EXPECT_EQ(store.size(), 1U);
}

TEST(ApiServer, changes_nothing_in_a_dry_run) {
  Api api;
  api.add("a", 1);
  const int writes = api.database.writes;
  const auto created = api.send("POST", std::string(kUpstreams) + "?dryRun=All", upstream("b", 1));
  EXPECT_EQ(created.status, 201);
  EXPECT_NE(created.text({"metadata", "uid"}), "");
  const auto patched =
      api.patch(api.one("a") + "?dryRun=All", R"({"spec":{"static":{"hosts":[{"addr":"x","port":2}]}}})");
  EXPECT_EQ(*patched.at({"metadata", "generation"})->integer(), 2);
  EXPECT_EQ(api.send("POST", std::string(kUpstreams) + "?dryRun=All", upstream("c", 70000)).status, 422);
  EXPECT_EQ(api.database.writes, writes);
  EXPECT_EQ(*api.get(api.one("a")).at({"metadata", "generation"})->integer(), 1);
}

TEST(ApiServer, lists_with_selectors_and_by_pages) {
  Api api;
  for (const auto name : {"e", "b", "a", "d", "c"}) api.add(name, 1, name[0] < 'c' ? R"(,"labels":{"x":"1"})" : "");
  const std::string list(kUpstreams);
  EXPECT_EQ(api.get(list).names(), "a b c d e");
  EXPECT_EQ(api.get(list).text({"kind"}), "UpstreamList");
  EXPECT_EQ(api.get("/apis/gloo.solo.io/v1/upstreams").names(), "a b c d e");
  EXPECT_EQ(api.get("/apis/gloo.solo.io/v1/namespaces/other/upstreams").names(), "");
  EXPECT_EQ(api.get(list + "?labelSelector=x").names(), "a b");
  EXPECT_EQ(api.get(list + "?labelSelector=x%20notin%20(1)").names(), "c d e");
  EXPECT_EQ(api.get(list + "?fieldSelector=metadata.name%3Db").names(), "b");
  EXPECT_EQ(api.get(list + "?fieldSelector=spec.x%3Db").status, 400);
  EXPECT_EQ(api.get(list + "?labelSelector=((").status, 400);

  auto page = api.get(list + "?limit=2");
  EXPECT_EQ(page.names(), "a b");
  EXPECT_EQ(*page.at({"metadata", "remainingItemCount"})->integer(), 3);
  const std::string version(page.text({"metadata", "resourceVersion"}));
  EXPECT_EQ(api.send("DELETE", api.one("b")).status, 200);  // the place does not depend on the object being there
  page = api.get(list + "?limit=2&continue=" + std::string(page.text({"metadata", "continue"})));
  EXPECT_EQ(page.names(), "c d");
  EXPECT_EQ(page.text({"metadata", "resourceVersion"}),
            version);  // of the first page: a watch from there misses nothing
  page = api.get(list + "?limit=2&continue=" + std::string(page.text({"metadata", "continue"})));
  EXPECT_EQ(page.names(), "e");
  EXPECT_EQ(page.text({"metadata", "continue"}), "");
  for (const auto bad : {"?limit=x", "?limit=-1", "?continue=%21", "?continue=e30", "?continue=W10"})
    EXPECT_EQ(api.get(list + bad).status, 400) << bad;
}

TEST(ApiServer, holds_to_resource_versions_of_lists) {
  Api api;
  api.add("a");
  const std::string list(kUpstreams);
  const uint64_t now = api.store.version();
  EXPECT_EQ(api.get(list + "?resourceVersion=0").status, 200);
  EXPECT_EQ(api.get(fmt::format("{}?resourceVersion={}", list, now - 1)).status, 200);
  EXPECT_EQ(api.get(fmt::format("{}?resourceVersion={}", list, now + 1)).status, 504);
  EXPECT_EQ(api.get(fmt::format("{}?resourceVersion={}&resourceVersionMatch=Exact", list, now)).status, 200);
  EXPECT_EQ(api.get(fmt::format("{}?resourceVersion={}&resourceVersionMatch=Exact", list, now - 1)).status, 410);
  for (const auto bad :
       {"?resourceVersion=x", "?resourceVersionMatch=Exact", "?resourceVersion=1&resourceVersionMatch=Odd",
        "?resourceVersion=0&resourceVersionMatch=Exact"})
    EXPECT_EQ(api.get(list + bad).status, 400) << bad;
}

TEST(ApiServer, makes_tables) {
  Api api;
  api.add("a");
  api.store.set_status(
      {"Upstream", "ns", "a"},
      parse_json(
          R"({"statuses":{"x":{"state":"Accepted"},"y":{"state":"Rejected","reason":"1 error occurred:\n\t* bad\n\n"}}})")
          .value());
  api.now = kNow + 200s;
  const std::string table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
  auto reply = api.get(kUpstreams, table);
  EXPECT_EQ(reply.text({"kind"}), "Table");
  std::string columns;
  for (const Node& column : *reply.body.find("columnDefinitions")->list())
    columns += std::string(column.text_at({"name"})) + " ";
  EXPECT_EQ(columns, "Name Status Age Reason ");
  const Node& row = reply.body.find("rows")->list()->front();
  EXPECT_EQ(to_json(*row.find("cells")), R"(["a","Rejected","3m20s","1 error occurred: * bad"])");
  EXPECT_EQ(row.text_at({"object", "kind"}), "PartialObjectMetadata");
  EXPECT_EQ(api.get(std::string(kUpstreams) + "?includeObject=Object", table)
                .body.find("rows")
                ->list()
                ->front()
                .text_at({"object", "kind"}),
            "Upstream");
  EXPECT_EQ(
      api.get(std::string(kUpstreams) + "?includeObject=None", table).body.find("rows")->list()->front().find("object"),
      nullptr);
  EXPECT_EQ(api.get(std::string(kUpstreams) + "?includeObject=Odd", table).status, 400);
  EXPECT_EQ(api.get(api.one("a"), table).text({"kind"}), "Table");
  EXPECT_EQ(api.get(kUpstreams, "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io").text({"kind"}),
            "PartialObjectMetadataList");
  EXPECT_EQ(api.get(kUpstreams, "application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json").text({"kind"}),
            "UpstreamList");
  EXPECT_EQ(api.get(kUpstreams, "application/vnd.kubernetes.protobuf").status, 406);
  EXPECT_EQ(api.get(kUpstreams, "text/html").status, 406);
}

TEST(ApiServer, lists_namespaces_and_no_events) {
  Api api;
  api.add("a");
  EXPECT_EQ(api.get("/api/v1/namespaces").names(), "default gloo-system ns");
  EXPECT_EQ(api.get("/api/v1/namespaces/ns").text({"status", "phase"}), "Active");
  EXPECT_EQ(api.get("/api/v1/namespaces/other").status, 404);
  EXPECT_EQ(api.send("DELETE", "/api/v1/namespaces/ns").status, 405);
  EXPECT_EQ(api.get("/api/v1/namespaces/ns/events?fieldSelector=involvedObject.name%3Da").names(), "");
}

TEST(HumanDuration, reads_as_kubectl_prints_it) {
  const struct {
    int64_t seconds;
    std::string_view text;
  } kRows[] = {{-5, "<invalid>"}, {-1, "0s"},          {0, "0s"},         {119, "119s"},    {120, "2m"},
               {200, "3m20s"},    {600, "10m"},        {10799, "179m"},   {10800, "3h"},    {12000, "3h20m"},
               {28800, "8h"},     {172799, "47h"},     {172800, "2d"},    {180000, "2d2h"}, {691200, "8d"},
               {63072000, "2y"},  {64000000, "2y10d"}, {400000000, "12y"}};
  for (const auto& row : kRows) EXPECT_EQ(human_duration(Seconds(row.seconds)), row.text) << row.seconds;
}

// ---- Watches ----

TEST(Watch, sends_what_is_there_and_what_changes) {
  Api api;
  api.add("a", 1);
  auto reply = api.get(std::string(kUpstreams) + "?watch=true");
  ASSERT_TRUE(reply.watch);
  int calls = 0;
  reply.watch->on_ready([&calls] { ++calls; });
  const std::string first = api.events(*reply.watch);
  EXPECT_TRUE(first.starts_with(
      R"({"type":"ADDED","object":{"apiVersion":"gloo.solo.io/v1","kind":"Upstream","metadata":{"name":"a")"))
      << first;
  EXPECT_EQ(api.events(*reply.watch), "");
  api.patch(api.one("a"), R"({"metadata":{"labels":{"x":"1"}}})");
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(api.events(*reply.watch).starts_with(R"({"type":"MODIFIED")"));
  api.send("POST", "/apis/gloo.solo.io/v1/namespaces/other/upstreams", upstream("elsewhere", 1));
  EXPECT_EQ(api.events(*reply.watch), "");
  api.send("DELETE", api.one("a"));
  const std::string last = api.events(*reply.watch);
  EXPECT_TRUE(last.starts_with(R"({"type":"DELETED")"));
  EXPECT_TRUE(last.contains(fmt::format(R"("resourceVersion":"{}")", api.store.version())));
}

TEST(Watch, goes_on_from_a_version) {
  Api api;
  api.add("a");
  const uint64_t version = api.store.version();
  api.add("b");
  auto reply = api.get(fmt::format("{}?watch=1&resourceVersion={}", kUpstreams, version));
  ASSERT_TRUE(reply.watch);
  const std::string events = api.events(*reply.watch);
  EXPECT_TRUE(events.contains(R"("name":"b")"));
  EXPECT_FALSE(events.contains(R"("name":"a")"));
}

// Not as the status of the answer: client-go's RetryWatcher would ask again and again.
TEST(Watch, from_a_version_that_is_not_kept_says_410_in_an_event) {
  Api api;
  api.add("a");
  for (const uint64_t version : {uint64_t{1}, api.store.version() + 1}) {
    auto reply = api.get(fmt::format("{}?watch=1&resourceVersion={}", kUpstreams, version));
    EXPECT_EQ(reply.status, 200);
    ASSERT_TRUE(reply.watch);
    std::string out;
    EXPECT_EQ(reply.watch->pull(out, 1 << 20, kNow, {}), WatchStream::State::ended);
    EXPECT_TRUE(out.starts_with(R"({"type":"ERROR","object":{"kind":"Status")")) << out;
    EXPECT_TRUE(out.contains(R"("reason":"Expired")") && out.contains(R"("code":410)")) << out;
  }
}

// The first list is read from the store when its turn comes, so that a reader that stands still keeps nothing alive; it
// and the changes after it still say everything once.
TEST(Watch, that_is_read_slowly_tells_each_state_once) {
  Api api;
  for (const auto name : {"a", "b", "c", "d"}) api.add(name);
  auto reply = api.get(std::string(kUpstreams) + "?watch=1");
  std::vector<std::string> seen;
  const auto pull = [&] {
    std::string out;
    reply.watch->pull(out, 1, kNow, {});
    const auto event = parse_json(out);
    if (!event || !event->map()) return;
    const Node& object = *event->find("object");
    const Node& host = (*object.find({"spec", "static", "hosts"})->list())[0];
    seen.push_back(fmt::format("{} {} {}", event->text_at({"type"}), object.text_at({"metadata", "name"}),
                               *host.find("port")->integer()));
  };
  const auto set_port = [&](std::string_view name, int port) {
    EXPECT_EQ(api.send("PUT", api.one(name), upstream(name, port)).status, 200);
  };
  pull();
  pull();  // a and b
  set_port("a", 2);
  set_port("c", 2);
  api.send("DELETE", api.one("b"));
  api.send("DELETE", api.one("d"));
  api.add("bb", 3);
  api.add("e", 3);
  for (int i = 0; i < 10; ++i) pull();
  EXPECT_EQ(seen, (std::vector<std::string>{"ADDED a 1", "ADDED b 1", "MODIFIED a 2", "DELETED b 1", "ADDED bb 3",
                                            "ADDED c 2", "ADDED e 3"}));
}

TEST(Watch, that_nobody_reads_keeps_no_object) {
  Api api;
  api.add("a");
  const std::weak_ptr<const StoredObject> first = api.store.find({"Upstream", "ns", "a"})->view().object();
  auto reply = api.get(std::string(kUpstreams) + "?watch=1");
  for (size_t i = 0; i < ObjectStore::kHistoryMax + 2; ++i)
    api.store.set_status({"Upstream", "ns", "a"}, Node(static_cast<int>(i)));
  EXPECT_TRUE(first.expired());
}

TEST(Watch, treats_a_change_of_labels_as_coming_and_going) {
  Api api;
  api.add("a");
  auto reply = api.get(fmt::format("{}?watch=1&labelSelector=x&resourceVersion={}", kUpstreams, api.store.version()));
  api.patch(api.one("a"), R"({"metadata":{"labels":{"x":"1"}}})");
  EXPECT_TRUE(api.events(*reply.watch).starts_with(R"({"type":"ADDED")"));
  api.patch(api.one("a"), R"({"metadata":{"labels":{"y":"1"}}})");
  EXPECT_TRUE(api.events(*reply.watch).starts_with(R"({"type":"MODIFIED")"));
  api.patch(api.one("a"), R"({"metadata":{"labels":{"x":null}}})");
  EXPECT_TRUE(api.events(*reply.watch).starts_with(R"({"type":"DELETED")"));
  api.send("DELETE", api.one("a"));
  EXPECT_EQ(api.events(*reply.watch), "");
}

TEST(Watch, ends_with_410_when_the_reader_was_too_slow) {
  Api api;
  api.add("a");
  auto reply = api.get(fmt::format("{}?watch=1&resourceVersion={}", kUpstreams, api.store.version()));
  for (size_t i = 0; i < ObjectStore::kHistoryMax + 1; ++i)
    api.store.set_status({"Upstream", "ns", "a"}, Node(static_cast<int>(i)));
  std::string out;
  EXPECT_EQ(reply.watch->pull(out, 1 << 20, kNow, {}), WatchStream::State::ended);
  EXPECT_TRUE(out.starts_with(R"({"type":"ERROR","object":{"kind":"Status")")) << out;
  EXPECT_TRUE(out.contains(R"("code":410)"));
}

TEST(Watch, gives_no_more_than_was_asked_for_at_once) {
  Api api;
  for (int i = 0; i < 20; ++i) api.add(fmt::format("u{}", i));
  auto reply = api.get(std::string(kUpstreams) + "?watch=1");
  int pulls = 0;
  for (std::string out; reply.watch->pull(out, 1, kNow, {}) == WatchStream::State::open && !out.empty(); out.clear()) {
    EXPECT_EQ(std::ranges::count(out, '\n'), 1);
    ++pulls;
  }
  EXPECT_EQ(pulls, 20);
}

TEST(Watch, sends_bookmarks_and_ends_in_time) {
  Api api;
  api.add("a");
  auto reply = api.get(fmt::format("{}?watch=1&allowWatchBookmarks=true&timeoutSeconds=90&resourceVersion={}",
                                   kUpstreams, api.store.version()));
  EXPECT_EQ(api.events(*reply.watch), "");
  EXPECT_EQ(reply.watch->wake_at(), SteadyTime{} + WatchStream::kBookmarkInterval);
  api.steady += 60s;
  EXPECT_TRUE(api.events(*reply.watch).starts_with(R"({"type":"BOOKMARK","object":{"kind":"Upstream")"));
  api.steady += 29s;
  std::string out;
  EXPECT_EQ(reply.watch->pull(out, 100, kNow, api.steady), WatchStream::State::open);
  EXPECT_EQ(out, "");
  api.steady += 1s;
  EXPECT_EQ(reply.watch->pull(out, 100, kNow, api.steady), WatchStream::State::ended);
}

TEST(Watch, begins_with_a_list_when_asked_to_and_marks_its_end) {
  Api api;
  api.add("a");
  const std::string watch = std::string(kUpstreams) + "?watch=1";
  auto reply = api.get(watch + "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true");
  ASSERT_TRUE(reply.watch) << reply.response.body;
  const std::string events = api.events(*reply.watch);
  EXPECT_TRUE(events.starts_with(R"({"type":"ADDED")"));
  EXPECT_TRUE(events.contains(R"({"type":"BOOKMARK")"));
  EXPECT_TRUE(events.contains(R"("k8s.io/initial-events-end":"true")"));
  for (const auto bad : {"&sendInitialEvents=true", "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan",
                         "&resourceVersionMatch=NotOlderThan"})
    EXPECT_EQ(api.get(watch + bad).status, 422) << bad;
  EXPECT_EQ(api.get(watch + "&sendInitialEvents=maybe").status, 400);
  EXPECT_EQ(api.get(std::string(kUpstreams) + "?watch=perhaps").status, 400);
}

TEST(Watch, names_the_columns_of_a_table_once) {
  Api api;
  api.add("a");
  api.add("b");
  auto reply = api.get(std::string(kUpstreams) + "?watch=1", "application/json;as=Table;v=v1;g=meta.k8s.io");
  const std::string events = api.events(*reply.watch);
  EXPECT_EQ(std::ranges::count(events, '\n'), 2);
  const auto second = events.substr(events.find('\n') + 1);
  EXPECT_TRUE(events.contains(R"("columnDefinitions":[{)"));
  EXPECT_TRUE(second.contains(R"("columnDefinitions":[])"));
}

TEST(Watch, is_limited_in_number) {
  Api api({.watches_max = 2});
  auto one = api.get(std::string(kUpstreams) + "?watch=1");
  auto two = api.get("/api/v1/namespaces?watch=1");
  EXPECT_EQ(api.server.watches(), 2u);
  EXPECT_EQ(api.get(std::string(kUpstreams) + "?watch=1").status, 429);
  one.watch.reset();
  EXPECT_EQ(api.server.watches(), 1u);
  EXPECT_TRUE(api.get(std::string(kUpstreams) + "?watch=1").watch);
}

}  // namespace
}  // namespace sluice
