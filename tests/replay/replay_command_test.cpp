// The command `replay` from recorded files to its table, CSV, manifest and results.h5, and its refusals.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "alloc/error.h"
#include "kernels/error.h"
#include "replay/commands.h"
#include "replay/error.h"
#include "replay/profile.h"
#include "replay/sequence.h"
#include "tests/file_bytes.h"
#include "tests/replay/synthetic_trace.h"
#include "traces/array_file.h"
#include "traces/command_line.h"
#include "traces/error.h"

namespace kvwave::replay {
namespace {

using Words = std::vector<std::string>;

struct Outcome {
  int code = 0;
  std::string out, err;
};

class ReplayCommand : public ::testing::Test {
 protected:
  // 300 positions so that triggers every 128 positions fire.
  std::string trace(const std::string& name, std::uint64_t seed = 1,
                    const traces::Levels& levels = {.tokens = true, .stats = true, .attention = true, .qkv = true},
                    const std::string& model = "synthetic", std::uint32_t n_positions = 300) {
    SyntheticOptions options;
    options.shape = {.n_layers = 2, .n_q_heads = 4, .n_kv_heads = 2, .head_dim = 8};
    options.n_positions = n_positions;
    options.seed = seed;
    options.levels = levels;
    options.model_name = model;
    options.model_sha256 = std::string(64, model == "synthetic" ? 'a' : 'c');
    write_synthetic(folder_ / name, options);
    return (folder_ / name).string();
  }
  std::string file(const std::string& name) const { return (folder_ / name).string(); }

  Outcome run(Words words) {
    words.push_back("--quiet");
    ::testing::internal::CaptureStdout();
    ::testing::internal::CaptureStderr();
    Outcome outcome;
    std::exception_ptr thrown;
    try {
      outcome.code = replay_command(words);
    } catch (...) {
      thrown = std::current_exception();
    }
    std::fflush(stdout);
    outcome.out = ::testing::internal::GetCapturedStdout();
    outcome.err = ::testing::internal::GetCapturedStderr();
    if (thrown) std::rethrow_exception(thrown);
    return outcome;
  }
  template <class Error>
  std::string refusal(const Words& words) {
    try {
      run(words);
    } catch (const Error& error) {
      return error.what();
    }
    ADD_FAILURE() << "was not refused as expected";
    return "";
  }

  TemporaryFolder folder_;
};

void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "'" << part << "' is not in: " << text;
}

TEST_F(ReplayCommand, prints_a_table_of_at_most_100_columns_that_says_open_loop) {
  const Outcome outcome = run({trace("a.h5"), "-b", "32,64"});
  EXPECT_EQ(outcome.code, traces::kComplete);
  std::istringstream lines(outcome.out);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100U) << line;
  expect_contains(outcome.out, "Open-loop replay");
  expect_contains(outcome.out, "in-sample profile");
  expect_contains(outcome.out, "budget 32");
  for (const char* const name : {"reasonalloc/rkv", "uniform/snapkv", "pyramid/rkv", "full", "ceiling",
                                 "uniform/oracle", "uniform/streaming", "uniform/random"}) {
    expect_contains(outcome.out, name);
  }
  EXPECT_EQ(outcome.err, "");
}

TEST_F(ReplayCommand, csv_has_the_promised_header_and_one_row_per_kv_head) {
  run({trace("a.h5"), "-b", "32", "-s", "uniform/rkv:lambda=0.2,window=4", "--no-controls", "--csv", file("a.csv")});
  std::istringstream lines(file_bytes(file("a.csv")));
  std::string header, row;
  std::getline(lines, header);
  EXPECT_TRUE(
      header.starts_with("trace,strategy,budget,layer,kv_head,requested,realised_mean,realised_peak,retained_mass,"
                         "retained_mass_lo,retained_mass_hi,output_error,"));
  std::getline(lines, row);
  expect_contains(row, "a.h5,\"uniform/rkv:lambda=0.2,window=4\",32,0,0,32,");
  int more = 0;
  while (std::getline(lines, row)) ++more;
  EXPECT_EQ(more, 3) << "2 layers x 2 KV heads";
}

TEST_F(ReplayCommand, outputs_are_equal_byte_for_byte_for_any_number_of_threads) {
  const std::string input = trace("a.h5");
  for (const std::string threads : {"1", "2", "3"}) {
    run({input, "-b", "32,48", "--threads", threads, "-o", file(threads + ".h5"), "--csv", file(threads + ".csv"),
         "--json", file(threads + ".json")});
  }
  for (const std::string ending : {".h5", ".csv", ".json"}) {
    const std::string one = file_bytes(file("1" + ending));
    EXPECT_GT(one.size(), 1000U);
    EXPECT_TRUE(one == file_bytes(file("2" + ending))) << ending;
    EXPECT_TRUE(one == file_bytes(file("3" + ending))) << ending;
  }
}

TEST_F(ReplayCommand, results_hold_what_their_specification_lists) {
  run({trace("a.h5"), trace("b.h5", 2), "-b", "32", "-s", "uniform/rkv", "-s", "reasonalloc/rkv", "-o", file("r.h5")});
  const traces::ArrayFileReader results(file("r.h5"));
  EXPECT_EQ(results.text_attribute("/", "format"), "kvwave-results");
  const std::vector<std::string> strategies = results.strings("/config/strategy");
  const std::uint64_t n = strategies.size();
  EXPECT_EQ(n, 8U);
  EXPECT_EQ(results.strings("/config/kind")[2], "selection") << strategies[2];
  EXPECT_EQ(results.shape("/config/unequal_realised_mean"), (std::vector<std::uint64_t>{n}));
  using Shape = std::vector<std::uint64_t>;
  for (const std::string trace : {"/trace_0000", "/trace_0001"}) {
    EXPECT_EQ(results.number_attribute(trace, "n_steps"), 280);
    EXPECT_EQ(results.shape(trace + "/config_0001/evicted_at"), (Shape{2, 2, 300}));
    EXPECT_FALSE(results.has(trace + "/config_0002/evicted_at")) << "the full cache evicts nothing";
    const Shape history = results.shape(trace + "/config_0001/budget");
    EXPECT_EQ(history, (Shape{results.shape(trace + "/config_0001/refresh_step")[0], 2, 2}));
    for (const std::string metric : {"retained_mass", "recall_32", "output_error"}) {
      EXPECT_EQ(results.shape(trace + "/metric/" + metric + "/per_step"), (Shape{n, 280}));
      EXPECT_EQ(results.shape(trace + "/metric/" + metric + "/per_head"), (Shape{n, 2, 4}));
      EXPECT_EQ(results.shape(trace + "/metric/" + metric + "/per_layer"), (Shape{n, 2}));
      EXPECT_EQ(results.shape(trace + "/metric/" + metric + "/binned"), (Shape{n, 18, 2, 4}));
    }
    EXPECT_EQ(results.shape(trace + "/config_0000/resident"), (Shape{18, 2, 2}));
    EXPECT_EQ(results.shape(trace + "/figure/place_oracle"), (Shape{n}));
    EXPECT_EQ(results.shape(trace + "/layer/output_error"), (Shape{n, 2}));
    EXPECT_EQ(results.shape(trace + "/kv_head/realised_steady"), (Shape{n, 2, 2}));
    EXPECT_FALSE(results.has(trace + "/layer/realised_peak")) << "peaks are of KV heads and of the configuration";
    const std::vector<std::int32_t> evicted = results.ints(trace + "/config_0000/evicted_at");
    EXPECT_EQ(evicted[299], kNever);
    const std::vector<float> mass = results.floats(trace + "/metric/retained_mass/per_step");
    for (const float m : mass) EXPECT_TRUE(m >= 0 && m <= 1.0001F);
  }
}

TEST_F(ReplayCommand, ledger_shows_asked_and_realised_memory_in_pages) {
  const Words words = {trace("a.h5"),
                       "-b",
                       "40",
                       "-s",
                       "uniform/rkv:buffer=16",
                       "-s",
                       "pyramid/rkv:buffer=16",
                       "--page",
                       "16",
                       "--match-memory",
                       "--ledger",
                       "--ledger-csv",
                       file("l.csv")};
  const Outcome outcome = run(words);
  expect_contains(outcome.out, "ledger, entries per KV head");
  expect_contains(outcome.out, "held in pages of 16\nmemory matched: `asked` is memory");
  expect_contains(outcome.out, "memory matched: budgets are asked memory");
  expect_contains(outcome.out, "entries are held in pages of 16");
  expect_contains(outcome.out, "@ N: runs with budget N");
  std::istringstream lines(outcome.out);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100U) << line;
  std::istringstream ledger(file_bytes(file("l.csv")));
  std::string header, first;
  std::getline(ledger, header);
  std::getline(ledger, first);
  EXPECT_TRUE(header.starts_with("trace,strategy,budget,layer,kv_head,solved_budget,kind,caches,page,requested,"));
  expect_contains(first, "a.h5,uniform/rkv:buffer=16,40,,,");
  expect_contains(first, ",destructive,kv_head,16,");
}

TEST_F(ReplayCommand, protection_is_explained_when_asked_for) {
  const Outcome outcome = run({trace("a.h5"), "-b", "40", "-s", "uniform/rkv:buffer=16", "--explain-protection"});
  expect_contains(outcome.out, "of the gain over chance, protection alone explains: uniform/rkv:buffer=16");
  expect_contains(outcome.out, "random-score(uniform/rkv:buffer=16)");
  expect_contains(outcome.out, "unprotected(uniform/rkv:buffer=16)");
}

TEST_F(ReplayCommand, manifest_is_json_with_inputs_settings_and_flags) {
  run({trace("a.h5"), trace("b.h5", 2), "-b", "32", "-s", "uniform/rkv", "-s", "pyramid/rkv:buffer=16", "--json",
       file("m.json")});
  const auto json = nlohmann::json::parse(file_bytes(file("m.json")));
  EXPECT_EQ(json["kvwave_replay"], 1);
  EXPECT_EQ(json["traces"].size(), 2U);
  EXPECT_EQ(json["traces"][0]["content_sha256"].get<std::string>().size(), 64U);
  EXPECT_TRUE(json["profiles"].empty());
  const auto& pyramid = json["configurations"][1];
  EXPECT_EQ(pyramid["baseline"], "uniform/rkv");
  EXPECT_EQ(pyramid["compared_with"], "uniform/rkv");
  const auto& mass = pyramid["differences"]["retained_mass"];
  EXPECT_EQ(mass["n"], 2);
  EXPECT_LE(mass["low"], mass["difference"]);
  EXPECT_GE(mass["high"], mass["difference"]);
  EXPECT_TRUE(json["statistics"]["few_traces"]);
  const auto& flags = pyramid["flags"];
  EXPECT_NE(std::find(flags.begin(), flags.end(), "unequal_realised_mean"), flags.end())
      << "cutting every 16 steps reads less than cutting every 128";
}

TEST_F(ReplayCommand, marks_a_profile_made_from_the_same_trace) {
  const std::string a = trace("a.h5"), b = trace("b.h5", 2);
  ASSERT_EQ(calibrate_command(Words{a, "-o", file("p.json")}), traces::kComplete);
  const Words base = {"-b", "32", "-s", "reasonalloc/rkv", "--no-controls", "--profile", file("p.json"), "--json", "-"};
  const auto in_sample = [&](const std::string& input) {
    Words words = {input};
    words.insert(words.end(), base.begin(), base.end());
    return nlohmann::json::parse(run(words).out)["profiles"][0]["in_sample"].get<bool>();
  };
  EXPECT_TRUE(in_sample(a));
  EXPECT_FALSE(in_sample(b));
}

TEST_F(ReplayCommand, warns_about_a_profile_of_another_model) {
  const std::string other = trace("other.h5", 3, {}, "another");
  ASSERT_EQ(calibrate_command(Words{other, "-o", file("p.json")}), traces::kComplete);
  const Outcome outcome = run({trace("a.h5"), "-b", "32", "-s", "reasonalloc/rkv", "--profile", file("p.json")});
  expect_contains(outcome.err,
                  "warning: profile " + file("p.json") + " was made from another, not from the replayed synthetic");
  expect_contains(outcome.out, "was made from another");
  expect_contains(outcome.err, "from theirs on average (W1)");
}

class TrapTruncatedRows : public ReplayCommand {};

TEST_F(TrapTruncatedRows, stored_rows_give_bounds_around_the_exact_mass) {
  const traces::Levels without_qkv{.tokens = true, .stats = true, .attention = true, .qkv = false};
  const Words rest = {"-b", "32", "-s", "uniform/streaming", "--no-controls", "--csv", "-"};
  const auto csv = [&](const std::string& input) {
    Words words = {input};
    words.insert(words.end(), rest.begin(), rest.end());
    std::vector<std::vector<double>> rows;
    std::istringstream lines(run(words).out);
    std::string line;
    std::getline(lines, line);
    while (std::getline(lines, line)) {
      std::istringstream fields(line);
      std::vector<double> row;
      for (std::string field; std::getline(fields, field, ',');) row.push_back(std::atof(field.c_str()));
      rows.push_back(row);
    }
    return rows;
  };
  const auto exact = csv(trace("exact.h5")), bounds = csv(trace("bounds.h5", 1, without_qkv));
  ASSERT_EQ(exact.size(), bounds.size());
  for (std::size_t i = 0; i < exact.size(); ++i) {
    EXPECT_EQ(exact[i][9], exact[i][10]) << "exact rows need no bounds";
    EXPECT_LT(bounds[i][9], bounds[i][10]);
    EXPECT_LE(bounds[i][9], exact[i][8] + 1e-6);
    EXPECT_GE(bounds[i][10], exact[i][8] - 1e-6);
  }
}

TEST_F(ReplayCommand, missing_levels_name_the_strategy_and_the_remedy) {
  const std::string input = trace("a.h5", 1, {.tokens = true, .stats = true, .attention = true, .qkv = false});
  const std::string message = refusal<traces::MissingLevel>({input, "-b", "32", "-s", "uniform/rkv"});
  expect_contains(message, "uniform/rkv needs queries, keys (level qkv)");
  expect_contains(message, "--levels");
}

TEST_F(ReplayCommand, reports_what_moved_budget_could_not_be_filled) {
  const Words words = {
      trace("a.h5"),  "-b",          "40",       "-s",           "reasonalloc-dynamic/snapkv:buffer=16",
      "-s",           "uniform/rkv", "--ledger", "-o",           file("r.h5"),
      "--ledger-csv", file("l.csv"), "--json",   file("m.json"), "--no-controls"};
  const Outcome outcome = run(words);
  const auto json = nlohmann::json::parse(file_bytes(file("m.json")));
  const auto& figures = json["configurations"][0]["figures"];
  const double unused = figures["granted_unused"];
  EXPECT_GE(unused, 0);
  EXPECT_EQ(outcome.out.find("could not be filled when granted") != std::string::npos, unused >= 0.001);
  EXPECT_TRUE(json["configurations"][1]["figures"]["granted_unused"].is_null());
  std::istringstream ledger(file_bytes(file("l.csv")));
  std::string header, first;
  std::getline(ledger, header);
  std::getline(ledger, first);
  expect_contains(header, "granted_unused,floors_hit,caps_hit");
  const traces::ArrayFileReader results(file("r.h5"));
  EXPECT_DOUBLE_EQ(results.doubles("/config/figure/granted_unused")[0], unused);
}

TEST_F(ReplayCommand, flags_scorers_that_hold_less_at_the_same_budget) {
  const auto flags = [&](const Words& more) {
    Words words = {trace("a.h5"),   "-b",     "32", "-s", "uniform/rkv", "-s", "uniform/tova",
                   "--no-controls", "--json", "-"};
    words.insert(words.end(), more.begin(), more.end());
    return nlohmann::json::parse(run(words).out)["configurations"][1]["flags"].size();
  };
  EXPECT_EQ(flags({}), 2U) << "a cut in every step reads 33 entries, R-KV up to 160: mean and peak differ";
  EXPECT_EQ(flags({"--baseline", "uniform/tova"}), 0U) << "nothing is compared with R-KV then";
}

TEST_F(ReplayCommand, names_every_strategy_whose_memory_a_flagged_one_does_not_match) {
  // pyramid/tova is compared with uniform/tova, which has its scorer, and with uniform/rkv, which differences go to.
  const Words words = {trace("a.h5"),
                       "-b",
                       "32",
                       "-s",
                       "uniform/rkv",
                       "-s",
                       "uniform/tova",
                       "-s",
                       "pyramid:total=upstream/tova",
                       "--no-controls",
                       "--ledger",
                       "--ledger-csv",
                       file("l.csv"),
                       "--json",
                       file("m.json"),
                       "-o",
                       file("r.h5")};
  const Outcome outcome = run(words);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto json = nlohmann::json::parse(file_bytes(file("m.json")));
  const auto unequal_to = [&](std::size_t c) { return json["configurations"][c]["unequal_to"].get<Words>(); };
  EXPECT_EQ(unequal_to(0), Words());
  EXPECT_EQ(unequal_to(1), Words{"uniform/rkv"});
  EXPECT_EQ(unequal_to(2), (Words{"uniform/tova", "uniform/rkv"}));
  expect_contains(outcome.out, "memory differs from uniform/tova; uniform/rkv");
  const traces::ArrayFileReader results(file("r.h5"));
  EXPECT_EQ(results.strings("/config/unequal_to"), (Words{"", "uniform/rkv", "uniform/tova; uniform/rkv"}));
  std::istringstream ledger(file_bytes(file("l.csv")));
  Words ends;
  for (std::string line; std::getline(ledger, line);) {
    if (line.find(",32,,,") != std::string::npos) ends.push_back(line.substr(line.rfind(",,") + 2));
  }
  EXPECT_EQ(ends, (Words{"0,0,uniform/rkv,0,0,", "0,0,uniform/rkv,1,1,uniform/rkv",
                         "0,0,uniform/tova; uniform/rkv,1,1,uniform/tova; uniform/rkv"}))
      << "floors_hit, caps_hit, then who is compared, and who differs";
}

TEST_F(ReplayCommand, newline_triggers_read_the_recorded_tokens_or_name_what_is_missing) {
  SyntheticOptions options;
  options.shape = {.n_layers = 2, .n_q_heads = 4, .n_kv_heads = 2, .head_dim = 8};
  options.n_positions = 120;
  write_synthetic(folder_ / "lines.h5", options, [](traces::TraceRow& row) {
    if (row.position == 70 || row.position == 100) row.token_bytes = ".\n";
    if (row.position == 80) row.token_bytes = "</thi";
    if (row.position == 81) row.token_bytes = "nk> ";
  });
  const auto refreshes = [&](const std::string& strategy) {
    run({file("lines.h5"), "-b", "30", "-s", strategy, "-o", file("n.h5"), "-f", "--no-controls"});
    const traces::ArrayFileReader results(file("n.h5"));
    std::vector<std::int32_t> evicted = results.ints("/trace_0000/config_0000/evicted_at");
    std::sort(evicted.begin(), evicted.end());
    evicted.erase(std::unique(evicted.begin(), evicted.end()), evicted.end());
    return evicted;
  };
  // The prompt has 20 positions; the step of position 70 is 50, and its drops show in 51.
  EXPECT_EQ(refreshes("uniform/rkv:trigger=newline"), (std::vector<std::int32_t>{51, 81, kNever}));
  EXPECT_EQ(refreshes("uniform/snapkv:trigger=newline,content=think"), (std::vector<std::int32_t>{51, kNever}));
  const std::string bare = trace("bare.h5", 1, {.tokens = false, .stats = true, .attention = false, .qkv = true});
  const std::string message = refusal<traces::MissingLevel>({bare, "-b", "32", "-s", "uniform/rkv:trigger=newline"});
  expect_contains(message, "uniform/rkv:trigger=newline needs tokens (level tokens)");
  expect_contains(message, "--levels");
}

TEST_F(ReplayCommand, refuses_bad_budgets) {
  const std::string input = trace("a.h5");
  expect_contains(refusal<traces::UsageError>({input, "-b", "0"}), "budget");
  expect_contains(refusal<traces::UsageError>({input, "-b", "64,-3"}), "-3");
  expect_contains(refusal<traces::UsageError>({input, "-b", "12x"}), "12x");
  expect_contains(refusal<alloc::BadBudget>({input, "-b", "8"}), "uniform/rkv at budget 8");
}

TEST_F(ReplayCommand, refuses_unknown_words_and_suggests_known_ones) {
  const std::string input = trace("a.h5");
  expect_contains(refusal<alloc::BadStrategy>({input, "-s", "unifrom/rkv"}), "uniform");
  expect_contains(refusal<alloc::BadStrategy>({input, "-s", "uniform/rkv:lamda=0.2"}), "lambda");
  expect_contains(refusal<traces::UsageError>({input, "--metrics", "mass,recal"}), "recall");
  expect_contains(refusal<traces::UsageError>({input, "--device", "gpu"}), "gpu");
  expect_contains(refusal<kernels::DeviceUnavailable>({input, "--device", "cuda:4096"}), "CUDA");
  expect_contains(refusal<traces::UsageError>({}), "at least one trace");
  expect_contains(refusal<traces::UsageError>({input, "--page", "0"}), "page");
  expect_contains(refusal<traces::UsageError>({input, "--csv", "-", "--ledger-csv", "-"}), "stdout");
}

TEST_F(ReplayCommand, refuses_traces_of_different_models) {
  const std::string a = trace("a.h5"), b = trace("b.h5", 2, {}, "another");
  const std::string message = refusal<UnequalTraces>({a, b, "-b", "32"});
  expect_contains(message, "a.h5");
  expect_contains(message, "b.h5");
  expect_contains(message, "none is given for synthetic and another");
  ASSERT_EQ(calibrate_command(Words{a, "-o", file("p.json")}), traces::kComplete);
  const std::string half = refusal<UnequalTraces>({a, b, "-b", "32", "--profile", file("p.json")});
  EXPECT_TRUE(half.ends_with("none is given for another")) << half;
}

TEST_F(ReplayCommand, refuses_existing_outputs_before_it_starts_to_work) {
  std::ofstream(file("r.csv")) << "mine";
  expect_contains(refusal<traces::OutputExists>({file("no_such_trace.h5"), "--csv", file("r.csv")}), "r.csv");
  EXPECT_EQ(file_bytes(file("r.csv")), "mine");
  EXPECT_EQ(run({trace("a.h5"), "-b", "32", "--csv", file("r.csv"), "-f"}).code, traces::kComplete);
  expect_contains(refusal<traces::UsageError>({file("a.h5"), "--csv", file("x"), "--json", file("x")}), "same name");
}

TEST_F(ReplayCommand, refuses_a_trace_without_decode_steps) {
  expect_contains(refusal<NothingToCompute>({trace("a.h5", 1, {}, "synthetic", 20), "-b", "32", "-s", "uniform/rkv"}),
                  "no decode step");
}

TEST_F(ReplayCommand, a_budget_beyond_the_sequence_is_said_not_averaged) {
  const Outcome outcome = run({trace("a.h5"), "-b", "4000", "-s", "uniform/rkv"});
  EXPECT_EQ(outcome.code, traces::kComplete);
  expect_contains(outcome.out, "budget 4000: no counted step");
}

TEST_F(ReplayCommand, metrics_that_are_left_out_stay_empty) {
  const Outcome outcome = run({trace("a.h5"), "-b", "32", "-s", "uniform/rkv", "--metrics", "mass", "--json", "-"});
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_TRUE(json["configurations"][0]["figures"]["output_error"].is_null());
  EXPECT_TRUE(json["configurations"][0]["figures"]["retained_mass"].is_number());
}

}  // namespace
}  // namespace kvwave::replay
