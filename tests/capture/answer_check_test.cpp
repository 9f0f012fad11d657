#include "capture/answer_check.h"

#include <cstdlib>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "capture/pass_rate.h"

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

TEST(AnswerCheck, reads_the_notation_of_the_data_sets) {
  const std::pair<const char*, const char*> same[] = {
      {"\\frac43", "4/3"},
      {"\\frac 59", "\\frac{5}{9}"},
      {"\\frac{270}7\\text{ degrees}", "\\frac{270}{7}"},
      {"\\frac9{19}", "9/19"},
      {"1\\frac{4}{5}", "1.8"},
      {"137 \\frac{1}{2}", "137.5"},
      {".0000672", "0.0000672"},
      {"11,\\! 111,\\! 111,\\! 100", "11111111100"},
      {"\\$32,\\!348", "32348"},
      {"864 \\mbox{ inches}^2", "864"},
      {"15\\text{ cm}^{2}", "15 cm"},
      {"11\\sqrt2", "11\\sqrt{2}"},
      {"4210_{5}", "4210_5"},
      {"x=5", "5"},
      {"x \\in [-2,7]", "[-2, 7]"},
      {"\\left( 3, \\frac{\\pi}{2} \\right)", "(3,\\frac{\\pi}{2})"},
      {"(0.5, 2)", "(\\frac12, 2)"},
      {"3, 5, 7", "3,5,7"},
      {"\\text{(C)}", "C"},
      {"\\text{Even}", "even"},
      {"\\begin{pmatrix} -2 \\\\ 5 \\end{pmatrix}", "\\begin{pmatrix}-2\\\\5\\end{pmatrix}"},
      {"007", "7"},
      {"-0", "0"},
      {"12 \\text{ cm} ", "12"}};
  for (const auto& [a, b] : same) {
    EXPECT_TRUE(same_answer(a, b)) << a << " and " << b << ": " << normal_answer(a) << ", " << normal_answer(b);
  }
  const std::pair<const char*, const char*> other[] = {{"11111111100", "11111111101"},
                                                       {"1\\frac{4}{5}", "\\frac{4}{5}"},
                                                       {"(3,4]", "(3,4)"},
                                                       {"(1,2)", "1,2"},
                                                       {"1,-2", "-2,1"},
                                                       {"2 pi", "2"},
                                                       {"3ab", "3"},
                                                       {"4210_5", "4210_6"},
                                                       {"(1,2)\\cup(3,4)", "(1,2)\\cup(3,5)"},
                                                       {"x^2", "x"},
                                                       {"\\frac{1}{0}", "\\frac{2}{0}"},
                                                       {"x=y=3", "3"}};
  for (const auto& [a, b] : other) {
    EXPECT_FALSE(same_answer(a, b)) << a << " and " << b << ": " << normal_answer(a) << ", " << normal_answer(b);
  }
}

TEST(AnswerCheck, is_linear_in_text_that_never_closes_a_brace) {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += "\\boxed{";
  EXPECT_EQ(final_answer(text), std::nullopt);
  EXPECT_EQ(final_answer(text + "5}"), "5");
  EXPECT_EQ(final_answer("\\boxed{\\{1,2\\}}"), "\\{1,2\\}");
  EXPECT_EQ(final_answer("\\boxed{\\left\\{ 1 \\right.}"), "\\left\\{ 1 \\right.");
  EXPECT_EQ(final_answer("\\boxed{a} \\fbox{b}"), "a");
}

// KVWAVE_ANSWERS names JSON Lines with the field `answer`, MATH-500 for instance.
TEST(AnswerCheck, answers_of_a_data_set_equal_themselves_and_no_changed_one) {
  const char* path = std::getenv("KVWAVE_ANSWERS");
  if (path == nullptr) GTEST_SKIP() << "KVWAVE_ANSWERS names no file of problems";
  std::ifstream lines(path);
  std::size_t n = 0;
  for (std::string line; std::getline(lines, line); ++n) {
    const std::string answer = nlohmann::json::parse(line).at("answer").get<std::string>();
    const auto boxed = final_answer("so \\(x\\) is $\\boxed{" + answer + "}$. Done, 17 times.");
    ASSERT_TRUE(boxed) << answer;
    EXPECT_EQ(*boxed, answer);
    EXPECT_TRUE(same_answer(*boxed, answer)) << answer;
    // Each digit changed, the sign, and something appended; what only names a unit may change.
    for (std::size_t i = 0; i < answer.size(); ++i) {
      if (answer[i] < '0' || answer[i] > '9' || (i > 0 && answer[i - 1] == '^' && answer.find("mbox") < i)) continue;
      std::string changed = answer;
      changed[i] = answer[i] == '9' ? '8' : static_cast<char>(answer[i] + 1);
      EXPECT_FALSE(same_answer(changed, answer)) << changed << " and " << answer;
    }
    EXPECT_FALSE(same_answer("-" + answer, answer) && answer != "0") << answer;
    EXPECT_FALSE(same_answer(answer + "+1", answer)) << answer;
    EXPECT_FALSE(same_answer("", answer)) << answer;
  }
  EXPECT_GT(n, 0U);
}

TEST(PassRate, is_the_mean_over_problems_of_the_share_of_their_outputs) {
  PassRate rate;
  for (const bool right : {true, true, true, false}) rate.add("a", right);
  rate.add("b", false);
  EXPECT_DOUBLE_EQ(rate.share(), 0.375) << "not 3 of 5";
  EXPECT_EQ(rate.n_right(), 3U);
  EXPECT_EQ(rate.n_outputs(), 5U);
  EXPECT_EQ(rate.n_problems(), 2U);
  EXPECT_EQ(accuracy_line(rate),
            "3 of 5 answers right: pass@1 0.375 over 2 problems (95 % Wilson interval over problems 0.056 to 0.858)");
}

// Wilson's interval for 7 of 10 is a textbook value.
TEST(PassRate, states_its_interval) {
  const auto rate = [](int right, int total) {
    PassRate filled;
    for (int i = 0; i < total; ++i) filled.add(std::to_string(i), i < right);
    return filled;
  };
  EXPECT_DOUBLE_EQ(rate(7, 10).share(), 0.7);
  EXPECT_NEAR(rate(7, 10).low(), 0.3968, 1e-4);
  EXPECT_NEAR(rate(7, 10).high(), 0.8922, 1e-4);
  EXPECT_EQ(rate(0, 5).low(), 0.0);
  EXPECT_EQ(rate(5, 5).high(), 1.0);
  EXPECT_EQ(PassRate().share(), 0.0);
}

}  // namespace
}  // namespace kvwave::capture
