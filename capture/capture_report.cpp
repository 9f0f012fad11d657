#include "capture/capture_report.h"

#include <sys/resource.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "traces/progress.h"

namespace kvwave::capture {
namespace {

using OrderedJson = nlohmann::ordered_json;

double per_second(std::uint64_t tokens, double seconds) {
  return seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0;
}

std::uint64_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;  // Linux counts in KiB
}

void add(RunResult& sum, const RunResult& run) {
  sum.n_prompt += run.n_prompt;
  sum.n_tokens += run.n_tokens;
  sum.prefill_seconds += run.prefill_seconds;
  sum.decode_seconds += run.decode_seconds;
  sum.write_out_seconds += run.write_out_seconds;
  sum.decode_cpu_seconds += run.decode_cpu_seconds;
  sum.nan_count += run.nan_count;
  sum.written.bytes += run.written.bytes;
  sum.written.stalls += run.written.stalls;
  sum.stop_reason = run.stop_reason;
}

OrderedJson numbers(const RunResult& run) {
  OrderedJson json;
  json["prompt_tokens"] = run.n_prompt;
  json["tokens"] = run.n_tokens;
  json["prefill_seconds"] = run.prefill_seconds;
  json["decode_seconds"] = run.decode_seconds;
  json["write_out_seconds"] = run.write_out_seconds;
  json["tokens_per_second"] = per_second(run.n_tokens, run.decode_seconds);
  json["core_ms_per_token"] = run.n_tokens > 0 ? 1e3 * run.decode_cpu_seconds / run.n_tokens : 0.0;
  json["trace_bytes"] = run.written.bytes;
  json["stalls"] = run.written.stalls;
  json["nan_count"] = run.nan_count;
  json["stop_reason"] = std::string(to_string(run.stop_reason));
  return json;
}

}  // namespace

std::string summary_line(const CapturedPrompt& prompt) {
  const RunResult& run = prompt.run;
  std::string line =
      fmt::format("{} tokens in {:.2f} s ({:.1f} tok/s), stopped by {}", run.n_tokens, run.decode_seconds,
                  per_second(run.n_tokens, run.decode_seconds), to_string(run.stop_reason));
  if (!prompt.path.empty()) {
    line = fmt::format("{}: {}; {}", prompt.path.string(), line, traces::human_bytes(run.written.bytes));
  }
  if (run.nan_count > 0) line += fmt::format("; {} attention entries were no probability", run.nan_count);
  return line;
}

std::string report_json(const std::vector<CapturedPrompt>& prompts, const ReportContext& context) {
  RunResult sum;
  for (const CapturedPrompt& prompt : prompts) add(sum, prompt.run);
  OrderedJson json = numbers(sum);
  json["levels"] = context.recorded ? context.levels.to_string() : "";
  json["threads"] = context.threads;
  json["peak_rss_bytes"] = peak_rss_bytes();
  if (!context.dataset && context.recorded && !prompts.empty()) json["path"] = prompts.front().path.string();
  if (context.pass_rate.n_problems() > 0) json["accuracy"] = OrderedJson::parse(accuracy_json(context.pass_rate));
  if (context.dataset) {
    json["kept"] = context.n_kept;
    json["traces"] = OrderedJson::array();
    for (const CapturedPrompt& prompt : prompts) {
      OrderedJson one;
      one["id"] = prompt.id;
      if (context.recorded) one["path"] = prompt.path.string();
      one.update(numbers(prompt.run));
      if (prompt.is_right) one["correct"] = *prompt.is_right;
      json["traces"].push_back(std::move(one));
    }
  }
  return json.dump(2, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace kvwave::capture
