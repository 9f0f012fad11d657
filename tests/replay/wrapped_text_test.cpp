// Lines of a terminal.
#include "replay/wrapped_text.h"

#include <gtest/gtest.h>

namespace kvwave::replay {
namespace {

TEST(WrappedText, breaks_at_spaces_and_indents_what_follows) {
  EXPECT_EQ(wrapped("one two three", 8, 2), "one two\n  three");
  EXPECT_EQ(wrapped("one two", 7, 2), "one two");
  EXPECT_EQ(wrapped("", 7, 2), "");
  const std::string later(kTerminalColumns - 4, 'x');
  EXPECT_EQ(wrapped("one " + later + " two", 5, 4), "one\n    " + later + "\n    two");
}

TEST(WrappedText, loses_nothing_of_a_word_that_fits_no_line) {
  const std::string path(kTerminalColumns + 20, 'p');
  EXPECT_EQ(wrapped(path, kTerminalColumns, 2),
            path.substr(0, kTerminalColumns) + "\n  " + path.substr(kTerminalColumns));
}

TEST(WrappedText, no_line_ends_with_a_space) {
  EXPECT_EQ(last_cell("better"), " better");
  EXPECT_EQ(last_cell(""), "");
}

}  // namespace
}  // namespace kvwave::replay
