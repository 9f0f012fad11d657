#include "viewer/model/view_state.h"

#include <gtest/gtest.h>

namespace kvwave::viewer {
namespace {

TEST(SelectionHistory, goes_back_and_forth) {
  SelectionHistory history;
  Selection first, second, third;
  second.layer = 1;
  third.layer = 2;
  history.changed(first, second);
  history.changed(second, second);  // nothing changed, nothing to undo
  history.changed(second, third);
  EXPECT_EQ(history.undo(third), second);
  EXPECT_EQ(history.undo(second), first);
  EXPECT_FALSE(history.undo(first));
  EXPECT_EQ(history.redo(first), second);
  EXPECT_EQ(history.redo(second), third);
  EXPECT_FALSE(history.can_redo());
}

TEST(SelectionHistory, a_new_selection_forgets_what_was_undone_and_the_oldest) {
  SelectionHistory history;
  Selection a, b;
  b.q_head = 1;
  history.changed(a, b);
  history.undo(b);
  history.changed(a, b);
  EXPECT_FALSE(history.can_redo());
  Selection before;
  for (std::uint32_t i = 1; i < 2 * SelectionHistory::kMost; ++i) {
    Selection now;
    now.layer = i;
    history.changed(before, now);
    before = now;
  }
  std::size_t steps = 0;
  for (auto found = history.undo(before); found; found = history.undo(*found)) ++steps;
  EXPECT_EQ(steps, SelectionHistory::kMost);
}

}  // namespace
}  // namespace kvwave::viewer
