// Many seeds of the simulation, or the one that SLUICE_SEED names, which also tells what happened. SLUICE_SEEDS is how
// many.
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <gtest/gtest.h>

#include "base/log.h"
#include "simulation/world.h"

namespace sluice::simulation {
namespace {

uint64_t running = 0;  // for those who meet a crash

// A CHECK and the sanitizers end the program in the middle of a seed.
void tell_seed() {
  std::fprintf(stderr, "in seed %llu: again with SLUICE_SEED=%llu\n", static_cast<unsigned long long>(running),
               static_cast<unsigned long long>(running));
}

uint64_t number(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

Outcome play_noted(uint64_t seed) {
  running = seed;
  return play(seed);
}

class Simulation : public testing::Test {
 protected:
  Simulation() {
    log::set_sink([](std::string_view) {});
    std::signal(SIGABRT, [](int) { tell_seed(); });
  }
  ~Simulation() override {
    log::set_sink(nullptr);
    std::signal(SIGABRT, SIG_DFL);
  }
};

TEST_F(Simulation, answers_every_request_once_and_gives_everything_back) {
  const uint64_t only = number("SLUICE_SEED", 0);
  const uint64_t last = only ? only : number("SLUICE_SEEDS", 200);
  size_t answers = 0, retries = 0, unanswered = 0, tunnels = 0, refusals = 0, bad = 0;
  for (uint64_t seed = only ? only : 1; seed <= last && bad < 5; ++seed) {
    const Outcome outcome = play_noted(seed);
    if (only)
      for (const std::string& event : outcome.events) std::printf("%s\n", event.c_str());
    for (const std::string& wrong : outcome.wrong)
      ADD_FAILURE() << "seed " << seed << ": " << wrong << "\n  again, with all that happened: SLUICE_SEED=" << seed;
    bad += !outcome.wrong.empty();
    answers += outcome.whole_answers;
    retries += outcome.retries;
    unanswered += outcome.unanswered;
    tunnels += outcome.tunnels;
    refusals += outcome.policy_refusals;
  }
  std::printf(
      "%zu answers, %zu retries, %zu requests unanswered for a good reason, %zu tunnels, %zu refused by policy\n",
      answers, retries, unanswered, tunnels, refusals);
  if (only) return;
  // It would pass as well if nothing happened.
  EXPECT_GT(answers, 10 * last);
  EXPECT_GT(retries, last / 2);
  EXPECT_LT(unanswered, answers / 5);
  EXPECT_GT(tunnels, last / 10);
  EXPECT_GT(refusals, last / 5);
}

TEST_F(Simulation, of_one_seed_is_the_same_each_time) {
  for (const uint64_t seed : {3, 33}) EXPECT_EQ(play_noted(seed).events, play_noted(seed).events) << seed;
}

}  // namespace
}  // namespace sluice::simulation
