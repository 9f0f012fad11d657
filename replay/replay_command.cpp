// `kvwave replay`: what each strategy would lose, from recordings alone. Trace by trace: each is kept on disk when it
// is finished, and the outputs are joined from those files.
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "kernels/thread_pool.h"
#include "replay/commands.h"
#include "replay/error.h"
#include "replay/finished_traces.h"
#include "replay/memory_bound.h"
#include "replay/replay_arguments.h"
#include "replay/replay_plan.h"
#include "replay/report_ledger.h"
#include "replay/report_results.h"
#include "replay/report_table.h"
#include "replay/results_join.h"
#include "traces/command_line.h"
#include "traces/progress.h"
#include "traces/reader.h"

namespace kvwave::replay {
namespace {

struct Timing {
  double simulate = 0, evaluate = 0;  // seconds
  std::size_t n_simulations = 0;      // of one trace
  std::size_t n_traces = 0, n_kept = 0;
};

void print_timing(const Timing& timing, const FinishedTraces& finished) {
  if (timing.n_kept > 0) {
    fmt::print(stderr, "{} finished traces were kept from {}\n", timing.n_kept, finished.folder().string());
  }
  if (timing.n_traces == 0) return;
  const auto runs = static_cast<double>(timing.n_simulations * timing.n_traces);
  fmt::print(stderr, "{} simulations: phase 1 {:.2f} s ({:.0f} ms each), phase 2 {:.2f} s for all\n",
             timing.n_simulations, timing.simulate, 1e3 * timing.simulate / runs, timing.evaluate);
}

// Only rounding may make a device keep other entries than the CPU.
void print_comparison(const std::string& path, const SelectionCounts& counts) {
  fmt::print(stderr,
             "{}: {} selections, {} differ from the CPU's; largest gap of their scores {:.1e}, allowed {:.0e}\n", path,
             counts.n_selections, counts.n_different, counts.largest_gap, kScoreBound);
  if (counts.n_beyond == 0) return;
  throw Error(fmt::format("{}: {} of {} selections differ from the CPU's by more than rounding", path, counts.n_beyond,
                          counts.n_selections));
}

void replay_one(const ReplayPlan& plan, std::size_t index, const std::filesystem::path& file, bool show,
                kernels::ThreadPool& pool, Timing& timing) {
  const PlannedTrace& planned = plan.traces[index];
  const TraceSurvey& survey = planned.survey;
  const std::uint32_t n_layers = survey.sequence.n_layers;
  traces::ProgressBar bar(fmt::format("replay {}/{}", index + 1, plan.traces.size()), n_layers, show);
  const auto progress = [&](std::uint64_t done, std::uint64_t total) {
    bar.update(done * n_layers / total, fmt::format("{} of {}", done, total));
  };
  const traces::TraceReader trace(survey.path);
  const std::unique_ptr<TraceReplay> replay =
      replay_trace(trace, key_of(survey.content_sha256), plan.request, planned.demand, plan.options, pool, progress);
  if (replay->selections) print_comparison(survey.path, *replay->selections);
  ReportTrace entry;
  entry.path = survey.path;
  entry.content_sha256 = survey.content_sha256;
  entry.model_name = survey.model_name;
  entry.model_sha256 = survey.model_sha256;
  entry.device = plan.device;
  entry.sequence = replay->sequence;
  entry.value_bytes = survey.value_bytes;
  entry.repeated_8grams = survey.repeated_8grams;
  entry.stored_rows = replay->stored_rows;
  entry.in_sample = planned.in_sample;
  entry.profile_distance = planned.profile_distance;
  entry.summaries = summarise(*replay->sums, replay->sweep, entry.value_bytes);
  set_plan_figures(replay->sweep, replay->sequence, replay->replans, entry.summaries);
  Report shared = plan.shared;
  shared.configurations = replay->sweep.configurations;
  write_finished_trace(file, shared, entry, *replay, true);
  timing.simulate += replay->simulate_seconds;
  timing.evaluate += replay->evaluate_seconds;
  timing.n_simulations = replay->sweep.simulations.size();
  ++timing.n_traces;
}

void run(const ReplayArguments& arguments) {
  const ReplayPlan plan = plan_replay(arguments);
  FinishedTraces finished(arguments.outputs.results, arguments.resume, arguments.outputs.force);
  kernels::ThreadPool pool(arguments.threads);
  if (!arguments.quiet) fmt::print(stderr, "{}\n", memory_bound_text(plan, pool.size()));
  Timing timing;
  std::vector<std::filesystem::path> files;
  for (std::size_t t = 0; t < plan.traces.size(); ++t) {
    const std::string& hash = plan.traces[t].survey.content_sha256;
    files.push_back(finished.file(hash, plan.replay_sha256));
    if (arguments.resume && finished.has(hash, plan.replay_sha256)) {
      ++timing.n_kept;
      continue;
    }
    replay_one(plan, t, files.back(), !arguments.quiet, pool, timing);
  }
  const ResultsJoin join = ResultsJoin::of_run(files, plan.shard);
  const Report report = join.report(arguments.statistics);
  join.write(report, arguments.outputs);
  finished.remove();
  if (!arguments.outputs.uses_stdout()) {
    fmt::print("{}{}", report_table(report), arguments.ledger ? report_ledger_table(report) : "");
  }
  if (arguments.quiet) return;
  std::fflush(stdout);  // where both go to one place, the table comes first
  print_timing(timing, finished);
}

}  // namespace

int replay_command(std::span<const std::string> args) {
  const std::optional<ReplayArguments> arguments = parse_replay_arguments(args);
  if (!arguments) return traces::kComplete;
  const traces::InterruptGuard guard;
  try {
    run(*arguments);
  } catch (const Interrupted&) {
    fmt::print(stderr, "kvwave replay: interrupted, nothing was written{}\n",
               arguments->outputs.results.empty() ? "" : "; finished traces are kept, --resume continues");
    return traces::kInterrupted;
  }
  return traces::kComplete;
}

}  // namespace kvwave::replay
