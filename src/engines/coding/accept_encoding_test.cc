#include "engines/coding/accept_encoding.h"

#include <gtest/gtest.h>

namespace sluice::coding {
namespace {

TEST(AcceptEncoding, chooses_what_the_client_likes_best_of_what_is_offered) {
  constexpr auto kNone = std::nullopt;
  struct Row {
    std::string_view said;
    std::optional<Coding> of_both, of_gzip;
  };
  const Row rows[] = {
      {"gzip", Coding::gzip, Coding::gzip},
      {"GZip", Coding::gzip, Coding::gzip},
      {"x-gzip", Coding::gzip, Coding::gzip},
      {"br", Coding::brotli, kNone},
      {"gzip, deflate, br", Coding::brotli, Coding::gzip},
      {"br;q=0.5, gzip", Coding::gzip, Coding::gzip},
      {"br;q=0.5,gzip;q=0.499", Coding::brotli, Coding::gzip},
      {"br ; q = 0.5 , gzip; Q=0.6", Coding::gzip, Coding::gzip},
      {"*", Coding::brotli, Coding::gzip},
      {"*;q=0.1, br;q=0", Coding::gzip, Coding::gzip},
      {"gzip, identity", Coding::gzip, Coding::gzip},
      {"gzip;q=0.5, identity", kNone, kNone},
      {"gzip;q=0.001", Coding::gzip, Coding::gzip},
      {"gzip;q=0", kNone, kNone},
      {"gzip;q=0.000", kNone, kNone},
      {"*;q=0", kNone, kNone},
      {"identity;q=0, gzip;q=0.1", Coding::gzip, Coding::gzip},
      {"", kNone, kNone},
      {",, ,", kNone, kNone},
      {"deflate", kNone, kNone},
      {"gzipped", kNone, kNone},
      // No weights: the body stays as it is.
      {"gzip;q=1.001", kNone, kNone},
      {"gzip;q=2", kNone, kNone},
      {"gzip;q=.5", kNone, kNone},
      {"gzip;q=0.1234", kNone, kNone},
      {"gzip;q=-1", kNone, kNone},
      {"gzip;q=", kNone, kNone},
      {"gzip;q", kNone, kNone},
      {"gzip;level=9", kNone, kNone},
      {"gzip;q=0.5x", kNone, kNone},
      {"gzip;", Coding::gzip, Coding::gzip},
  };
  for (const Row& row : rows) {
    const AcceptedCodings accepted = parse_accept_encoding(row.said);
    EXPECT_EQ(choose_coding(accepted, true, true), row.of_both) << row.said;
    EXPECT_EQ(choose_coding(accepted, true, false), row.of_gzip) << row.said;
    EXPECT_EQ(choose_coding(accepted, false, false), kNone) << row.said;
  }
}

}  // namespace
}  // namespace sluice::coding
