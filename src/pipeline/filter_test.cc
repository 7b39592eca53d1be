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

// Puts its name behind "wrapped" in the response: the last is the outermost.
class Wrap final : public Filter {
 public:
  explicit Wrap(std::string name) : name_(std::move(name)) {}
  Task<Response> handle(Request& request, Next next) const override {
    auto rest = next(request);
    Response response = CO_TRY(co_await rest);
    const std::string sofar(response.headers->get("wrapped").value_or(""));
    response.headers->set("wrapped", request.arena.copy(sofar + name_));
    co_return response;
  }

 private:
  std::string name_;
};

class Rerouted : public testing::Test {
 protected:
  Rerouted() {
    gateway.upstream = [](Request& request) {
      return make_response(request, 200, {}, {std::string(*request.header("trace"))});
    };
    other.terminal = third.terminal = gateway.chain().terminal;
  }

  static StagedFilter tag(Stage stage, std::string name, bool reroutes = false) {
    return {stage, std::make_shared<Tag>(std::move(name), reroutes)};
  }
  // Chooses these one after the other, then stays.
  void choose(std::vector<const Chain*> chains) {
    gateway.reroute = [chains, at = size_t{0}](Request& request) mutable {
      if (at < chains.size()) request.route.chain = chains[at++];
      return true;
    };
  }

  Tags tags;
  FilterHarness gateway{tags};
  Chain other, third;
};

TEST_F(Rerouted, requests_pass_all_filters_of_the_new_route) {
  other.filters = {tag(Stage::early_transformation, "x"), tag(Stage::cors, "y"), tag(Stage::jwt_after, "z")};
  choose({&other});
  EXPECT_EQ(gateway.send({}).body, "axyz");
}

TEST_F(Rerouted, requests_do_not_pass_an_equal_filter_twice) {
  other.filters = {tag(Stage::early_transformation, "x"), gateway.chain().filters[0], tag(Stage::jwt_after, "z"),
                   gateway.chain().filters[1]};
  choose({&other});
  EXPECT_EQ(gateway.send({}).body, "axzb");
}

TEST_F(Rerouted, requests_pass_a_filter_again_when_another_took_its_place_meanwhile) {
  other.filters = {tag(Stage::cors, "y", true)};
  third.filters = {gateway.chain().filters[0], tag(Stage::rbac, "z")};
  choose({&other, &third});
  EXPECT_EQ(gateway.send({}).body, "ayaz");
}

TEST_F(Rerouted, requests_may_change_from_a_filter_that_runs_late) {
  other.filters = {tag(Stage::early_transformation, "x", true), tag(Stage::cors, "never")};
  third.filters = {tag(Stage::early_transformation, "y"), gateway.chain().filters[0], tag(Stage::rbac, "z")};
  choose({&other, &third});
  EXPECT_EQ(gateway.send({}).body, "axyz");
}

TEST_F(Rerouted, answers_pass_what_masks_them_at_last) {
  const auto inner = std::make_shared<Wrap>("inner"), outer = std::make_shared<Wrap>("-outer");
  const auto first = std::make_shared<Wrap>("-first");
  other.filters = {{Stage::dlp, first}, {Stage::early_transformation, inner}, tag(Stage::cors, "y", true)};
  third.filters = {{Stage::dlp, outer}, {Stage::dlp, first}, tag(Stage::rbac, "z")};
  choose({&other, &third});
  const auto answer = gateway.send({});
  EXPECT_EQ(answer.header("wrapped"), "inner-first-outer");
  EXPECT_EQ(answer.body, "ayz");
}

TEST_F(Rerouted, requests_that_fit_no_route_any_more_are_answered_404) {
  gateway.reroute = [](Request&) { return false; };
  const auto answer = gateway.send({});
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.flags, "NR");
  EXPECT_FALSE(answer.reached_upstream);
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

TEST(KeptState, makes_what_can_fail_once_and_keeps_no_failure) {
  KeptState kept;
  int made = 0;
  bool good = false;
  const auto make = [&]() -> Result<std::shared_ptr<int>> {
    ++made;
    if (!good) return invalid("not now");
    return std::make_shared<int>(made);
  };
  EXPECT_EQ(kept.try_get<int>("a", make).error().message, "not now");
  EXPECT_EQ(kept.size(), 0U);
  good = true;
  const auto first = kept.try_get<int>("a", make);
  ASSERT_TRUE(first);
  EXPECT_EQ(*kept.try_get<int>("a", make), *first);
  EXPECT_EQ(made, 2);
}

TEST(FilterHarness, says_what_is_wrong_with_options) {
  Tags tags;
  FilterHarness gateway(tags);
  EXPECT_NE(gateway.virtual_host("nonsense: 1").find("unknown field"), std::string::npos);
}

}  // namespace
}  // namespace sluice
