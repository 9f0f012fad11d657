#include "capture/answer_check.h"

#include <gtest/gtest.h>

namespace kvwave::capture {
namespace {

TEST(AnswerCheck, finds_the_last_boxed_content_with_its_braces) {
  EXPECT_EQ(final_answer("so \\boxed{3} no, \\boxed{\\frac{1}{2}}. Done 77"), "\\frac{1}{2}");
  EXPECT_EQ(final_answer("\\boxed{x^{2}_{1}} and \\boxed{unfinished"), "x^{2}_{1}");
  EXPECT_EQ(final_answer("\\fbox{4}"), "4");
}

TEST(AnswerCheck, takes_the_last_number_where_nothing_is_boxed) {
  EXPECT_EQ(final_answer("first 12, then the answer is 1,234.50 dollars."), "1,234.50");
  EXPECT_EQ(final_answer("it is 3/4."), "3/4");
  EXPECT_EQ(final_answer("it is -7"), "-7");
  EXPECT_EQ(final_answer("5-7"), "7");
  EXPECT_EQ(final_answer("no number"), std::nullopt);
  EXPECT_EQ(final_answer(""), std::nullopt);
}

TEST(AnswerCheck, equal_values_in_other_spelling_are_the_same) {
  const std::pair<const char*, const char*> same[] = {{"42", "42.0"},
                                                      {"1,234", "1234"},
                                                      {"\\frac{1}{2}", "0.5"},
                                                      {"\\dfrac{3}{4}", "3/4"},
                                                      {"$12$", "12"},
                                                      {"12\\text{ cm}", "12"},
                                                      {"12 cm", "12"},
                                                      {"90^\\circ", "90"},
                                                      {"50\\%", "50"},
                                                      {"\\text{east}", "east"},
                                                      {"(1, 2)", "(1,2)"},
                                                      {"-\\frac{1}{4}", "-0.25"},
                                                      {" x + 1 ", "x+1"},
                                                      {"\\left(1,2\\right)", "(1,2)"},
                                                      {"7.", "7"},
                                                      {"3 apples", "3"}};
  for (const auto& [a, b] : same) EXPECT_TRUE(same_answer(a, b)) << a << " and " << b;
}

TEST(AnswerCheck, other_values_are_not_the_same) {
  const std::pair<const char*, const char*> other[] = {{"42", "43"},   {"\\frac{1}{2}", "\\frac{1}{3}"},
                                                       {"1/0", "2/0"}, {"(1,2)", "(2,1)"},
                                                       {"x", "y"},     {"", "0"},
                                                       {"3x", "3"},    {"12", "-12"}};
  for (const auto& [a, b] : other) EXPECT_FALSE(same_answer(a, b)) << a << " and " << b;
}

// Wilson's interval for 7 of 10 is a textbook value.
TEST(AnswerCheck, accuracy_states_its_interval) {
  const Accuracy accuracy{7, 10};
  EXPECT_DOUBLE_EQ(accuracy.share(), 0.7);
  EXPECT_NEAR(accuracy.low(), 0.3968, 1e-4);
  EXPECT_NEAR(accuracy.high(), 0.8922, 1e-4);
  EXPECT_EQ((Accuracy{0, 5}.low()), 0.0);
  EXPECT_EQ((Accuracy{5, 5}.high()), 1.0);
}

}  // namespace
}  // namespace kvwave::capture
