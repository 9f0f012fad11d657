#include "viewer/model/figure_text.h"

#include <limits>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "viewer/model/token_text.h"
#include "viewer/model/view_words.h"

namespace kvwave::viewer {
namespace {

TEST(FigureText, lines_become_one_row_a_point) {
  Figure figure;
  figure.x.name = "layer";
  figure.y.name = "demand";
  figure.series.push_back({.name = "mean, all", .x = {0, 1}, .y = {2.5, kNoValue}});
  figure.series.push_back({.name = "spread", .mark = Mark::band, .x = {0}, .y = {2}, .low = {1}, .high = {3}});
  EXPECT_EQ(to_csv(figure),
            "series,layer,demand,low,high\n\"mean, all\",0,2.5,,\n\"mean, all\",1,,,\nspread,0,2,1,3\n");
}

TEST(FigureText, cells_become_one_row_each_and_missing_ones_none) {
  Figure figure;
  figure.x.name = "step";
  figure.y.name = "position";
  Heatmap map{
      .name = "holders",
      .values = std::make_shared<Pyramid>(2, 2, std::vector<float>{1, 2, std::numeric_limits<float>::quiet_NaN(), 4})};
  map.x0 = 10;
  figure.heatmap = map;
  EXPECT_EQ(to_csv(figure), "step,position,holders\n10,0,1\n11,0,2\n11,1,4\n");
  figure.heatmap->group = 1;
  figure.heatmap->group_member = "kv_head";
  EXPECT_EQ(to_csv(figure), "step,layer,kv_head,holders\n10,0,0,1\n11,0,0,2\n11,1,0,4\n");
}

TEST(FigureText, tables_are_quoted_where_needed) {
  Figure figure;
  figure.table = Table{.columns = {"a", "b"}, .rows = {{"x,y", "say \"so\""}}};
  EXPECT_EQ(to_csv(figure), "a,b\n\"x,y\",\"say \"\"so\"\"\"\n");
}

TEST(FigureText, json_says_what_is_shown_and_where_it_is_from) {
  Figure figure;
  figure.name = "wave";
  figure.title = "broken \xff byte";
  figure.series.push_back({.name = "mean", .x = {1}, .y = {2}});
  const auto json = nlohmann::json::parse(to_json(figure, {{"trace", "a.h5"}}));
  EXPECT_EQ(json.at("name"), "wave");
  EXPECT_EQ(json.at("trace"), "a.h5");
  EXPECT_EQ(json.at("series").at(0).at("points"), 1);
}

TEST(TokenText, shows_every_byte_string_as_valid_text) {
  EXPECT_EQ(printable("plain \xc3\xa9"), "plain \xc3\xa9");
  EXPECT_EQ(printable("a\nb\tc\r"),
            "a\xc2\xb6"
            "b\xc2\xbb"
            "c");
  EXPECT_EQ(printable("\xff\xc3"), "\xc2\xb7\xc2\xb7");
  EXPECT_EQ(printable("\xed\xa0\x80"), "\xc2\xb7\xc2\xb7\xc2\xb7") << "surrogates are no characters";
  EXPECT_TRUE(ends_line("x\n"));
}

TEST(ViewWords, shell_words_survive_a_shell) {
  EXPECT_EQ(shell_word("uniform/rkv@64"), "uniform/rkv@64");
  EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_word(""), "''");
  EXPECT_EQ(from_word<HeadValue>(kHeadValueWords, "budget"), HeadValue::budget);
  EXPECT_FALSE(from_word<HeadValue>(kHeadValueWords, "nonsense"));
}

}  // namespace
}  // namespace kvwave::viewer
