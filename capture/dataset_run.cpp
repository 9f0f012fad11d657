#include "capture/dataset_run.h"

#include <algorithm>
#include <map>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "capture/answer_check.h"
#include "capture/error.h"
#include "traces/command_line.h"
#include "traces/error.h"

namespace kvwave::capture {
namespace {

namespace fs = std::filesystem;
using traces::StopReason;

bool ended(StopReason reason) {
  return reason != StopReason::running && reason != StopReason::interrupted && reason != StopReason::failed;
}

std::string program_of(const traces::TraceInfo& info) {
  return fmt::format("{} ({})", info.program_version, info.program_commit);
}

// What runs killed while they replaced the manifest left beside it.
void remove_halves(const fs::path& manifest) {
  std::error_code error;
  std::vector<fs::path> halves;
  const std::string front = manifest.filename().string() + ".tmp";
  for (const fs::directory_entry& entry : fs::directory_iterator(manifest.parent_path(), error)) {
    if (entry.path().filename().string().starts_with(front)) halves.push_back(entry.path());
  }
  for (const fs::path& half : halves) fs::remove(half, error);
}

}  // namespace

std::string dataset_settings(const CaptureOptions& options, const traces::TraceInfo& any) {
  nlohmann::ordered_json json;
  json["model_name"] = any.model_name;
  json["architecture"] = any.architecture;
  json["model_sha256"] = any.model_sha256;
  json["tokenizer_sha256"] = any.tokenizer_sha256;
  nlohmann::ordered_json sampling = nlohmann::ordered_json::parse(any.sampling);
  sampling.erase("continuation_sha256");  // of one line
  json["sampling"] = sampling;
  json["seed"] = options.decode.sampling.seed;
  json["samples"] = options.samples;
  json["max_tokens"] = options.decode.max_tokens ? nlohmann::ordered_json(*options.decode.max_tokens) : nullptr;
  json["levels"] = any.levels.to_string();
  json["epsilon"] = any.epsilon;
  json["rho"] = any.rho;
  json["prompt_window"] = any.prompt_window;
  json["qkv_dtype"] = traces::to_string(any.qkv_dtype);
  json["attention_dtype"] = traces::to_string(any.attention_dtype);
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string trace_difference(const traces::TraceReader& trace, const traces::TraceInfo& wanted, const RunPlan& plan) {
  const auto described = [](const traces::TraceInfo& info) {
    return std::vector<std::pair<std::string, std::string>>{
        {"model_name", info.model_name},
        {"architecture", info.architecture},
        {"model_sha256", info.model_sha256},
        {"tokenizer_sha256", info.tokenizer_sha256},
        {"n_prompt", fmt::to_string(info.n_prompt)},
        {"prompt_sha256", info.prompt_sha256},
        {"sampling", info.sampling},
        {"seed", fmt::to_string(info.seed)},
        {"levels", info.levels.to_string()},
        {"epsilon", fmt::to_string(info.epsilon)},
        {"prompt_window", fmt::to_string(info.prompt_window)},
        {"qkv_dtype", std::string(to_string(info.qkv_dtype))},
        {"attention_dtype", std::string(to_string(info.attention_dtype))},
        {"rho", info.levels.stats ? fmt::format("{}", fmt::join(info.rho, " ")) : ""}};
  };
  const auto there = described(trace.info()), here = described(wanted);
  for (std::size_t i = 0; i < there.size(); ++i) {
    if (there[i].second == here[i].second) continue;
    return fmt::format("{} is {}, this run has {}", there[i].first, there[i].second, here[i].second);
  }
  const bool early = trace.status().stop_reason == StopReason::end_token && trace.n_steps() <= plan.max_tokens;
  if (trace.n_steps() != plan.max_tokens && !early) {
    return fmt::format("it has {} generated tokens, this run makes {}", trace.n_steps(), plan.max_tokens);
  }
  return "";
}

DatasetRun::DatasetRun(const CaptureOptions& options, const std::vector<CaptureJob>& jobs, const Describe& describe,
                       const TextOf& text_of)
    : options_(options), jobs_(jobs) {
  for (const CaptureJob& job : jobs) {
    ManifestEntry& entry = manifest_.entries.emplace_back();
    entry.id = job.problem;
    entry.line = job.line;
    entry.sample = job.sample;
    entry.seed = job.seed;
    entry.trace = job.output.filename().string();
    entry.prompt_sha256 = ids_sha256(job.tokens.ids);
    entry_of_.push_back(entry_of_.size());
  }
  if (options.no_record) return;
  const traces::TraceInfo any = describe(jobs.front());
  manifest_.settings = dataset_settings(options, any);
  manifest_.program_version = any.program_version;
  manifest_.program_commit = any.program_commit;
  manifest_.device = any.device;
  manifest_.attention_kernel = any.attention_kernel;
  manifest_.dataset = options.dataset->filename().string();
  const fs::path path = options.output / kManifestName;
  std::error_code error;
  const bool is_known = options.resume && fs::exists(path, error);
  if (options.resume) remove_halves(path);
  if (is_known) take_over(read_manifest(path));
  if (options.resume) {
    for (std::size_t job = 0; job < jobs.size(); ++job) look_at(job, describe, text_of, is_known);
  }
  write();
}

void DatasetRun::take_over(const Manifest& old) {
  const fs::path path = options_.output / kManifestName;
  if (const std::string difference = settings_difference(old.settings, manifest_.settings); !difference.empty()) {
    throw UnequalRun(fmt::format("{}: {}; --resume goes on with the same settings only", path.string(), difference));
  }
  const std::string program = fmt::format("{} ({})", old.program_version, old.program_commit);
  const bool is_other =
      old.program_version != manifest_.program_version || old.program_commit != manifest_.program_commit;
  std::map<std::string, std::size_t> index;
  for (std::size_t i = 0; i < manifest_.entries.size(); ++i) index[manifest_.entries[i].trace] = i;
  for (ManifestEntry entry : old.entries) {
    if (entry.program.empty() && is_other) entry.program = program;
    const auto found = index.find(entry.trace);
    if (found == index.end()) {  // of lines that this run leaves out
      if (entry.is_finished) manifest_.entries.push_back(std::move(entry));
      continue;
    }
    ManifestEntry& mine = manifest_.entries[found->second];
    if (!entry.is_finished) continue;
    if (entry.prompt_sha256 != mine.prompt_sha256) {
      throw UnequalRun(
          fmt::format("{}: {} was recorded with another prompt (line {} of {} has changed, or the way it is "
                      "put to the model)",
                      path.string(), entry.trace, mine.line, options_.dataset->string()));
    }
    // Everything about the output; where it stands in the dataset, and its answer, are as the dataset says now.
    const std::size_t line = mine.line;
    mine = std::move(entry);
    mine.line = line;
  }
  std::vector<std::size_t> order(manifest_.entries.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const ManifestEntry &x = manifest_.entries[a], &y = manifest_.entries[b];
    return std::pair(x.line, x.sample) < std::pair(y.line, y.sample);
  });
  std::vector<ManifestEntry> sorted;
  for (const std::size_t i : order) {
    if (i < entry_of_.size()) entry_of_[i] = sorted.size();
    sorted.push_back(std::move(manifest_.entries[i]));
  }
  manifest_.entries = std::move(sorted);
}

void DatasetRun::look_at(std::size_t index, const Describe& describe, const TextOf& text_of, bool is_known) {
  const CaptureJob& job = jobs_[index];
  ManifestEntry& entry = manifest_.entries[entry_of_[index]];
  std::error_code error;
  if (!fs::exists(job.output, error)) {
    entry.is_finished = false;
    return;
  }
  std::optional<traces::TraceReader> trace;
  try {
    trace.emplace(job.output);
  } catch (const traces::NewerVersion&) {
    throw;
  } catch (const traces::Error& damage) {
    // A writer killed in its first moments leaves this; a file that no manifest speaks of is somebody's own.
    if (!is_known) throw UnequalRun(fmt::format("{}; --resume replaces no file that it does not know", damage.what()));
    entry.is_finished = false;
    return;
  }
  const traces::TraceStatus status = trace->status();
  if (!status.complete || !ended(status.stop_reason)) {
    entry.is_finished = false;
    return;
  }
  const std::string difference = trace_difference(*trace, describe(job), job.plan);
  if (!difference.empty()) {
    throw UnequalRun(
        fmt::format("{}: {}; --resume goes on with the same settings only", job.output.string(), difference));
  }
  ++n_kept_;
  const bool was_known = entry.is_finished;
  entry.is_finished = true;
  entry.n_tokens = trace->n_steps();
  entry.stop_reason = to_string(status.stop_reason);
  if (!was_known) {
    entry.content_sha256 = trace->content_sha256();
    const std::string program = program_of(trace->info());
    if (program != fmt::format("{} ({})", manifest_.program_version, manifest_.program_commit)) entry.program = program;
  }
  if (trace->info().levels.tokens) {
    std::vector<std::int32_t> ids(trace->n_steps());
    trace->token_ids(trace->info().n_prompt, trace->n_positions(), ids);
    judge(job, text_of(ids), entry);
  } else if (entry.expected != job.answer) {
    entry.is_right.reset();  // the answer that the trace was checked against is not the dataset's any more
    entry.expected = job.answer;
    if (job.answer && entry.found) entry.is_right = same_answer(*entry.found, *job.answer);
  }
}

void DatasetRun::judge(const CaptureJob& job, const std::string& text, ManifestEntry& entry) const {
  entry.expected = job.answer;
  entry.found.reset();
  entry.is_right.reset();
  if (job.continuation) return;  // the output was given, not found
  entry.found = final_answer(text);
  if (job.answer) entry.is_right = entry.found && same_answer(*entry.found, *job.answer);
}

void DatasetRun::add(std::size_t index, const RunResult& run, const std::string& text) {
  if (!ended(run.stop_reason)) return;
  const CaptureJob& job = jobs_[index];
  ManifestEntry& entry = manifest_.entries[entry_of_[index]];
  entry.is_finished = true;
  entry.n_tokens = run.n_tokens;
  entry.stop_reason = to_string(run.stop_reason);
  entry.program.clear();
  judge(job, text, entry);
  if (options_.no_record) return;
  entry.content_sha256 = traces::TraceReader(job.output).content_sha256();
  write();
}

void DatasetRun::write() const {
  write_manifest(options_.output / kManifestName, manifest_);
}

}  // namespace kvwave::capture
