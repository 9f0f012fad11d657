// The state of a dataset's folder while `kvwave capture` works through it: what --resume keeps, and the manifest.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "capture/capture_jobs.h"
#include "capture/capture_options.h"
#include "capture/manifest.h"
#include "capture/session.h"
#include "capture/trace_description.h"
#include "traces/reader.h"

namespace kvwave::capture {

/// What all traces of a dataset's folder have in common, as a JSON object; --resume refuses when any of it differs.
std::string dataset_settings(const CaptureOptions& options, const traces::TraceInfo& any);

/// "" when a trace is what this run would record; else the first difference in words: "seed is 5, this run has 7".
/// Device, kernel, program and command line do not count.
std::string trace_difference(const traces::TraceReader& trace, const traces::TraceInfo& wanted, const RunPlan& plan);

class DatasetRun {
 public:
  using Describe = std::function<traces::TraceInfo(const CaptureJob&)>;
  using TextOf = std::function<std::string(std::span<const std::int32_t> ids)>;

  /// Looks at what is there already. `describe`: the attributes that this run would give to a job's trace; `text_of`:
  /// what the generated tokens say. With --resume, throws UnequalRun when the manifest's settings, a prompt, or a
  /// finished trace differ from this run's, naming the difference. Without recording (no_record) nothing is read or
  /// written, and results are only counted.
  DatasetRun(const CaptureOptions& options, const std::vector<CaptureJob>& jobs, const Describe& describe,
             const TextOf& text_of);

  bool is_finished(std::size_t job) const { return manifest_.entries[entry_of_[job]].is_finished; }
  std::size_t n_kept() const { return n_kept_; }

  /// A job's run has ended: notes it, and replaces the manifest.
  void add(std::size_t job, const RunResult& run, const std::string& text);

  const ManifestEntry& entry(std::size_t job) const { return manifest_.entries[entry_of_[job]]; }
  PassRate pass_rate() const { return manifest_.pass_rate(); }

 private:
  void take_over(const Manifest& old);
  void look_at(std::size_t job, const Describe& describe, const TextOf& text_of, bool is_known);
  void judge(const CaptureJob& job, const std::string& text, ManifestEntry& entry) const;
  void write() const;

  const CaptureOptions& options_;
  const std::vector<CaptureJob>& jobs_;
  Manifest manifest_;
  std::vector<std::size_t> entry_of_;  // [job]
  std::size_t n_kept_ = 0;
};

}  // namespace kvwave::capture
