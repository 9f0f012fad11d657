// `kvwave merge`: the results of shards (or of several runs with equal settings) as those of one run.
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "replay/commands.h"
#include "replay/report_ledger.h"
#include "replay/report_table.h"
#include "replay/results_join.h"
#include "traces/command_line.h"
#include "traces/command_options.h"

namespace kvwave::replay {
namespace {

constexpr std::string_view kMergeUsage =
    "usage: kvwave merge RESULTS.h5... [-o MERGED.h5] [--csv FILE] [--json FILE] [--statistics FILE]\n"
    "       [--ledger] [--ledger-csv FILE]\n"
    "Joins the results of `kvwave replay --shard I/N` byte for byte as one run would have written them. Results of\n"
    "other runs with the same settings join too, in the order given.";

}  // namespace

int merge_command(std::span<const std::string> args) {
  namespace po = boost::program_options;
  po::options_description options;
  auto add = options.add_options();
  add("output,o", po::value<std::string>(), "results.h5 to write");
  add("csv", po::value<std::string>(), "tidy table to write; - is stdout instead of the report");
  add("json", po::value<std::string>(), "manifest to write; - is stdout instead of the report");
  add("statistics", po::value<std::string>(), "CSV of figures and differences with intervals; - is stdout");
  add("ledger", "print requested against realised memory after the table");
  add("ledger-csv", po::value<std::string>(), "the ledger to write, per layer and KV head; - is stdout");
  add("force,f", "replace existing outputs");
  const auto values = traces::parse_options(kMergeUsage, options, "results", args);
  if (!values) return traces::kComplete;
  if (!values->contains("results")) throw traces::UsageError("merge needs at least one results file");
  const auto text = [&](const char* name) {
    return values->contains(name) ? (*values)[name].as<std::string>() : std::string();
  };
  const ReportOutputs outputs{text("output"),     text("csv"),        text("json"),
                              text("statistics"), text("ledger-csv"), values->contains("force")};
  check_outputs(outputs);
  std::vector<std::filesystem::path> files;
  for (const std::string& file : (*values)["results"].as<std::vector<std::string>>()) files.emplace_back(file);
  const ResultsJoin join = ResultsJoin::of_files(files);
  const Report report = join.report(std::nullopt);
  join.write(report, outputs);
  if (!outputs.uses_stdout()) {
    fmt::print("{}{}", report_table(report), values->contains("ledger") ? report_ledger_table(report) : "");
  }
  return traces::kComplete;
}

}  // namespace kvwave::replay
