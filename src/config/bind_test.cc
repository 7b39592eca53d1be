#include "config/bind.h"

#include "config/documents.h"
#include "config/option_field.h"
#include "config/schema.h"

namespace sluice {
namespace {

enum class Action : uint8_t { allow = 0, deny = 7 };
constexpr EnumName kActions[] = {{"allow", 0}, {"deny", 7}};
std::span<const EnumName> enum_names(Action) {
  return kActions;
}

struct Inner {
  std::string name;
  std::vector<uint16_t> ports;
};
void bind(Fields& f, Inner& i) {
  f.required("name", i.name, "A name.");
  f.optional("ports", i.ports, "Ports.");
}

struct Outer {
  bool flag = false;
  int32_t number = 5;
  uint64_t big = 0;
  double ratio = 0;
  float small = 0;
  std::string text;
  std::string regex;
  Nanos timeout = 15s;
  std::optional<Nanos> idle;
  Action action = Action::deny;
  std::vector<Inner> list;
  std::map<std::string, Inner> map;
  std::vector<std::pair<std::string, std::string>> ordered;
  std::optional<Empty> empty;
  std::optional<ObjectRef> ref;
  Node free;
  std::string one, two;
  std::vector<std::string> names{"default"};
};
void bind(Fields& f, Outer& o) {
  f.optional("flag", o.flag, "A flag.");
  f.optional("number", o.number, "A number.");
  f.optional("bigNumber", o.big, "A big one.");
  f.optional("ratio", o.ratio, "A ratio.");
  f.optional("small", o.small, "A float.");
  f.optional("text", o.text, "A | text.");
  f.optional("regex", o.regex, "A regex.");
  f.optional("requestTimeout", o.timeout, "A duration.");
  f.optional("idle", o.idle, "Another.");
  f.optional("action", o.action, "An action.");
  f.optional("list", o.list, "A list.");
  f.optional("map", o.map, "A map.");
  f.optional("ordered", o.ordered, "An ordered map.");
  f.optional("empty", o.empty, "Presence.");
  f.optional("ref", o.ref, "A reference.");
  f.optional("free", o.free, "Anything.");
  f.optional("one", o.one, "One.");
  f.optional("two", o.two, "Two.");
  f.optional("names", o.names, "Names.");
  f.unsupported("later", "Comes later.");
  f.ignored("status", "Ignored.");
  f.one_of({"one", "two"});
  f.in_range("number", o.number, 1, 10);
  f.positive("requestTimeout", o.timeout);
  f.not_negative("idle", o.idle);
  f.regex("regex", o.regex);
}

struct Outcome {
  Outer value;
  std::vector<std::string> errors;
};

Outcome read_outer(std::string_view yaml, bool redact = false) {
  Outcome out;
  const auto documents = parse_documents(yaml);
  if (!documents) {
    out.errors.push_back("syntax: " + documents.error().message);
    return out;
  }
  Diagnostics diagnostics;
  ReadContext context{.file = {}, .object = {}, .diagnostics = &diagnostics, .option_fields = {}, .redact = redact};
  out.value = read<Outer>(documents->empty() ? Node::make_map() : documents->front().node, context, "spec");
  for (const Diagnostic& diagnostic : diagnostics.all()) out.errors.push_back(diagnostic.to_string());
  return out;
}

TEST(Bind, reads_every_type_of_field) {
  const Outcome out = read_outer(R"(
flag: true
number: 7
bigNumber: "18446744073709551615"
ratio: 1
small: 0.5
text: x
requestTimeout: 1m30s
idle: 0s
action: allow
list: [{name: a, ports: [80, 443]}]
map: {k: {name: b}}
ordered: {z: "1", a: "2"}
empty: {}
ref: {name: m, namespace: s}
free: [1, {a: b}]
names: [x, z]
status: {whatever: 1}
)");
  EXPECT_EQ(out.errors, std::vector<std::string>());
  const Outer& o = out.value;
  EXPECT_TRUE(o.flag);
  EXPECT_EQ(o.number, 7);
  EXPECT_EQ(o.big, UINT64_MAX);
  EXPECT_EQ(o.ratio, 1.0);
  EXPECT_EQ(o.small, 0.5f);
  EXPECT_EQ(o.timeout, 90s);
  EXPECT_EQ(o.idle, Nanos(0));
  EXPECT_EQ(o.action, Action::allow);
  ASSERT_EQ(o.list.size(), 1u);
  EXPECT_EQ(o.list[0].ports, (std::vector<uint16_t>{80, 443}));
  EXPECT_EQ(o.map.at("k").name, "b");
  EXPECT_EQ(o.ordered[0].first, "z");
  EXPECT_TRUE(o.empty);
  EXPECT_EQ(o.ref->ns, "s");
  EXPECT_EQ(to_json(o.free), R"([1,{"a":"b"}])");
  EXPECT_EQ(o.names, (std::vector<std::string>{"x", "z"}));
}

TEST(Bind, takes_snake_case_enum_numbers_and_null_as_not_set) {
  const Outcome out =
      read_outer("request_timeout: 2s\nbig_number: 3\naction: 7\ntext: null\nidle: ~\nempty:\nlater: null\nnames: []");
  EXPECT_EQ(out.errors, std::vector<std::string>());
  EXPECT_EQ(out.value.timeout, 2s);
  EXPECT_EQ(out.value.big, 3u);
  EXPECT_EQ(out.value.action, Action::deny);
  EXPECT_FALSE(out.value.idle);
  EXPECT_FALSE(out.value.empty);
  EXPECT_TRUE(out.value.names.empty());
}

TEST(Bind, keeps_defaults_of_what_is_absent) {
  const Outer o = read_outer("{}").value;
  EXPECT_EQ(o.number, 5);
  EXPECT_EQ(o.timeout, 15s);
  EXPECT_EQ(o.names, std::vector<std::string>{"default"});
}

TEST(Bind, says_what_is_wrong_and_where) {
  const struct {
    const char* yaml;
    const char* error;
  } rows[] = {
      {"flag: 1", "line 1: spec.flag: expected true or false, got 1"},
      {"flag: 'true'", "line 1: spec.flag: expected true or false, got \"true\""},
      {"number: x", "line 1: spec.number: expected a whole number, got \"x\""},
      {"number: 1.5", "line 1: spec.number: expected a whole number, got 1.5"},
      {"number: 11", "line 1: spec.number: must be from 1 to 10, not 11"},
      {"number: 3000000000",
       "line 1: spec.number: expected a whole number from -2147483648 to 2147483647, got 3000000000"},
      {"number: []", "line 1: spec.number: expected a whole number, got a list"},
      {"bigNumber: -1", "line 1: spec.bigNumber: expected a whole number from 0 to 18446744073709551615, got -1"},
      {"bigNumber: '-'", "line 1: spec.bigNumber: expected a whole number, got \"-\""},
      {"ratio: '1'", "line 1: spec.ratio: expected a number, got \"1\""},
      {"text: 80", "line 1: spec.text: expected text, got 80; put it in quotes"},
      {"text: true", "line 1: spec.text: expected text, got true; put it in quotes"},
      {"text: {a: 1}", "line 1: spec.text: expected text, got a map"},
      {"requestTimeout: 5 secs",
       "line 1: spec.requestTimeout: expected a duration such as \"250ms\" or \"5s\", got \"5 secs\""},
      {"requestTimeout: 5", "line 1: spec.requestTimeout: expected a duration such as \"250ms\" or \"5s\", got 5"},
      {"requestTimeout: 0s", "line 1: spec.requestTimeout: must be more than 0, not 0s"},
      {"requestTimeout: 100000000000h",
       "line 1: spec.requestTimeout: expected a duration such as \"250ms\" or \"5s\", got \"100000000000h\""},
      {"idle: -1s", "line 1: spec.idle: must not be negative, not -1s"},
      {"action: Deny", "line 1: spec.action: expected one of allow, deny, got \"Deny\"; did you mean \"deny\"?"},
      {"action: 3", "line 1: spec.action: expected one of allow, deny, got 3"},
      {"action: true", "line 1: spec.action: expected one of allow, deny, got true"},
      {"list: {}", "line 1: spec.list: expected a list, got a map"},
      {"list:\n- ports: [1]", "line 2: spec.list[0].name: is required"},
      {"list:\n- name: a\n  ports: [1, 70000]",
       "line 3: spec.list[0].ports[1]: expected a whole number from 0 to 65535, got 70000"},
      {"list: [~]", "line 1: spec.list[0]: expected a value, got null"},
      {"map: []", "line 1: spec.map: expected a map, got a list"},
      {"map:\n  a.b: {}", "line 2: spec.map[\"a.b\"].name: is required"},
      {"map: {k: }", "line 1: spec.map.k: expected a value, got null"},
      {"empty: {x: 1}", "line 1: spec.empty.x: unknown field"},
      {"empty: true", "line 1: spec.empty: expected a map, got true"},
      {"ref: {}", "line 1: spec.ref.name: is required"},
      {"ref: {nam: x}", "line 1: spec.ref.nam: unknown field; did you mean \"name\"?"},
      {"one: a\ntwo: b", "line 2: spec.two: only one of one, two may be set"},
      {"later: 1", "line 1: spec.later: not supported yet"},
      {"numbre: 1", "line 1: spec.numbre: unknown field; did you mean \"number\"?"},
      {"big_numbr: 1", "line 1: spec.big_numbr: unknown field; did you mean \"bigNumber\"?"},
      {"zzzzzz: 1", "line 1: spec.zzzzzz: unknown field"},
      {"big_number: 1\nbigNumber: 2", "line 2: spec.bigNumber: the same field as \"big_number\""},
      {"regex: '('", "line 1: spec.regex: \"(\" is no regular expression (RE2 syntax): missing ): ("},
      {"regex: '(?=x)'",
       "line 1: spec.regex: \"(?=x)\" is no regular expression (RE2 syntax): invalid perl operator: (?="},
      {"regex: 'x{1000}x{100}'", "line 1: spec.regex: the regular expression \"x{1000}x{100}\" compiles to"},
      {"[1]", "line 1: spec: expected a map, got a list"},
      {"text", "line 1: spec: expected a map, got \"text\""},
  };
  for (const auto& row : rows) {
    const Outcome out = read_outer(row.yaml);
    ASSERT_FALSE(out.errors.empty()) << row.yaml;
    EXPECT_TRUE(out.errors.front().starts_with(row.error)) << row.yaml << "\n  got " << out.errors.front();
  }
}

TEST(Bind, reports_all_errors_at_once) {
  EXPECT_EQ(read_outer("flag: 1\nnumber: 99\nlist: [{}, {name: 1}]\nfoo: 1\nlater: x").errors.size(), 6u);
}

TEST(Bind, bounds_the_errors_it_keeps) {
  std::string yaml;
  for (int i = 0; i < 5000; ++i) yaml += fmt::format("field{}: 1\n", i);
  EXPECT_EQ(read_outer(yaml).errors.size(), 1000u);
}

TEST(Bind, quotes_no_value_of_a_secret) {
  EXPECT_EQ(read_outer("text: 80", true).errors,
            std::vector<std::string>{"line 1: spec.text: expected text, got a whole number; put it in quotes"});
  EXPECT_EQ(read_outer("flag: hush", true).errors,
            std::vector<std::string>{"line 1: spec.flag: expected true or false, got text"});
}

struct WithOptions {
  OptionSet filters;
};
void bind(Fields& f, WithOptions& w) {
  f.options(w.filters, OptionLevel::route);
}

std::vector<OptionField> some_options() {
  return {option_field<Inner>("jwt", OptionLevel::route | OptionLevel::virtual_host, "Tokens."),
          option_field<std::string>("dlp", OptionLevel::listener, "Masks."),
          option_field<bool>("ownThing", OptionLevel::route, "Own.")};
}

TEST(Options, of_filters_are_read_into_the_set) {
  const std::vector<OptionField> fields = some_options();
  Diagnostics diagnostics;
  ReadContext context{.file = {}, .object = {}, .diagnostics = &diagnostics, .option_fields = fields};
  const auto documents = parse_documents("jwt: {name: x}\nown_thing: true\ndlp: x\ncors: {}\nfaults: ~\nrbca: {}\n");
  const auto read_back = read<WithOptions>(documents->front().node, context);
  ASSERT_NE(read_back.filters.get<Inner>("jwt"), nullptr);
  EXPECT_EQ(read_back.filters.get<Inner>("jwt")->name, "x");
  EXPECT_TRUE(*read_back.filters.get<bool>("ownThing"));
  EXPECT_EQ(read_back.filters.get<std::string>("dlp"), nullptr);
  EXPECT_EQ(diagnostics.to_string(),
            "line 4: cors: not supported yet\nline 3: dlp: not supported yet\n"
            "line 6: rbca: unknown field; did you mean \"rbac\"?\n");
}

TEST(Options, are_copied_with_their_struct_and_can_be_set_by_hand) {
  OptionSet set;
  set.set("jwt", Inner{.name = "a"});
  set.set("jwt", Inner{.name = "b"});
  const OptionSet copy = set;
  EXPECT_EQ(copy.entries().size(), 1u);
  EXPECT_EQ(copy.get<Inner>("jwt")->name, "b");
  EXPECT_TRUE(copy.has("jwt"));
  EXPECT_FALSE(copy.has("dlp"));
}

TEST(OptionsDeathTest, of_another_type_than_asked_for_are_a_bug) {
  OptionSet set;
  set.set("jwt", Inner{.name = "a"});
  EXPECT_DEATH((void)set.get<bool>("jwt"), "type == &type");
}

TEST(Schema, tells_names_types_defaults_and_docs) {
  const std::string page = to_markdown(describe<Outer>(), "spec");
  for (const char* line :
       {"| `spec.flag` | true or false | `false` | A flag. |", "| `spec.number` | whole number | `5` | A number. |",
        "| `spec.text` | text |  | A \\| text. |", "| `spec.requestTimeout` | duration | `15s` | A duration. |",
        "| `spec.action` | one of allow, deny | `deny` | An action. |", "| `spec.list` | list of object |  | A list. |",
        "| `spec.list[].name` | text | required | A name. |",
        "| `spec.map.*.ports` | list of whole number |  | Ports. |", "| `spec.empty` | `{}` |  | Presence. |",
        "Not supported yet, and refused: `spec.later`."})
    EXPECT_TRUE(page.contains(line)) << line << "\n" << page;
}

TEST(Schema, becomes_json_schema) {
  const Node schema = to_json_schema(describe<Outer>());
  EXPECT_EQ(schema.find("properties")->find("later"), nullptr);
  EXPECT_EQ(
      to_json(*schema.find({"properties", "list"})),
      R"({"type":"array","items":{"type":"object","properties":{"name":{"type":"string","description":"A name."},)"
      R"("ports":{"type":"array","items":{"type":"integer","format":"int32","minimum":0},"description":"Ports."}},)"
      R"("required":["name"]},"description":"A list."})");
  EXPECT_EQ(to_json(*schema.find({"properties", "action"})),
            R"({"type":"string","enum":["allow","deny"],"description":"An action."})");
  EXPECT_EQ(to_json(*schema.find({"properties", "free"})),
            R"({"x-kubernetes-preserve-unknown-fields":true,"description":"Anything."})");
}

TEST(Schema, has_the_options_that_filters_provide) {
  const std::vector<OptionField> fields = some_options();
  const Schema schema = describe<WithOptions>(fields);
  const auto page = to_markdown(schema, "options");
  EXPECT_TRUE(page.contains("| `options.jwt.name` | text | required | A name. |")) << page;
  EXPECT_TRUE(page.contains("`options.cors`")) << page;
  EXPECT_FALSE(page.contains("`options.rbac`, `options.jwt`")) << page;
}

}  // namespace
}  // namespace sluice
