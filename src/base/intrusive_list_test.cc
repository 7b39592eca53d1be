#include "base/intrusive_list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <list>

#include "base/random.h"

namespace sluice {
namespace {

struct Member {
  int number = 0;
  Links<Member> links;
};
using Members = LinkedList<Member, &Member::links>;

// From the front, and that the way back is the same.
std::list<int> numbers(const Members& members) {
  std::list<int> forth, back;
  if (members.empty()) return forth;
  for (const Member* one = &members.front(); one; one = one->links.after) forth.push_back(one->number);
  for (const Member* one = &members.back(); one; one = one->links.before) back.push_front(one->number);
  EXPECT_EQ(forth, back);
  EXPECT_EQ(members.size(), forth.size());
  return forth;
}

TEST(intrusive_list, does_as_std_list_does) {
  std::array<Member, 8> members;
  for (int i = 0; i < 8; ++i) members[static_cast<size_t>(i)].number = i;
  Members list;
  std::list<int> model;
  Random random(1);
  for (int step = 0; step < 5000; ++step) {
    Member& one = members[random.below(members.size())];
    const bool inside = std::ranges::find(model, one.number) != model.end();
    const bool front = random.below(2) == 0;
    if (!inside) {
      front ? list.push_front(one) : list.push_back(one);
      front ? model.push_front(one.number) : model.push_back(one.number);
    } else if (random.below(2) == 0) {
      list.remove(one);
      model.remove(one.number);
    } else {
      front ? list.move_to_front(one) : list.move_to_back(one);
      model.remove(one.number);
      front ? model.push_front(one.number) : model.push_back(one.number);
    }
    ASSERT_EQ(numbers(list), model);
    ASSERT_EQ(list.empty(), model.empty());
  }
}

TEST(intrusive_list, a_member_moves_from_one_list_to_another) {
  Member a{.number = 1, .links = {}}, b{.number = 2, .links = {}};
  Members one, other;
  one.push_back(a);
  one.push_back(b);
  one.remove(a);
  other.push_front(a);
  EXPECT_EQ(numbers(one), std::list{2});
  EXPECT_EQ(numbers(other), std::list{1});
}

TEST(intrusive_list_death, who_is_in_no_list_cannot_leave_one) {
  Member a{.number = 1, .links = {}}, b{.number = 2, .links = {}};
  Members list;
  list.push_back(a);
  EXPECT_DEATH(list.remove(b), "size_ > 0");
}

}  // namespace
}  // namespace sluice
