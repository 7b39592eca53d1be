#include "control/api/selector.h"

namespace sluice {
namespace {

Node labels_of(std::initializer_list<std::pair<std::string_view, Node>> members) {
  return Node::make_map(members);
}

TEST(LabelSelector, matches_as_kubernetes_does) {
  const Node labels = labels_of({{"app", "web"}, {"tier", "front"}, {"size", "5"}, {"example.com/x", ""}, {"in", "a"}});
  const struct {
    std::string_view selector;
    bool matches;
  } kRows[] = {
      {"", true},
      {"app=web", true},
      {"app==web", true},
      {"app = web , tier=front", true},
      {"app=web,tier=back", false},
      {"app!=web", false},
      {"app!=db", true},
      {"other!=db", true},  // a label that is absent is not equal
      {"other=db", false},
      {"app in (db, web)", true},
      {"app in (db)", false},
      {"app notin (db,mail)", true},
      {"app notin (web)", false},
      {"other notin (web)", true},
      {"app", true},
      {"other", false},
      {"!app", false},
      {"!other", true},
      {" ! other ", true},
      {"size>4", true},
      {"size > 5", false},
      {"size<6", true},
      {"app>4", false},
      {"other<4", false},
      {"example.com/x", true},
      {"example.com/x=", true},
      {"app=", false},
      {"app in ()", false},
      {"example.com/x in (,a)", true},
      {"in=a", true},
      {"in in (a)", true},
      {"app,tier,!gone,size>1", true},
  };
  for (const auto& row : kRows) {
    const auto selector = LabelSelector::parse(row.selector);
    ASSERT_TRUE(selector) << row.selector << ": " << selector.error().message;
    EXPECT_EQ(selector->matches(&labels), row.matches) << row.selector;
  }
}

TEST(LabelSelector, refuses_what_is_no_selector) {
  for (const std::string_view text :
       {",",       "a,",        ",a",        "a=b=c",   "=a",       "!",    "!!a",  "a in",    "a in (",
        "a in (b", "a in (b,c", "a in b",    "a notin", "a like b", "a b",  "a>b",  "a<",      "a>1.5",
        "(a)",     "a)",        "a in (b))", "a/b/c=d", "/a=b",     "a/=b", "-a=b", "a-=b",    "a=-b",
        "a=b c",   "a==(b)",    "a=b,,c=d",  "a!b",     "a=!b",     "ä=b",  "a=ä",  "a\x01=b", "!a=b"}) {
    EXPECT_FALSE(LabelSelector::parse(text)) << text;
  }
}

TEST(LabelSelector, is_bounded) {
  std::string many;
  for (size_t i = 0; i <= LabelSelector::kRequirementsMax; ++i) many += fmt::format("{}a{}", i ? "," : "", i);
  EXPECT_FALSE(LabelSelector::parse(many));
  std::string values = "a in (x";
  for (size_t i = 0; i < LabelSelector::kValuesMax; ++i) values += ",x";
  EXPECT_FALSE(LabelSelector::parse(values + ")"));
  EXPECT_FALSE(LabelSelector::parse(std::string(64, 'a')));
}

TEST(LabelSelector, finds_nothing_in_an_object_without_labels) {
  EXPECT_FALSE(LabelSelector::parse("a")->matches(nullptr));
  EXPECT_TRUE(LabelSelector::parse("!a")->matches(nullptr));
  const Node odd = Node::make_map({{"a", 1}});  // a label that is no text
  EXPECT_FALSE(LabelSelector::parse("a=1")->matches(&odd));
}

TEST(FieldSelector, selects_by_name_and_namespace) {
  const struct {
    std::string_view selector;
    bool matches;
  } kRows[] = {
      {"", true},
      {"metadata.name=one", true},
      {"metadata.name==one", true},
      {"metadata.name!=one", false},
      {"metadata.name=two", false},
      {"metadata.namespace=ns", true},
      {"metadata.name=one,metadata.namespace=ns", true},
      {"metadata.name=one,metadata.namespace!=ns", false},
      {"metadata.name=one,", true},
      {"metadata.name!=a\\,b", true},
  };
  for (const auto& row : kRows) {
    const auto selector = FieldSelector::parse(row.selector);
    ASSERT_TRUE(selector) << row.selector << ": " << selector.error().message;
    EXPECT_EQ(selector->unsupported_field(), "") << row.selector;
    EXPECT_EQ(selector->matches("ns", "one"), row.matches) << row.selector;
  }
}

TEST(FieldSelector, refuses_bad_terms_and_names_fields_it_cannot_select_by) {
  for (const std::string_view text :
       {"metadata.name", "metadata.name=a=b", "metadata.name=a\\", "metadata.name=a\\b", "a!b", "!x"})
    EXPECT_FALSE(FieldSelector::parse(text)) << text;
  EXPECT_EQ(FieldSelector::parse("metadata.name=a,spec.x=1")->unsupported_field(), "spec.x");
  EXPECT_EQ(FieldSelector::parse("=x")->unsupported_field(), "");
}

}  // namespace
}  // namespace sluice
