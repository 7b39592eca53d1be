#include "upstream/hosts_list.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

std::string split(std::string_view text) {
  const auto list = HostsList::split(text);
  if (!list) return std::string("error: ") + list.error().message;
  std::string out;
  for (const std::string_view host : list->hosts()) out += fmt::format("<{}>", host);
  return out;
}

TEST(HostsList, splits_at_commas_and_cuts_spaces) {
  const std::pair<std::string_view, std::string_view> rows[] = {
      {"a.example", "<a.example>"},
      {"a.example, b.example:8080", "<a.example><b.example:8080>"},
      {" \ta ,b\t", "<a><b>"},
      {"[::1]:80,[2001:db8::1]", "<[::1]:80><[2001:db8::1]>"},
      {"a b,c", "<a b><c>"},  // for the parser of authorities to refuse
      {"a;b", "<a;b>"},
      {"1,2,3,4,5,6,7,8", "<1><2><3><4><5><6><7><8>"},
  };
  for (const auto& [text, want] : rows) EXPECT_EQ(split(text), want) << text;
}

TEST(HostsList, refuses_empty_hosts_and_more_than_its_limit) {
  for (const char* text : {"", " ", ",", "a,", ",a", "a,,b", "a, ,b", "1,2,3,4,5,6,7,8,"})
    EXPECT_EQ(split(text), "error: an empty host in the list of hosts") << text;
  EXPECT_EQ(split("1,2,3,4,5,6,7,8,9"), "error: more than 8 hosts");
  EXPECT_EQ(HostsList::split("1,2,3,4,5,6,7,8,9").error().kind, ErrorKind::limit);
}

}  // namespace
}  // namespace sluice
