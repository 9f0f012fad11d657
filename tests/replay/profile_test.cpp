#include "replay/profile.h"

#include <cmath>
#include <fstream>

#include <gtest/gtest.h>

#include "replay/error.h"
#include "tests/replay/synthetic_trace.h"
#include "traces/error.h"

namespace kvwave::replay {
namespace {

Profile example() {
  Profile profile;
  profile.model_name = "a \"model\"";
  profile.model_sha256 = std::string(64, '0');
  profile.rho = 0.93;
  profile.demand = {1.0 / 3, 2, 1e-300};
  profile.demand_spread = {0, 0.1, 7};
  profile.n_rows = 12;
  profile.traces = {std::string(64, 'a'), std::string(64, 'f')};
  return profile;
}

class ProfileFile : public testing::Test {
 protected:
  std::filesystem::path write(const std::string& text) {
    std::ofstream(folder_ / "p.json", std::ios::binary) << text;
    return folder_ / "p.json";
  }

  // The error of a profile in which `from` is replaced by `to`, without the path before it.
  std::string error_after(const std::string& from, const std::string& to) {
    std::string text = to_json(example());
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    return error_of(text);
  }

  std::string error_of(const std::string& text) {
    const std::filesystem::path path = write(text);
    try {
      read_profile(path);
    } catch (const BadProfile& error) {
      const std::string what = error.what();
      EXPECT_EQ(what.find('\n'), std::string::npos);
      EXPECT_EQ(what.rfind(path.string() + ": ", 0), 0U) << what;
      return what.substr(path.string().size() + 2);
    }
    return "accepted";
  }

  TemporaryFolder folder_;
};

TEST_F(ProfileFile, comes_back_equal_to_the_last_bit) {
  write_profile(folder_ / "p.json", example(), false);
  EXPECT_EQ(read_profile(folder_ / "p.json"), example());
}

TEST_F(ProfileFile, is_not_replaced_without_force) {
  write_profile(folder_ / "p.json", example(), false);
  EXPECT_THROW(write_profile(folder_ / "p.json", example(), false), traces::OutputExists);
  EXPECT_NO_THROW(write_profile(folder_ / "p.json", example(), true));
}

TEST_F(ProfileFile, ignores_keys_of_later_additions) {
  EXPECT_EQ(error_after("\"rho\"", "\"colour\": {\"deep\": [1, 2]}, \"rho\""), "accepted");
}

TEST_F(ProfileFile, names_the_missing_or_wrong_field) {
  EXPECT_EQ(error_after("\"demand\"", "\"demands\""), "field 'demand' is missing");
  EXPECT_EQ(error_after("\"n_layers\": 3", "\"n_layers\": 4"), "field 'demand': expected 4 items, found 3");
  EXPECT_EQ(error_after("\"n_layers\": 3", "\"n_layers\": -3"), "field 'n_layers': expected a positive integer");
  EXPECT_EQ(error_after("\"n_layers\": 3", "\"n_layers\": 3.5"), "field 'n_layers': expected a positive integer");
  EXPECT_EQ(error_after("\"n_layers\": 3", "\"n_layers\": 18446744073709551615"),
            "field 'demand': expected 18446744073709551615 items, found 3");
  EXPECT_EQ(error_after("\"n_traces\": 2", "\"n_traces\": 1"), "field 'traces': expected 1 items, found 2");
  EXPECT_EQ(error_after("\"rho\": 0.93", "\"rho\": 0").substr(0, 12), "field 'rho':");
  EXPECT_EQ(error_after("\"rho\": 0.93", "\"rho\": 1.5").substr(0, 12), "field 'rho':");
  EXPECT_EQ(error_after("\"rho\": 0.93", "\"rho\": \"0.93\"").substr(0, 12), "field 'rho':");
  EXPECT_EQ(error_after("\"model_name\": \"a", "\"model_name\": 3, \"x\": \"a"),
            "field 'model_name': expected a string");
  EXPECT_EQ(error_after(std::string(64, '0'), std::string(63, '0') + "G"),
            "field 'model_sha256': expected 64 lower-case hex digits");
  EXPECT_EQ(error_after(std::string(64, 'f'), "short"), "field 'traces': expected 64 lower-case hex digits");
}

TEST_F(ProfileFile, refuses_demands_that_are_negative_or_no_numbers) {
  for (const std::string bad : {"-1", "null", "\"2\"", "[2]", "true"}) {
    const std::string error = error_after("    2.0", "    " + bad);
    EXPECT_EQ(error.substr(0, 40), "field 'demand': expected finite numbers ") << bad;
  }
  // JSON has no NaN or infinity; overlong numbers are no valid JSON either.
  EXPECT_EQ(error_after("    2.0", "    NaN"), "is not valid JSON");
  EXPECT_EQ(error_after("    2.0", "    1e999"), "is not valid JSON");
}

TEST_F(ProfileFile, refuses_what_is_no_profile) {
  EXPECT_EQ(error_of(""), "is not valid JSON");
  EXPECT_EQ(error_of("{\"kvwave_profile\": 1"), "is not valid JSON");
  EXPECT_EQ(error_of("[1, 2]"), "is no kvwave profile (no field 'kvwave_profile')");
  EXPECT_EQ(error_of("{}"), "is no kvwave profile (no field 'kvwave_profile')");
  EXPECT_EQ(error_of(std::string("\x89HDF\r\n\x1a\n\0\0", 10)), "is not valid JSON");
  EXPECT_EQ(error_of(std::string(100'000, '[')), "is not valid JSON");
  EXPECT_THROW(read_profile(folder_ / "absent.json"), BadProfile);
  EXPECT_THROW(read_profile(folder_ / ""), BadProfile);
}

TEST_F(ProfileFile, refuses_a_newer_version_by_its_own_error) {
  std::string text = to_json(example());
  text.replace(text.find(": 1"), 3, ": 2");
  EXPECT_THROW(read_profile(write(text)), NewerProfile);
}

TEST_F(ProfileFile, survives_a_file_cut_at_any_byte) {
  const std::string text = to_json(example());
  for (std::size_t length = 0; length + 2 < text.size(); ++length) {
    EXPECT_EQ(error_of(text.substr(0, length)), "is not valid JSON") << length;
  }
}

TEST_F(ProfileFile, holds_model_names_that_are_no_utf8) {
  Profile profile = example();
  profile.model_name = "bad \xFF name";
  write_profile(folder_ / "p.json", profile, false);
  EXPECT_EQ(read_profile(folder_ / "p.json").model_name, "bad \xEF\xBF\xBD name");
}

}  // namespace
}  // namespace kvwave::replay
