#include "config/diagnostics.h"

namespace sluice {
namespace {

TEST(Diagnostics, print_what_is_known_and_leave_out_the_rest) {
  const ObjectKey key{"VirtualService", "ns", "vs"};
  EXPECT_EQ(
      (Diagnostic{
           .file = "a.yaml", .place = {3, 1}, .object = key, .path = "spec.x", .message = "bad", .suggestion = "y"})
          .to_string(),
      "a.yaml:3: VirtualService ns/vs: spec.x: bad; did you mean \"y\"?");
  EXPECT_EQ((Diagnostic{.file = "a.yaml", .message = "bad"}).to_string(), "a.yaml: bad");
  EXPECT_EQ((Diagnostic{.place = {6, 0}, .path = "spec", .message = "bad"}).to_string(), "line 6: spec: bad");
  EXPECT_EQ((Diagnostic{.severity = Severity::warning, .object = {"Gateway", "", "g"}, .message = "odd"}).to_string(),
            "Gateway g: warning: odd");
  EXPECT_EQ(Diagnostic{.message = "bad"}.to_string(), "bad");
}

TEST(Diagnostics, keep_the_first_and_count_the_rest) {
  Diagnostics all(2);
  for (const char* message : {"a", "b", "c"}) all.add({.message = message});
  all.add({.severity = Severity::warning, .message = "d"});
  EXPECT_EQ(all.errors(), 3u);
  EXPECT_EQ(all.warnings(), 1u);
  EXPECT_EQ(all.to_string(), "a\nb\nand 2 more\n");
  Diagnostics more;
  more.append(all);
  EXPECT_EQ(more.all().size(), 2u);
  EXPECT_EQ(more.errors(), 3u);
}

TEST(Diagnostics, are_sorted_by_line_within_a_file) {
  Diagnostics all;
  for (const auto& [file, line, message] :
       {std::tuple("b", 9u, "b9"), {"b", 2u, "b2"}, {"b", 9u, "b9 too"}, {"a", 5u, "a5"}, {"a", 1u, "a1"}})
    all.add({.file = file, .place = {line, 0}, .message = message});
  all.sort_by_line();
  std::string order;
  for (const Diagnostic& d : all.all()) order += d.message + " ";
  EXPECT_EQ(order, "b2 b9 b9 too a1 a5 ");
}

}  // namespace
}  // namespace sluice
