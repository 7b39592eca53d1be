#include "config/kinds/testing.h"

namespace sluice::kinds {
namespace {

TEST(Kinds, are_found_by_every_name_that_people_type) {
  const struct {
    const char* word;
    const char* kind;
  } rows[] = {{"vs", "VirtualService"},
              {"VirtualServices", "VirtualService"},
              {"gw", "Gateway"},
              {"gateways", "Gateway"},
              {"us", "Upstream"},
              {"secrets", "Secret"},
              {"cm", "ConfigMap"},
              {"rt", "RouteTable"},
              {"egresspolicy", "EgressPolicy"}};
  for (const auto& row : rows) {
    const KindInfo* info = find_resource(row.word);
    ASSERT_NE(info, nullptr) << row.word;
    EXPECT_EQ(info->kind, row.kind);
  }
  for (const char* word : {"", "v", "pods", "vss"}) EXPECT_EQ(find_resource(word), nullptr) << word;
  EXPECT_EQ(find_kind("v1", "Gateway"), nullptr);
  EXPECT_NE(find_kind("gateway.solo.io/v1", "Gateway"), nullptr);
}

TEST(Kinds, that_are_supported_can_be_described) {
  for (const KindInfo& info : all_kinds()) {
    if (!info.supported) continue;
    EXPECT_FALSE(info.describe({}).fields.empty()) << info.kind;
  }
}

}  // namespace
}  // namespace sluice::kinds
