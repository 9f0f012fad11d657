// `kvwave verify`: a table of what was recomputed, the largest differences and where they are.
#include <algorithm>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "replay/commands.h"
#include "replay/verify.h"
#include "traces/command_line.h"
#include "traces/command_options.h"
#include "traces/progress.h"

namespace kvwave::replay {
namespace {

constexpr std::string_view kVerifyUsage =
    "usage: kvwave verify TRACE [--rows N] [--threads N] [--json] [--quiet]\n"
    "Recomputes rows from q and k, and attention and statistics from rows; exit code 1 when one is out of bounds.";

std::string where(const Check& check) {
  if (!check.place) return check.note;
  if (check.difference == 0) return "-";
  return fmt::format("position {}, layer {}, q_head {}", check.place->position, check.place->layer,
                     check.place->q_head);
}

void print_report(const std::string& path, const VerifyReport& report) {
  fmt::print("{}: {} of {} rows recomputed\n\n", path, report.n_rows, report.n_rows_present);
  fmt::print("{:<38} {:>10} {:>8} {:>10} {:>9}  {}\n", "check", "compared", "outside", "worst", "allowed", "where");
  for (const Check& check : report.checks) {
    const bool numbers = check.place.has_value();
    fmt::print("{:<38} {:>10} {:>8} {:>10} {:>9}  {}\n", check.name, check.compared, check.outside,
               numbers ? fmt::format("{:.3g}", check.difference) : "-",
               numbers ? fmt::format("{:.3g}", check.allowed) : "-", where(check));
  }
  for (const std::string& line : report.skipped) fmt::print("not checked: {}\n", line);
  const auto failed =
      std::count_if(report.checks.begin(), report.checks.end(), [](const Check& check) { return check.outside > 0; });
  fmt::print("\n{}\n", failed == 0 ? "passed" : fmt::format("FAILED: {} of {} checks", failed, report.checks.size()));
}

void print_json(const std::string& path, const VerifyReport& report) {
  nlohmann::ordered_json checks = nlohmann::ordered_json::array();
  for (const Check& check : report.checks) {
    nlohmann::ordered_json item = {{"name", check.name}, {"compared", check.compared}, {"outside", check.outside}};
    if (check.place) {
      item["largest"] = check.difference;
      item["allowed"] = check.allowed;
      item["position"] = check.place->position;
      item["layer"] = check.place->layer;
      item["q_head"] = check.place->q_head;
    }
    if (!check.note.empty()) item["note"] = check.note;
    checks.push_back(std::move(item));
  }
  const nlohmann::ordered_json all = {{"trace", path},
                                      {"passed", report.passed()},
                                      {"complete", report.complete},
                                      {"rows_checked", report.n_rows},
                                      {"rows_present", report.n_rows_present},
                                      {"checks", checks},
                                      {"not_checked", report.skipped}};
  fmt::print("{}\n", all.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

}  // namespace

int verify_command(std::span<const std::string> args) {
  namespace po = boost::program_options;
  po::options_description options;
  options.add_options()("rows", po::value<std::string>(),
                        "check N evenly spaced rows (default: all, or what is quick)")(
      "threads", po::value<std::string>(), "worker threads (default: all cores)")("json", "print one JSON object")(
      "quiet", "no progress bar");
  const auto values = traces::parse_options(kVerifyUsage, options, "trace", args);
  if (!values) return traces::kComplete;
  if (!values->contains("trace") || (*values)["trace"].as<std::vector<std::string>>().size() != 1) {
    throw traces::UsageError("verify needs exactly one trace");
  }
  const auto number = [&](const char* name, std::int64_t high) {
    if (!values->contains(name)) return std::int64_t{0};
    return traces::parse_integer(name, (*values)[name].as<std::string>(), 1, high);
  };
  const std::string path = (*values)["trace"].as<std::vector<std::string>>().front();
  const traces::TraceReader trace(path);

  VerifyOptions verify_options;
  verify_options.max_rows = static_cast<std::uint32_t>(number("rows", 0xFFFFFFFF));
  verify_options.n_threads = static_cast<unsigned>(number("threads", 1024));
  VerifyReport report;
  {
    traces::ProgressBar bar("verify", rows_to_verify(trace, verify_options.max_rows).size(),
                            !values->contains("quiet"));
    verify_options.progress = [&](std::uint64_t done, std::uint64_t total) {
      bar.update(done, fmt::format("{} of {} rows", done, total));
    };
    report = verify(trace, verify_options);
  }
  if (values->contains("json")) {
    print_json(path, report);
  } else {
    print_report(path, report);
  }
  return report.passed() ? traces::kComplete : traces::kFailure;
}

}  // namespace kvwave::replay
