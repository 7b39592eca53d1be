#include "pipeline/filter.h"

#include <gtest/gtest.h>

#include "pipeline/testing.h"

namespace sluice {
namespace {

class Tag final : public Filter {
 public:
  Tag(std::string name, bool reroutes) : name_(std::move(name)), reroutes_(reroutes) {}
  Task<Response> handle(Request& request, Next next) const override {
    request.set_header("trace", std::string(request.header("trace").value_or("")) + name_);
    if (reroutes_) request.choose_route_again();
    return next(request);
  }

 private:
  std::string name_;
  bool reroutes_;
};

class Tags final : public FilterFactory {
 public:
  std::string_view name() const override { return "tags"; }
  std::vector<Stage> stages() const override { return {Stage::cors, Stage::rbac}; }
  std::vector<OptionField> option_fields() const override { return {}; }
  Result<std::vector<StagedFilter>> build(const FilterBuild&) const override {
    return std::vector<StagedFilter>{{Stage::cors, std::make_shared<Tag>("a", true)},
                                     {Stage::rbac, std::make_shared<Tag>("b", false)}};
  }
};

TEST(Chain, runs_the_filters_in_order_and_then_the_terminal) {
  Tags tags;
  FilterHarness gateway(tags);
  gateway.upstream = [](Request& request) {
    return make_response(request, 200, {}, {std::string(*request.header("trace"))});
  };
  EXPECT_EQ(gateway.send({}).body, "ab");
}

TEST(Chain, goes_on_in_the_new_route_at_the_first_filter_of_a_later_stage) {
  Tags tags;
  FilterHarness gateway(tags);
  Chain other;
  other.filters = {{Stage::early_transformation, std::make_shared<Tag>("x", false)},
                   {Stage::cors, std::make_shared<Tag>("y", false)},
                   {Stage::jwt_after, std::make_shared<Tag>("z", false)}};
  other.terminal = gateway.chain().terminal;
  gateway.reroute = [&](Request& request) {
    request.route.chain = &other;
    return true;
  };
  gateway.upstream = [](Request& request) {
    return make_response(request, 200, {}, {std::string(*request.header("trace"))});
  };
  EXPECT_EQ(gateway.send({}).body, "az");
}

TEST(KeptState, keeps_what_is_used_and_forgets_the_rest) {
  KeptState kept;
  const auto make = [] { return std::make_shared<int>(1); };
  const auto used = kept.get<int>("used", make);
  for (int i = 0; i < 100; ++i) kept.get<int>(fmt::format("unused {}", i), make);
  EXPECT_EQ(kept.get<int>("used", make), used);
  kept.forget_unused();
  EXPECT_EQ(kept.size(), 1U);
  EXPECT_EQ(kept.get<int>("used", make), used);
}

TEST(FilterHarness, says_what_is_wrong_with_options) {
  Tags tags;
  FilterHarness gateway(tags);
  EXPECT_NE(gateway.virtual_host("nonsense: 1").find("unknown field"), std::string::npos);
}

}  // namespace
}  // namespace sluice
