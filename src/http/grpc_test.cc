#include "http/grpc.h"

#include <gtest/gtest.h>

namespace sluice::grpc {
namespace {

TEST(Grpc, is_known_by_its_content_type) {
  for (const char* type :
       {"application/grpc", "application/grpc+proto", "application/grpc+json", "application/grpc;a=b"})
    EXPECT_TRUE(is_grpc_type(type)) << type;
  for (const char* type : {"", "application/grpc-web", "application/grpc-web+proto", "application/grpcx", "text/plain"})
    EXPECT_FALSE(is_grpc_type(type)) << type;
}

TEST(Grpc, has_a_status_for_each_of_HTTP) {
  const std::pair<uint16_t, Status> rows[] = {
      {400, Status::internal},      {401, Status::unauthenticated}, {403, Status::permission_denied},
      {404, Status::unimplemented}, {429, Status::unavailable},     {502, Status::unavailable},
      {503, Status::unavailable},   {504, Status::unavailable},     {200, Status::unknown},
      {408, Status::unknown},       {413, Status::unknown},         {500, Status::unknown}};
  for (const auto& [http, status] : rows) EXPECT_EQ(status_of_http(http), status) << http;
  EXPECT_EQ(http_status_of(0), 200);
  EXPECT_EQ(http_status_of(14), 503);
  EXPECT_EQ(http_status_of(16), 401);
  EXPECT_EQ(http_status_of(17), 500);
}

TEST(Grpc, spells_its_statuses_as_Envoy_does) {
  EXPECT_EQ(status_name(1, Spelling::camel), "Canceled");
  EXPECT_EQ(status_name(1, Spelling::snake), "CANCELLED");
  EXPECT_EQ(status_name(16, Spelling::camel), "Unauthenticated");
  EXPECT_EQ(status_name(9, Spelling::snake), "FAILED_PRECONDITION");
  EXPECT_EQ(status_name(17, Spelling::camel), "");
}

TEST(Grpc, writes_messages_as_printable_ASCII) {
  Arena arena;
  EXPECT_EQ(encode_message("all is well", arena), "all is well");
  EXPECT_EQ(encode_message("50% \xC3\xA4\r\n\x7f", arena), "50%25 %C3%A4%0D%0A%7F");
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(decode_message(encode_message(all, arena)), all);
  EXPECT_EQ(decode_message("%c3%A4 %zz 5% %4"), "\xC3\xA4 %zz 5% %4");
}

TEST(Grpc, reads_and_writes_deadlines) {
  const std::pair<const char*, Nanos> rows[] = {
      {"1H", 1h}, {"2M", 2min}, {"3S", 3s}, {"4m", 4ms}, {"5u", 5us}, {"99999999n", 99'999'999ns}, {"0S", 0s}};
  for (const auto& [text, value] : rows) EXPECT_EQ(parse_timeout(text), value) << text;
  for (const char* text : {"", "S", "1", "123456789S", "-1S", "1 S", "1s", "1.5S", "S1"})
    EXPECT_FALSE(parse_timeout(text)) << text;
  EXPECT_EQ(parse_timeout("99999999H"), Nanos::max());
  EXPECT_EQ(write_timeout(5s), "5000000u");
  EXPECT_EQ(write_timeout(1ns), "1n");
  EXPECT_EQ(write_timeout(-1s), "0n");
  for (const Nanos value : {Nanos(1ms), Nanos(99s), Nanos(3h)}) EXPECT_EQ(parse_timeout(write_timeout(value)), value);
}

TEST(Grpc, frames_messages) {
  const auto bytes = write_frame_head({.flags = kTrailers, .length = 0x01020304});
  EXPECT_EQ(std::string_view(bytes.data(), bytes.size()), "\x80\x01\x02\x03\x04");
  const FrameHead head = read_frame_head(bytes.data());
  EXPECT_EQ(head.flags, kTrailers);
  EXPECT_EQ(head.length, 0x01020304U);
  EXPECT_EQ(read_frame_head("\0\xff\xff\xff\xff").length, 0xffffffffU);
}

TEST(Grpc, finds_the_status_of_an_answer) {
  Arena arena;
  Headers headers(arena);
  EXPECT_EQ(status_in(headers), std::nullopt);
  headers.add("grpc-status", "99");
  EXPECT_EQ(status_in(headers), 99U);
  headers.set("grpc-status", "no");
  EXPECT_EQ(status_in(headers), std::nullopt);
}

}  // namespace
}  // namespace sluice::grpc
