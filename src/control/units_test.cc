// What is compiled at a change, and that it makes no difference to compile all of it anew.
#include <random>

#include "control/translate_testing.h"
#include "pipeline/rerouting.h"

namespace sluice {
namespace {

std::string gateway(std::string_view name, int port, std::string_view http) {
  return object("Gateway", name,
                fmt::format("{{bindAddress: 127.0.0.1, bindPort: {}, httpGateway: {{{}}}}}", port, http));
}
constexpr std::string_view kDynamic = "options: {dynamicForwardProxy: {}}";

std::string service(std::string_view name, std::string_view domain, std::string_view routes,
                    std::string_view options = "") {
  return object(
      "VirtualService", name,
      fmt::format("{{virtualHost: {{domains: [{}], options: {{{}}}, routes: [{}]}}}}", domain, options, routes),
      fmt::format(", labels: {{of: {}}}", name));
}
constexpr std::string_view kAnswer = "{matchers: [{prefix: /}], directResponseAction: {status: 200, body: ok}}";
constexpr std::string_view kForward = "{matchers: [{prefix: /}], routeAction: {dynamicForwardProxy: {}}}";
std::string to(std::string_view upstream) {
  return fmt::format("{{matchers: [{{prefix: /}}], routeAction: {{single: {{upstream: {{name: {}}}}}}}}}", upstream);
}
std::string upstream(std::string_view name, int port) {
  return object("Upstream", name, fmt::format("{{static: {{hosts: [{{addr: 127.0.0.1, port: {}}}]}}}}", port));
}
std::string policy(std::string_view name, std::string_view kind, std::string_view target, std::string_view addresses) {
  return object(
      "EgressPolicy", name,
      fmt::format("{{targetRefs: [{{group: gateway.solo.io, kind: {}, name: {}}}], rules: [{{name: r, action: "
                  "allow, match: {{addresses: [{}]}}}}]}}",
                  kind, target, addresses));
}

// Objects by name, each read once as a folder would give it.
class Objects {
 public:
  explicit Objects(std::span<const OptionField> fields) : fields_(fields) {}
  void put(const std::string& text) {
    const auto read = load(text);
    objects_[read->key] = read;
  }
  void erase(std::string_view kind, std::string_view name) {
    objects_.erase({std::string(kind), "gloo-system", std::string(name)});
  }
  std::vector<ConfigObjectPtr> all() const {
    std::vector<ConfigObjectPtr> out;
    for (const auto& [key, object] : objects_) out.push_back(object);
    return out;
  }

 private:
  ConfigObjectPtr load(const std::string& text) {
    const ConfigFile file{.path = "test.yaml", .bytes = text};
    LoadedConfig loaded = load_config(std::span(&file, 1), fields_);
    if (loaded.diagnostics.errors() > 0) ADD_FAILURE() << loaded.diagnostics.to_string() << text;
    CHECK(loaded.objects.size() == 1);
    return loaded.objects.front();
  }
  std::span<const OptionField> fields_;
  std::map<ObjectKey, ConfigObjectPtr> objects_;
};

// A translator and what it needs.
class Side final : private WithTranslator {
 public:
  explicit Side(bool forgetful = false) : forgetful_(forgetful) {}

  // How many VirtualServices were compiled.
  int64_t translate(const std::vector<ConfigObjectPtr>& objects) {
    if (forgetful_) translator_.forget_units();
    const int64_t before = compiled();
    now_ = translator_.translate(objects);
    return compiled() - before;
  }
  int64_t compiled() const {
    for (const Metrics::Family& family : metrics_.collect())
      if (family.name == "sluice_objects_compiled_total") return family.samples.front().value;
    return 0;
  }
  size_t inputs() const { return translator_.inputs(); }
  Translator& translator() { return translator_; }
  const RouteTable& table(size_t listener = 0) const {
    return now_.snapshot->listeners.at(listener)->http.front().router->table();
  }

  // All that is served, and what requests to every host do, in words.
  std::string everything() {
    std::string out;
    for (const auto& listener : now_.snapshot->listeners) {
      out += fmt::format("listener {} {}\n", listener->gateway, listener->address.to_string());
      for (const VirtualHostEntry& host : listener->http.front().router->table().hosts()) {
        out += fmt::format("  {} [{}]\n", host.name, join(host.domains, " "));
        for (const auto& route : host.routes) {
          out += fmt::format("    {} {} {}", route->generated_name, route->matcher.path(), route->refused);
          for (const StagedFilter& filter : route->chain.filters) out += fmt::format(" {}", stage_name(filter.stage));
          out += "\n";
        }
        for (const std::string& domain : host.domains)
          for (const std::string_view authority :
               {std::string_view("127.0.0.1"), std::string_view("127.0.0.1:8002"), std::string_view("8.8.8.8")})
            out += "    " + outcome(*listener->http.front().router, domain, authority) + "\n";
      }
    }
    for (const auto& [upstream, cluster] : *now_.snapshot->static_clusters)
      out += fmt::format("upstream {} {}\n", upstream.to_string(), cluster->hosts.front().port);
    for (const std::string& line : now_.snapshot->closed) out += "closed " + line + "\n";
    for (const auto& [cluster, why] : now_.snapshot->closed_clusters)
      out += fmt::format("closed {}: {}\n", cluster, join(why, ", "));
    std::map<std::string, std::string> places;
    for (const auto& [place, standing] : now_.snapshot->egress->places)
      places[place] = standing.guard ? allowed_by(*standing.guard) : standing.refusal.text;
    for (const auto& [place, what] : places) out += fmt::format("place {}: {}\n", place, what);
    for (const auto& [key, report] : *now_.reports) out += fmt::format("{}: {}\n", key.to_string(), report.reason());
    return out;
  }

  const Translation& now() const { return now_; }

 private:
  static std::string allowed_by(const AddressGuard& guard) {
    std::string out;
    for (const char* address : {"127.0.0.1", "10.1.2.3", "8.8.8.8"})
      out += guard.rules.decide(*IpAddress::parse(address), 80).allowed ? "+" : "-";
    return out;
  }
  std::string outcome(const Router& router, std::string_view host, std::string_view destination) {
    Arena arena;
    StreamInfo info;
    Request request(arena, loop_, info);
    TaskGroup background;
    Explanation explanation;
    request.background = &background;
    request.method = "GET";
    request.path = "/";
    request.authority = host;
    request.set_header("x-to", destination);
    bool done = false;
    struct Sent {
      bool* done;
      uint16_t status = 0;
    } sent{&done};
    Runner runner(&sent, [](void*, Result<void>) {});
    runner.start(send(router, request, explanation, sent.status));
    runner.cancel();
    return fmt::format("{} {} {} {}", sent.status, info.details, explanation.cluster, explanation.verdict);
  }
  static Task<void> send(const Router& router, Request& request, Explanation& told, uint16_t& status) {
    auto handled = router.explain(request, told);
    Result<Response> answer = co_await handled;
    status = answer ? answer->status : 0;
    co_return {};
  }

  const bool forgetful_;
  Translation now_;
};

class Units : public testing::Test {
 protected:
  const std::vector<OptionField> fields_ = option_fields_of(all_filters());
  Objects objects_{fields_};
  Side side_;
  int64_t translate() { return side_.translate(objects_.all()); }
};

TEST_F(Units, compile_what_depends_on_a_change_and_nothing_else) {
  objects_.put(gateway("g", 8001, kDynamic));
  objects_.put(object("Secret", "s", "stringData: {x-key: hush}"));
  objects_.put(upstream("u", 1));
  objects_.put(upstream("other", 1));
  objects_.put(service("a", "a.test", kAnswer));
  objects_.put(service("b", "b.test", to("u")));
  objects_.put(service("c", "c.test", kForward));
  objects_.put(service("d", "d.test", to("missing")));
  objects_.put(
      service("e", "e.test", kAnswer,
              "headerManipulation: {requestHeadersToAdd: [{headerSecretRef: {name: s, namespace: gloo-system}}]}"));
  EXPECT_EQ(translate(), 5);
  EXPECT_EQ(translate(), 0);
  const struct {
    std::string what;
    std::string text;
    int64_t compiled;
  } kRows[] = {
      {"itself", service("a", "a.test", kForward), 1},
      {"the same again", service("a", "a.test", kForward), 0},
      {"its Upstream", upstream("u", 2), 1},
      {"an Upstream that nobody refers to", upstream("other", 2), 0},
      {"an Upstream that was not there", upstream("missing", 2), 1},
      {"its Secret", object("Secret", "s", "stringData: {x-key: hushed}"), 1},
      {"a policy for one of them", policy("p", "VirtualService", "c", "loopback"), 1},
      {"that policy", policy("p", "VirtualService", "c", "private"), 1},
      {"that policy for another one", policy("p", "VirtualService", "a", "private"), 2},
      {"a policy for all: those with dynamic destinations", policy("q", "Gateway", "g", "private"), 2},
      {"a policy for nothing there: all of its namespace that is dynamic", policy("r", "Gateway", "none", "private"),
       2},
      {"settings of another Gateway",
       object("ProxySettings", "x", "{targetRefs: [{group: gateway.solo.io, kind: Gateway, name: none}]}"), 0},
      {"settings of their Gateway",
       object("ProxySettings", "x",
              "{targetRefs: [{group: gateway.solo.io, kind: Gateway, name: g}], jwtCache: {entriesMax: 5}}"),
       5},
      {"a new one", service("f", "f.test", kAnswer), 1},
  };
  for (const auto& row : kRows) {
    objects_.put(row.text);
    EXPECT_EQ(translate(), row.compiled) << row.what;
  }
  objects_.erase("VirtualService", "f");
  EXPECT_EQ(translate(), 0);
  objects_.erase("EgressPolicy", "r");
  EXPECT_EQ(translate(), 2);
  side_.translator().set_open_ports({9999});
  EXPECT_EQ(translate(), 2) << "a port that no dynamic destination may be";
}

TEST_F(Units, share_what_did_not_change_with_the_snapshot_before) {
  objects_.put(gateway("g", 8001, kDynamic));
  objects_.put(upstream("u", 1));
  objects_.put(service("a", "a.test", kForward));
  objects_.put(service("b", "b.test", to("u")));
  translate();
  const auto before = side_.now().snapshot;
  const VirtualHostEntry* a = side_.table().find_host("a.test");
  const VirtualHostEntry* b = side_.table().find_host("b.test");
  objects_.put(service("b", "b.test", fmt::format("{}, {}", to("u"), kAnswer)));
  translate();
  EXPECT_EQ(side_.table().find_host("a.test"), a);
  EXPECT_NE(side_.table().find_host("b.test"), b);
  EXPECT_EQ(side_.now().snapshot->egress, before->egress) << "workers need not judge anything again";
  EXPECT_EQ(side_.now().snapshot->static_clusters, before->static_clusters);
  EXPECT_EQ(side_.now().changed, (std::vector<ObjectKey>{{"VirtualService", "gloo-system", "b"}}));
}

TEST_F(Units, that_fail_are_not_compiled_again_either_and_neither_is_what_serves_instead) {
  objects_.put(gateway("g", 8001, ""));
  objects_.put(service("a", "a.test", kAnswer));
  objects_.put(service("b", "b.test", kAnswer));
  translate();
  objects_.put(service("a", "a.test", kAnswer,
                       "headerManipulation: {responseHeadersToAdd: [{header: {key: x, value: '%NO%'}}]}"));
  EXPECT_EQ(translate(), 2) << "it, and its last good version";
  EXPECT_EQ(side_.now().reports->at({"VirtualService", "gloo-system", "a"}).state(), ObjectState::rejected);
  objects_.put(service("b", "b.test", kForward));
  EXPECT_EQ(translate(), 1);
  EXPECT_NE(side_.table().find_host("a.test"), nullptr);
  objects_.put(service("a", "a2.test", kAnswer));
  EXPECT_EQ(translate(), 1);
  EXPECT_EQ(side_.now().reports->at({"VirtualService", "gloo-system", "a"}).state(), ObjectState::accepted);
  EXPECT_EQ(side_.table().find_host("a.test"), nullptr);
}

TEST_F(Units, of_trials_are_of_one_object_and_counted_nowhere) {
  objects_.put(gateway("g", 8001, kDynamic));
  for (int i = 0; i < 20; ++i) objects_.put(service(fmt::format("s{}", i), fmt::format("s{}.test", i), kForward));
  translate();
  const std::string before = side_.everything();
  Objects tried(fields_);
  tried.put(service("s3", "s4.test", to("missing")));
  const ObjectReport report = side_.translator().try_out(tried.all().front());
  EXPECT_EQ(report.warnings.size(), 1U);
  EXPECT_EQ(report.clashes.size(), 2U) << "its domain is another's";
  EXPECT_EQ(side_.compiled(), 20);
  EXPECT_EQ(translate(), 0);
  EXPECT_EQ(side_.everything(), before);
}

TEST_F(Units, of_ten_thousand_objects_are_compiled_one_by_one) {
  constexpr int kServices = 10'000;
  objects_.put(gateway("g", 8001, kDynamic));
  const auto one = [&](int number, std::string_view routes) {
    objects_.put(service(fmt::format("s{}", number), fmt::format("s{}.test", number), routes));
  };
  for (int i = 0; i < kServices; ++i) one(i, i % 2 ? kForward : kAnswer);
  EXPECT_EQ(translate(), kServices);
  for (const int changed : {0, 17, 4711, kServices - 1}) {
    one(changed, fmt::format("{}, {}", kForward, kAnswer));
    EXPECT_EQ(translate(), 1) << changed;
    EXPECT_EQ(side_.now().changed.size(), 1U);
    EXPECT_EQ(side_.table().hosts().size(), size_t{kServices});
    EXPECT_EQ(side_.table().find_host(fmt::format("s{}.test", changed))->routes.size(), 2U);
  }
  const size_t inputs = side_.inputs();
  for (int i = 0; i < kServices; ++i) objects_.erase("VirtualService", fmt::format("s{}", i));
  translate();
  EXPECT_LT(side_.inputs(), inputs / 2) << "what nothing depends on any more is forgotten";
}

// Edits at random: whatever came before, what is put together from kept units is what would be made of all objects anew
// (by a translator that knows as well which versions were served last).
class Edits {
 public:
  explicit Edits(uint32_t seed) : random_(seed) {}

  void edit(Objects& objects) {
    switch (pick(12)) {
      case 0: return objects.put(upstream(name("u", 4), 1 + static_cast<int>(pick(3))));
      case 1: return objects.erase("Upstream", name("u", 4));
      case 2: return objects.put(object("Secret", name("s", 2), fmt::format("stringData: {{x-key: v{}}}", pick(3))));
      case 3: return objects.erase("Secret", name("s", 2));
      case 4:
        return objects.put(pick(2) ? policy(name("p", 3), "VirtualService", name("v", 6), addresses())
                                   : policy(name("p", 3), "Gateway", name("g", 3), addresses()));
      case 5: return objects.erase("EgressPolicy", name("p", 3));
      case 6: return objects.put(gateway(name("g", 2), 8001 + static_cast<int>(pick(3)), http()));
      case 7: return pick(3) ? void() : objects.erase("Gateway", name("g", 2));
      case 8: return objects.erase("VirtualService", name("v", 6));
      default: return objects.put(service(name("v", 6), domains(), routes(), options()));
    }
  }

 private:
  uint32_t pick(uint32_t below) { return static_cast<uint32_t>(random_() % below); }
  std::string name(std::string_view stem, uint32_t count) { return fmt::format("{}{}", stem, pick(count)); }
  std::string_view addresses() { return std::array<std::string_view, 3>{"loopback", "private", "10.0.0.0/8"}[pick(3)]; }
  std::string http() {
    const std::string select = pick(2) ? fmt::format("virtualServiceSelector: {{of: {}}}, ", name("v", 6)) : "";
    return select + (pick(3) ? std::string(kDynamic) : "");
  }
  std::string domains() {
    return fmt::format("d{}.test{}", pick(8), pick(3) ? "" : fmt::format(", d{}.test", pick(8)));
  }
  std::string routes() {
    const std::string ends[] = {std::string(kAnswer), std::string(kForward), to(name("u", 5)),
                                "{matchers: [{prefix: /x}], routeAction: {dynamicForwardProxy: {autoHostRewriteHeader: "
                                "x-to}}}, " +
                                    std::string(kForward),
                                "{matchers: [{prefix: /}], routeAction: {dynamicForwardProxy: {autoHostRewriteHeader: "
                                "x-to}}}"};
    return ends[pick(5)];
  }
  std::string options() {
    const std::string some[] = {
        "", "", "headerManipulation: {responseHeadersToAdd: [{header: {key: x, value: '%NO%'}}]}",
        fmt::format("headerManipulation: {{requestHeadersToAdd: [{{headerSecretRef: {{name: {}, namespace: "
                    "gloo-system}}}}]}}",
                    name("s", 2)),
        fmt::format("jwt: {{providers: {{p: {{jwks: {{remote: {{url: 'http://id.test/keys', upstreamRef: {{name: {}, "
                    "namespace: gloo-system}}}}}}}}}}}}",
                    name("u", 5))};
    return some[pick(5)];
  }

  std::mt19937 random_;
};

TEST(UnitsAfterAnyEdits, make_what_all_objects_make_anew) {
  const std::vector<OptionField> fields = option_fields_of(all_filters());
  int64_t compiled = 0, compiled_anew = 0;
  for (uint32_t seed = 1; seed <= 20; ++seed) {
    Edits edits(seed);
    Objects objects(fields);
    Side kept, anew(/*forgetful=*/true);
    for (int step = 0; step < 60; ++step) {
      edits.edit(objects);
      const std::vector<ConfigObjectPtr> all = objects.all();
      compiled += kept.translate(all);
      compiled_anew += anew.translate(all);
      ASSERT_EQ(kept.everything(), anew.everything()) << "seed " << seed << ", step " << step;
    }
  }
  EXPECT_LT(compiled, compiled_anew / 2);
}

// The reports that are told as changed are those that did.
TEST(UnitsAfterAnyEdits, tell_of_every_report_that_changed) {
  const std::vector<OptionField> fields = option_fields_of(all_filters());
  Edits edits(99);
  Objects objects(fields);
  Side side;
  ObjectReports told;
  for (int step = 0; step < 200; ++step) {
    edits.edit(objects);
    side.translate(objects.all());
    for (const ObjectKey& key : side.now().changed) {
      if (const auto now = side.now().reports->find(key); now != side.now().reports->end())
        told[key] = now->second;
      else
        told.erase(key);
    }
    ASSERT_EQ(told, *side.now().reports) << "step " << step;
  }
}

}  // namespace
}  // namespace sluice
