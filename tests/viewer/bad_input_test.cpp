// What people open by mistake: the viewer says what is wrong and goes on.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include <gtest/gtest.h>

#include "tests/temporary_folder.h"
#include "tests/viewer/small_results.h"
#include "traces/reader.h"
#include "viewer/model/session.h"

namespace kvwave::viewer {
namespace {

std::string message_after(Session& session, const std::filesystem::path& path) {
  session.open(path);
  session.wait();
  std::string all;
  for (const std::string& message : session.take_messages()) all += message + "\n";
  return all;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(BadInput, a_file_of_another_kind_is_named) {
  const TemporaryFolder folder;
  std::ofstream(folder / "notes.txt") << "nothing of ours";
  std::ofstream(folder / "other.json") << "{\"a\": 1}";
  std::ofstream(folder / "empty.h5");
  Session session;
  EXPECT_TRUE(has(message_after(session, folder / "notes.txt"), "notes.txt"));
  EXPECT_TRUE(has(message_after(session, folder / "other.json"), "other.json"));
  EXPECT_TRUE(has(message_after(session, folder / "empty.h5"), "empty.h5"));
  EXPECT_TRUE(has(message_after(session, folder / "absent.h5"), "absent.h5"));
  EXPECT_FALSE(session.has_trace());
  EXPECT_EQ(session.figure("wave").figure, nullptr);
}

TEST(BadInput, results_or_a_profile_alone_say_which_trace_is_missing) {
  const TemporaryFolder folder;
  Session session;
  EXPECT_EQ(session.missing_trace(), "");
  EXPECT_EQ(message_after(session, small_results().results), "") << "no mistake: the trace may come next";
  EXPECT_TRUE(has(session.missing_trace(), "results.h5") && has(session.missing_trace(), "small.h5"))
      << session.missing_trace();
  session.open(small_results().trace);
  session.wait();
  EXPECT_EQ(session.missing_trace(), "");
  EXPECT_TRUE(session.has_results());
}

TEST(BadInput, results_of_another_trace_say_whose_they_are) {
  const TemporaryFolder folder;
  replay::SyntheticOptions options;
  options.n_positions = 90;
  replay::write_synthetic(folder / "mine.h5", options);
  Session session;
  session.open(folder / "mine.h5");
  const std::string message = message_after(session, small_results().results);
  EXPECT_TRUE(has(message, "small.h5")) << message;
  EXPECT_TRUE(has(message, "not of mine.h5")) << message;
  EXPECT_FALSE(session.has_results());
}

TEST(BadInput, results_of_an_equally_long_trace_are_told_by_content) {
  const TemporaryFolder folder;
  replay::SyntheticOptions options = small_results().options;
  options.seed = 99;
  replay::write_synthetic(folder / "small.h5", options);  // same name, same sizes, other numbers
  Session session;
  session.open(folder / "small.h5");
  const std::string message = message_after(session, small_results().results);
  EXPECT_TRUE(has(message, "which small.h5 does not have")) << message;
  EXPECT_FALSE(session.has_results());
}

TEST(BadInput, a_truncated_trace_is_refused_or_shown_as_far_as_it_goes) {
  const TemporaryFolder folder;
  const auto size = std::filesystem::file_size(small_results().trace);
  for (const double share : {0.1, 0.5, 0.95}) {
    std::filesystem::copy_file(small_results().trace, folder / "cut.h5",
                               std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(folder / "cut.h5", static_cast<std::uintmax_t>(static_cast<double>(size) * share));
    Session session;
    const std::string message = message_after(session, folder / "cut.h5");
    EXPECT_TRUE(session.has_trace() || has(message, "cut.h5")) << share << ": " << message;
  }
}

TEST(BadInput, missing_levels_say_how_to_record_them) {
  const TemporaryFolder folder;
  replay::SyntheticOptions options;
  options.levels = traces::Levels::parse("qkv");
  replay::write_synthetic(folder / "qkv.h5", options);
  Session session;
  session.open(folder / "qkv.h5");
  session.wait();
  for (const char* name : {"wave", "wave-time", "heads-all", "tokens"}) {
    session.figure(name);
    session.wait();
    EXPECT_TRUE(has(session.figure(name).error, "--levels")) << name << ": " << session.figure(name).error;
  }
  session.figure("compare");
  session.figure("attention-row");
  session.wait();
  EXPECT_TRUE(has(session.figure("compare").error, "kvwave replay"));
  EXPECT_NE(session.figure("attention-row").figure, nullptr);
}

TEST(BadInput, stored_rows_serve_where_q_and_k_are_missing) {
  const TemporaryFolder folder;
  replay::SyntheticOptions options;
  options.levels = traces::Levels::parse("attention");
  replay::write_synthetic(folder / "rows.h5", options);
  Session session;
  session.open(folder / "rows.h5");
  session.wait();
  session.figure("attention-row");
  session.wait();
  const auto figure = session.figure("attention-row").figure;
  ASSERT_NE(figure, nullptr);
  EXPECT_TRUE(has(figure->notes.front(), "not stored")) << figure->notes.front();
}

TEST(BadInput, one_layer_one_head_one_step_and_no_step) {
  const TemporaryFolder folder;
  replay::SyntheticOptions options;
  options.shape = {.n_layers = 1, .n_q_heads = 1, .n_kv_heads = 1, .head_dim = 4};
  for (const std::uint32_t steps : {1U, 0U}) {
    options.n_positions = options.n_prompt + steps;
    replay::write_synthetic(folder / "tiny.h5", options);
    Session session;
    session.open(folder / "tiny.h5");
    session.wait();
    ASSERT_TRUE(session.has_trace());
    for (const FigureEntry& entry : figure_list()) {
      session.figure(entry.name);
      session.wait();
      const FigureSlot& slot = session.figure(entry.name);
      EXPECT_TRUE(slot.figure != nullptr || !slot.error.empty()) << entry.name;
    }
    EXPECT_EQ(session.figure("wave").figure != nullptr, steps == 1);
  }
}

TEST(BadInput, a_newer_version_is_named_and_nothing_is_guessed) {
  const TemporaryFolder folder;
  std::ofstream(folder / "profile.json") << R"({"kvwave_profile": 99})";
  Session session;
  const std::string message = message_after(session, folder / "profile.json");
  EXPECT_TRUE(has(message, "profile.json") && has(message, "99")) << message;
  EXPECT_EQ(session.profile(), nullptr);
}

TEST(BadInput, a_wrong_file_opened_instead_leaves_what_is_open) {
  const TemporaryFolder folder;
  std::ofstream(folder / "notes.txt") << "nothing of ours";
  Session session;
  open_small_results(session);
  session.open(folder / "notes.txt", Session::Beside::no);
  session.wait();
  EXPECT_TRUE(has(session.take_messages().front(), "notes.txt"));
  ASSERT_TRUE(session.has_trace());
  EXPECT_TRUE(session.has_results());
}

TEST(BadInput, values_that_are_no_numbers_are_counted_and_drawn_around) {
  const TemporaryFolder folder;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  replay::SyntheticTrace trace = replay::make_synthetic(small_results().options);
  const std::size_t per = trace.k.size() / trace.n_positions;
  std::fill_n(trace.k.begin() + static_cast<std::ptrdiff_t>(50 * per), per, nan);
  replay::write_trace(folder / "nan.h5", replay::make_synthetic(small_results().options), small_results().options,
                      [](traces::TraceRow& row) { row.nan_count = 3; });
  Session counted;
  counted.open(folder / "nan.h5");
  counted.wait();
  EXPECT_TRUE(has(counted.take_messages().front(), "not finite"));
  Session session;
  replay::write_trace(folder / "keys.h5", trace, small_results().options);
  session.open(folder / "keys.h5");
  session.wait();
  for (const FigureEntry& entry : figure_list()) {
    session.figure(entry.name);
    session.wait();
    const FigureSlot& slot = session.figure(entry.name);
    EXPECT_TRUE(slot.figure != nullptr || !slot.error.empty()) << entry.name;
    if (!slot.figure) continue;
    EXPECT_TRUE(std::isfinite(slot.figure->x.low) && std::isfinite(slot.figure->x.high)) << entry.name;
    EXPECT_TRUE(std::isfinite(slot.figure->y.low) && std::isfinite(slot.figure->y.high)) << entry.name;
  }
}

TEST(BadInput, a_file_that_vanishes_while_open_leaves_the_rest_standing) {
  const TemporaryFolder folder;
  std::filesystem::copy_file(small_results().trace, folder / "going.h5");
  Session session;
  session.open(folder / "going.h5");
  session.wait();
  std::filesystem::remove(folder / "going.h5");
  session.figure("heads-all");  // the slow lane's reader is opened only now
  session.figure("wave");
  session.wait();
  EXPECT_NE(session.figure("wave").figure, nullptr);
  EXPECT_TRUE(session.figure("heads-all").figure != nullptr || has(session.figure("heads-all").error, "going.h5"));
}

}  // namespace
}  // namespace kvwave::viewer
