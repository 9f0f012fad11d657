// What calibrate, strategies and verify print and return; the program's own handling of errors is tested in tests/cli.
#include "replay/commands.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "alloc/registry.h"
#include "replay/error.h"
#include "replay/profile.h"
#include "tests/replay/synthetic_trace.h"
#include "traces/command_line.h"
#include "traces/error.h"

namespace kvwave::replay {
namespace {

struct Output {
  int exit_code;
  std::string text;
};

Output run(int (*command)(std::span<const std::string>), const std::vector<std::string>& args) {
  testing::internal::CaptureStdout();
  int exit_code = -1;
  try {
    exit_code = command(args);
  } catch (...) {
    testing::internal::GetCapturedStdout();
    throw;
  }
  std::fflush(stdout);
  return {exit_code, testing::internal::GetCapturedStdout()};
}

std::size_t widest_line(const std::string& text) {
  std::istringstream lines(text);
  std::size_t widest = 0;
  for (std::string line; std::getline(lines, line);) {
    const auto columns = std::count_if(line.begin(), line.end(),
                                       [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
    widest = std::max(widest, static_cast<std::size_t>(columns));
  }
  return widest;
}

TEST(StrategiesCommand, fits_100_columns_and_names_everything) {
  const Output output = run(strategies_command, {});
  EXPECT_EQ(output.exit_code, traces::kComplete);
  EXPECT_LE(widest_line(output.text), 100U);
  for (const auto specs : {alloc::allocator_specs(), alloc::scorer_specs()}) {
    for (const alloc::ComponentSpec& spec : specs) {
      EXPECT_NE(output.text.find(spec.source), std::string::npos) << spec.name;
      for (const alloc::ParameterSpec& parameter : spec.parameters) {
        EXPECT_NE(output.text.find(parameter.meaning), std::string::npos) << parameter.key;
      }
    }
  }
}

TEST(StrategiesCommand, prints_the_registry_as_json) {
  const auto all = nlohmann::json::parse(run(strategies_command, {"--json"}).text);
  EXPECT_EQ(all["allocators"].size(), alloc::allocator_specs().size());
  EXPECT_EQ(all["scorers"][0]["name"], "rkv");
  EXPECT_EQ(all["scorers"][0]["parameters"][0]["default"], "0.1");
  EXPECT_EQ(all["scorers"][0]["parameters"][1]["odd"], true);
}

TEST(StrategiesCommand, takes_no_arguments) {
  EXPECT_THROW(run(strategies_command, {"extra"}), traces::UsageError);
  EXPECT_THROW(run(strategies_command, {"--jsno"}), traces::UsageError);
}

class TraceCommands : public testing::Test {
 protected:
  std::string trace(const std::string& name = "t.h5", const SyntheticOptions& options = {}, const RowEdit& edit = {}) {
    write_synthetic(folder_ / name, options, edit);
    return (folder_ / name).string();
  }
  std::string path(const std::string& name) { return (folder_ / name).string(); }

  TemporaryFolder folder_;
};

TEST_F(TraceCommands, calibrate_draws_the_wave_and_writes_the_profile) {
  const std::string a = trace("a.h5");
  SyntheticOptions other;
  other.seed = 9;
  const std::string b = trace("b.h5", other);
  const Output output = run(calibrate_command, {a, b, "-o", path("p.json"), "--rho", "0.8", "--budget", "32"});
  EXPECT_EQ(output.exit_code, traces::kComplete);
  EXPECT_NE(output.text.find("Reasoning Wave of synthetic: mean N(0.8) by layer, 2 traces, 120 decode rows"),
            std::string::npos);
  EXPECT_NE(output.text.find("total 192 entries, uniform 192"), std::string::npos);
  const Profile profile = read_profile(path("p.json"));
  EXPECT_EQ(profile.rho, 0.8);
  EXPECT_EQ(profile.traces.size(), 2U);

  const Output as_text = run(calibrate_command, {a, b, "-o", "-", "--rho", "0.8"});
  EXPECT_EQ(as_text.text, to_json(profile)) << "nothing but the profile";
}

TEST_F(TraceCommands, calibrate_keeps_an_existing_profile_unless_forced) {
  const std::string a = trace();
  std::ofstream(path("p.json")) << "precious";
  EXPECT_THROW(run(calibrate_command, {a, "-o", path("p.json")}), traces::OutputExists);
  EXPECT_EQ(run(calibrate_command, {a, "-o", path("p.json"), "-f"}).exit_code, traces::kComplete);
}

TEST_F(TraceCommands, calibrate_names_what_is_wrong_with_its_arguments) {
  const std::string a = trace();
  EXPECT_THROW(run(calibrate_command, {}), traces::UsageError);
  EXPECT_THROW(run(calibrate_command, {a, "--rho", "1.5"}), traces::UsageError);
  EXPECT_THROW(run(calibrate_command, {a, "--budget", "8"}), traces::UsageError);
  EXPECT_THROW(run(calibrate_command, {a, "--rho", "0.77"}), NothingToCompute);
  EXPECT_THROW(run(calibrate_command, {path("absent.h5")}), traces::NotATrace);
  SyntheticOptions options;
  options.levels.stats = false;
  EXPECT_THROW(run(calibrate_command, {trace("s.h5", options)}), traces::MissingLevel);
}

TEST_F(TraceCommands, verify_returns_0_for_a_good_trace_and_1_for_a_bad_one) {
  const Output good = run(verify_command, {trace(), "--quiet", "--threads", "1"});
  EXPECT_EQ(good.exit_code, traces::kComplete);
  EXPECT_NE(good.text.find("\npassed\n"), std::string::npos);
  const auto edit = [](traces::TraceRow& row) {
    if (row.position == 60) row.demand[(1 * 4 + 2) * 6] += 3;
  };
  const Output bad = run(verify_command, {trace("bad.h5", {}, edit)});
  EXPECT_EQ(bad.exit_code, traces::kFailure);
  EXPECT_NE(bad.text.find("position 60, layer 1, q_head 2"), std::string::npos);
  EXPECT_NE(bad.text.find("\nFAILED: "), std::string::npos);
}

TEST_F(TraceCommands, verify_prints_json) {
  SyntheticOptions options;
  options.levels.tokens = false;
  const auto all = nlohmann::json::parse(run(verify_command, {trace("t.h5", options), "--json", "--rows", "7"}).text);
  EXPECT_EQ(all["passed"], true);
  EXPECT_EQ(all["rows_checked"], 7);
  EXPECT_EQ(all["rows_present"], 68);
  EXPECT_EQ(all["not_checked"].size(), 1U);
}

TEST_F(TraceCommands, verify_takes_one_trace_and_positive_numbers) {
  const std::string a = trace();
  EXPECT_THROW(run(verify_command, {}), traces::UsageError);
  EXPECT_THROW(run(verify_command, {a, a}), traces::UsageError);
  EXPECT_THROW(run(verify_command, {a, "--rows", "0"}), traces::UsageError);
  EXPECT_THROW(run(verify_command, {a, "--threads", "-1"}), traces::UsageError);
  EXPECT_THROW(run(verify_command, {path("absent.h5")}), traces::NotATrace);
}

}  // namespace
}  // namespace kvwave::replay
