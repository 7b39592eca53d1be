#include "engines/transcoding/rule_tree.h"

#include <gtest/gtest.h>

#include "engines/transcoding/json_array.h"

namespace sluice::transcoding {
namespace {

TEST(PathTemplate, refuses_what_is_none) {
  for (const char* text :
       {"",      "x",      "//",      "/a/",           "/a//b",    "/{",  "/{}",   "/{a",    "/{a.}",
        "/{.a}", "/{a=}",  "/{a=/b}", "/{a=b/}",       "/{a={b}}", "/a}", "/a:",   "/a:b/c", "/a:b:c",
        "/**/*", "/**/**", "/**/{a}", "/{a=**}/{b=*}", "/***",     "/a*", "/{a}b", "/a{b}",  "/{a=b:c}"})
    EXPECT_FALSE(PathTemplate::parse(text)) << text;
  for (const char* text : {"/", "/a", "/*", "/**", "/{a}", "/{a.b.c}", "/{a=*}", "/{a=**}", "/{a=x/*/y}/z",
                           "/{a=**}/z:v", "/a:v", "/**/a/b"})
    EXPECT_TRUE(PathTemplate::parse(text)) << text;
}

// Rules by their templates; the values of their variables.
struct Tree {
  explicit Tree(std::vector<std::string> texts) {
    for (const std::string& text : texts) {
      templates.push_back(*PathTemplate::parse(text));
      tree.add("GET", templates.back(), templates.size() - 1);
    }
  }
  std::string find(std::string_view path, std::string_view method = "GET") const {
    const auto found = tree.find(method, path);
    if (!found) return "-";
    std::string out = std::to_string(found->rule);
    for (const TemplateVariable& variable : templates[found->rule].variables)
      out += " " + value_of(variable, templates[found->rule], found->segments);
    return out;
  }
  RuleTree tree;
  std::vector<PathTemplate> templates;
};

TEST(RuleTree, prefers_literals_to_any_and_any_to_many_and_goes_back) {
  const Tree tree({"/a/b", "/a/{x}", "/{x=**}", "/a/{x}/c", "/a/b/d", "/{x=f/**}/end", "/v:go", "/{x}:go", "/"});
  struct Row {
    std::string_view path, found;
  };
  for (const auto& [path, found] : {Row{"/a/b", "0"},
                                    Row{"/a/b/", "0"},
                                    Row{"/a/z", "1 z"},
                                    Row{"/a/b/c", "3 b"},
                                    Row{"/a/b/d", "4"},
                                    Row{"/a/b/x", "2 a/b/x"},
                                    Row{"/f/1/2/end", "5 f/1/2"},
                                    Row{"/f/end", "5 f"},
                                    Row{"/f/end/x", "2 f/end/x"},
                                    Row{"/f/end/end", "5 f/end"},
                                    Row{"/v:go", "6"},
                                    Row{"/w:go", "7 w"},
                                    Row{"/w:gone", "2 w:gone"},
                                    Row{"/w:go/x", "2 w:go/x"},
                                    Row{"/", "8"},
                                    Row{"///", "8"},
                                    Row{"", "-"},
                                    Row{"a/b", "-"},
                                    Row{"*", "-"},
                                    Row{"/a//c", "3 "}})
    EXPECT_EQ(tree.find(path), found) << path;
  EXPECT_EQ(tree.find("/a/b", "POST"), "-");
}

TEST(RuleTree, decodes_a_segment_entirely_and_several_but_for_reserved_characters) {
  const Tree tree({"/one/{x}", "/many/{x=**}"});
  EXPECT_EQ(tree.find("/one/a%2Fb%20c%41%zz%4"), "0 a/b cA%zz%4");
  EXPECT_EQ(tree.find("/many/a%2Fb%20c/%41%3d%2f"), "1 a%2Fb c/A%3d%2f");
  EXPECT_EQ(tree.find("/many/a%2F"), "1 a%2F") << "many, though one";
}

TEST(RuleTree, follows_neither_of_two_that_fit_the_same_and_any_method_where_there_is_none) {
  RuleTree tree;
  const auto path = *PathTemplate::parse("/x/{a}");
  EXPECT_TRUE(tree.add("*", path, 0));
  EXPECT_TRUE(tree.add("GET", path, 1));
  EXPECT_EQ(tree.find("GET", "/x/1")->rule, 1U);
  EXPECT_EQ(tree.find("PURGE", "/x/1")->rule, 0U);
  EXPECT_FALSE(tree.add("GET", *PathTemplate::parse("/x/{b}"), 2));
  EXPECT_FALSE(tree.find("GET", "/x/1"));
}

std::string elements(std::string_view text, size_t piece) {
  JsonArray array(20);
  std::string out;
  while (!text.empty()) {
    const auto step = array.take(text.substr(0, piece));
    if (!step) return out + (step.error().kind == ErrorKind::limit ? "too long" : "no");
    if (step->element) out += array.element() + "|";
    text.remove_prefix(step->read);
  }
  return out + (array.ended() ? "ended" : "open");
}

TEST(JsonArray, gives_its_elements_however_it_comes) {
  struct Row {
    std::string_view text, found;
  };
  for (const auto& [text, found] : {Row{"[]", "ended"},
                                    Row{" [ ] \n", "ended"},
                                    Row{"[1]", "1|ended"},
                                    Row{"[1 , 2]", "1 |2|ended"},
                                    Row{R"([{"a":[1,2]},{"b":"],\"}"}])", R"({"a":[1,2]}|{"b":"],\"}"}|ended)"},
                                    Row{"['],\"',2]", "'],\"'|2|ended"},
                                    Row{R"(["\\",1])", R"("\\"|1|ended)"},
                                    Row{"[[[]],{}]", "[[]]|{}|ended"},
                                    Row{"[1", "open"},
                                    Row{"[1,", "1|open"},
                                    Row{"", "open"},
                                    Row{"[12345678901234567890]", "12345678901234567890|ended"},
                                    Row{"[123456789012345678901]", "too long"},
                                    Row{"{}", "no"},
                                    Row{"1", "no"},
                                    Row{"[,]", "no"},
                                    Row{"[1,]", "1|no"},
                                    Row{"[1]]", "1|no"},
                                    Row{"[1}", "no"},
                                    Row{"[]x", "no"}})
    for (const size_t piece : {1, 2, 3, 100}) EXPECT_EQ(elements(text, piece), found) << text << ' ' << piece;
}

}  // namespace
}  // namespace sluice::transcoding
