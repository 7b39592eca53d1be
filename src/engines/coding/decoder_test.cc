#include "engines/coding/decoder.h"

#include <gtest/gtest.h>

#include <random>

#include "engines/coding/encode_for_tests.h"

namespace sluice::coding {
namespace {

using testing::brotlied;
using testing::deflated;
using testing::encoded;

// All of a coded body, cut in pieces of `piece` bytes, through an output of `room` bytes.
Result<std::string> decode(const std::vector<Coding>& codings, std::string_view coded, size_t piece = 1 << 20,
                           size_t room = 4096, Limits limits = {}) {
  Decoder decoder = TRY(Decoder::create(codings, limits));
  std::string text;
  std::vector<char> out(room);
  for (size_t at = 0; at < coded.size(); at += piece) {
    const std::string bytes(coded.substr(at, piece));
    std::string_view input = bytes;
    for (;;) {
      const size_t produced = TRY(decoder.decode(input, out));
      text.append(out.data(), produced);
      if (produced == 0) break;
    }
    EXPECT_TRUE(input.empty());
  }
  if (Status ended = decoder.finish(); !ended) return std::unexpected(ended.error());
  return text;
}

std::string sample_text(size_t bytes) {
  std::mt19937 random(1);
  std::string text;
  while (text.size() < bytes) text += "line " + std::to_string(random() % 1000) + " of a body\n";
  return text;
}

const std::vector<std::vector<Coding>> kStacks = {{Coding::gzip},
                                                  {Coding::deflate},
                                                  {Coding::brotli},
                                                  {Coding::gzip, Coding::gzip},
                                                  {Coding::deflate, Coding::brotli},
                                                  {Coding::brotli, Coding::gzip, Coding::deflate}};

std::string stack(const std::vector<Coding>& codings, std::string_view text) {
  std::string coded(text);
  for (const Coding coding : codings) coded = encoded(coding, coded);
  return coded;
}

TEST(Decoder, gives_the_text_back_however_the_coded_body_is_cut) {
  const std::string text = sample_text(100'000);
  for (const auto& codings : kStacks) {
    const std::string coded = stack(codings, text);
    for (const size_t piece : {size_t{1}, size_t{7}, size_t{1000}, coded.size()}) {
      for (const size_t room : {size_t{100}, size_t{16384}}) {
        const auto decoded = decode(codings, coded, piece, room);
        ASSERT_TRUE(decoded) << decoded.error().message;
        EXPECT_EQ(*decoded, text);
      }
    }
  }
}

TEST(Decoder, takes_an_empty_text_and_no_body_at_all) {
  for (const auto& codings : kStacks) {
    EXPECT_EQ(*decode(codings, stack(codings, "")), "");
    EXPECT_EQ(*decode(codings, ""), "");
  }
}

TEST(Decoder, takes_raw_deflate_where_zlib_was_promised) {
  EXPECT_EQ(*decode({Coding::deflate}, deflated("hello hello hello", -15)), "hello hello hello");
  EXPECT_EQ(*decode({Coding::deflate}, deflated("hello hello hello", -15), 1, 1), "hello hello hello");
  EXPECT_EQ(*decode({Coding::deflate}, deflated("", -15), 1), "");
}

TEST(Decoder, takes_gzip_members_one_behind_the_other) {
  const std::string two = deflated("first ", 31) + deflated("", 31) + deflated("second", 31);
  EXPECT_EQ(*decode({Coding::gzip}, two), "first second");
  EXPECT_EQ(*decode({Coding::gzip}, two, 1), "first second");
}

TEST(Decoder, refuses_a_body_cut_off_anywhere) {
  const std::string text = sample_text(300);
  for (const auto& codings : kStacks) {
    const std::string coded = stack(codings, text);
    for (size_t size = 1; size < coded.size(); ++size) {
      const auto decoded = decode(codings, std::string_view(coded).substr(0, size));
      ASSERT_FALSE(decoded) << size;
      EXPECT_EQ(decoded.error().kind, ErrorKind::invalid);
      EXPECT_EQ(decoded.error().side, Side::upstream);
    }
  }
}

TEST(Decoder, refuses_bytes_behind_the_end) {
  for (const auto& codings : kStacks) {
    const auto decoded = decode(codings, stack(codings, "text") + "garbage");
    ASSERT_FALSE(decoded);
    EXPECT_EQ(decoded.error().kind, ErrorKind::invalid);
    EXPECT_FALSE(decode(codings, stack(codings, "text") + "garbage", 1));
  }
  EXPECT_FALSE(decode({Coding::deflate}, deflated("text", -15) + "garbage"));
}

TEST(Decoder, refuses_what_is_not_of_the_coding) {
  const std::string gzip = deflated("some text", 31);
  std::string bad_check = gzip;
  bad_check[bad_check.size() - 5] = static_cast<char>(bad_check[bad_check.size() - 5] ^ 1);
  std::string bad_method = gzip;
  bad_method[2] = 7;
  std::string bad_adler = deflated("some text", 15);
  bad_adler.back() = static_cast<char>(bad_adler.back() ^ 1);
  struct Row {
    Coding coding;
    std::string coded;
  };
  const Row rows[] = {
      {Coding::gzip, "plain text, said to be gzip"},
      {Coding::gzip, bad_check},
      {Coding::gzip, bad_method},
      {Coding::gzip, deflated("zlib, said to be gzip", 15)},
      {Coding::deflate, bad_adler},
      {Coding::deflate, std::string("\x78\x9c\xff\xff\xff\xff", 6)},
      {Coding::deflate, gzip},
      {Coding::deflate, std::string("\xff\xff", 2)},
      {Coding::brotli, "plain text, said to be brotli"},
      {Coding::brotli, gzip},
      {Coding::brotli, std::string("\x91\xff\xff\xff", 4)},
  };
  for (const Row& row : rows) {
    const auto decoded = decode({row.coding}, row.coded);
    ASSERT_FALSE(decoded) << row.coded;
    EXPECT_EQ(decoded.error().kind, ErrorKind::invalid);
    EXPECT_FALSE(decode({row.coding}, row.coded, 1));
  }
}

TEST(Decoder, every_flipped_bit_is_an_error_or_the_bound_holds) {
  const std::string text = sample_text(200);
  for (const auto& codings : kStacks) {
    const std::string coded = stack(codings, text);
    for (size_t bit = 0; bit < coded.size() * 8; ++bit) {
      std::string flipped = coded;
      flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
      const auto decoded = decode(codings, flipped, 1 << 20, 4096, {.ratio_max = 20, .free_bytes = 1000});
      if (decoded) EXPECT_LE(decoded->size(), 1000 + 20 * flipped.size());
    }
  }
}

TEST(Decoder, refuses_a_bomb_before_it_has_grown) {
  const std::string zeros(8 << 20, '\0');
  for (const auto& codings : kStacks) {
    const std::string bomb = stack(codings, zeros);
    const Limits limits{.ratio_max = 100, .free_bytes = 64 * 1024};
    auto decoder = Decoder::create(codings, limits);
    std::string_view input = bomb;
    std::vector<char> out(4096);
    uint64_t grown = 0;
    for (;;) {
      const auto produced = decoder->decode(input, out);
      if (!produced) {
        EXPECT_EQ(produced.error().kind, ErrorKind::limit);
        break;
      }
      ASSERT_GT(*produced, 0u) << "the whole bomb came through";
      grown += *produced;
    }
    EXPECT_LE(grown, limits.free_bytes + limits.ratio_max * bomb.size());
  }
}

TEST(Decoder, counts_what_an_inner_coding_grows_to) {
  // Small outside, large in the middle, small inside: 16 MiB of empty gzip members.
  const std::string member = deflated("", 31);
  std::string members;
  while (members.size() < 16 << 20) members += member;
  const auto decoded = decode({Coding::gzip, Coding::brotli}, brotlied(members));
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().kind, ErrorKind::limit);
}

TEST(Decoder, lets_a_well_compressed_small_body_pass) {
  const std::string text(1 << 20, 'a');
  EXPECT_EQ(decode({Coding::brotli}, brotlied(text))->size(), text.size());
}

TEST(ContentEncoding, is_read_as_a_list) {
  struct Row {
    std::string_view value;
    std::vector<Coding> codings;
  };
  const Row rows[] = {
      {"gzip", {Coding::gzip}},
      {"x-GZip", {Coding::gzip}},
      {" br ", {Coding::brotli}},
      {"deflate,gzip", {Coding::deflate, Coding::gzip}},
      {"gzip, identity , br", {Coding::gzip, Coding::brotli}},
      {"identity", {}},
      {"", {}},
      {",,gzip,", {Coding::gzip}},
  };
  for (const Row& row : rows) EXPECT_EQ(*parse_content_encoding(row.value), row.codings) << row.value;
  for (const char* bad : {"compress", "zstd", "gzip, zstd", "gzip br", "gzip;q=1", "*", "gz", "gzip,gzip,gzip,gzip",
                          "brotli", "aes128gcm"}) {
    const auto codings = parse_content_encoding(bad);
    ASSERT_FALSE(codings) << bad;
    EXPECT_EQ(codings.error().kind, ErrorKind::unsupported);
  }
}

}  // namespace
}  // namespace sluice::coding
