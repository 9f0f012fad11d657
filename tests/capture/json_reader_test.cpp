// JSON that comes with a model: strict, and read in one go whatever its size.
#include "capture/json_reader.h"

#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "capture/error.h"

namespace kvwave::capture {
namespace {

std::string object_of(int n_members, const std::string& last) {
  std::string text = "{";
  for (int i = 0; i < n_members; ++i) text += fmt::format("\"token {}\": {}, ", i, i);
  return text + last + "}";
}

// A vocabulary is such an object. A reader that looks through all members at the end of each takes hours here.
TEST(JsonReader, reads_an_object_of_two_hundred_thousand_members_and_sees_a_doubled_name_in_it) {
  const nlohmann::json json = parse_json(object_of(200'000, "\"last\": -1"), "vocabulary");
  EXPECT_EQ(json.size(), 200'001U);
  EXPECT_EQ(json.at("token 199999"), 199'999);
  EXPECT_EQ(json.at("last"), -1);
  try {
    parse_json(object_of(200'000, "\"token 7\": 8"), "vocabulary");
    ADD_FAILURE() << "accepted";
  } catch (const DuplicateName& error) {
    EXPECT_STREQ(error.what(), "vocabulary: the name 'token 7' appears twice");
  }
}

TEST(JsonReader, takes_equal_names_in_different_objects) {
  EXPECT_EQ(parse_json(R"({"a": {"a": [{"a": 1}, {"a": 2}]}})", "x").at("a").at("a").at(1).at("a"), 2);
  EXPECT_THROW(parse_json(R"({"b": {"a": 1, "a": 2}})", "x"), DuplicateName);
}

}  // namespace
}  // namespace kvwave::capture
