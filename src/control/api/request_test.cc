#include "control/api/request.h"

namespace sluice {
namespace {

TEST(Target, is_taken_apart) {
  const auto target =
      Target::parse("/apis/g/v1/namespaces/ns%2dx/things/?limit=5&labelSelector=a%3Db%2Cc+in+%28d%29&watch&limit=6");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, (std::vector<std::string>{"apis", "g", "v1", "namespaces", "ns-x", "things"}));
  EXPECT_EQ(target->query.get("limit"), "5");
  EXPECT_EQ(target->query.get("labelSelector"), "a=b,c in (d)");
  EXPECT_TRUE(target->query.has("watch"));
  EXPECT_FALSE(target->query.has("Watch"));
  EXPECT_EQ(target->query.all("limit").size(), 2u);
  EXPECT_EQ(Target::parse("/")->path.size(), 0u);
}

TEST(Target, refuses_paths_that_mean_something_else_to_somebody) {
  for (const std::string_view text :
       {"", "api", "//api", "/api//v1", "/api/../x", "/api/./x", "/api/%2e%2e/x", "/a%2fb", "/a%", "/a%zz", "/a%ff",
        "/a?x=%", "/a?x=%zz", "/a?x=%ff", "http://x/api"})
    EXPECT_FALSE(Target::parse(text)) << text;
  std::string many = "/a?";
  for (size_t i = 0; i <= Query::kParametersMax; ++i) many += fmt::format("p{}=1&", i);
  EXPECT_FALSE(Target::parse(many));
}

TEST(Query, reads_booleans_as_go_does) {
  const auto target = Target::parse("/?a=true&b=1&c=false&d=&e=yes");
  EXPECT_EQ(target->query.boolean("a"), true);
  EXPECT_EQ(target->query.boolean("b"), true);
  EXPECT_EQ(target->query.boolean("c"), false);
  EXPECT_EQ(target->query.boolean("d"), false);
  EXPECT_EQ(target->query.boolean("absent"), false);
  EXPECT_EQ(target->query.boolean("e"), std::nullopt);
}

}  // namespace
}  // namespace sluice
