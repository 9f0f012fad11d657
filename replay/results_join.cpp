#include "replay/results_join.h"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "replay/error.h"
#include "replay/ledger.h"
#include "replay/report_csv.h"
#include "replay/report_json.h"
#include "replay/report_ledger.h"
#include "replay/results_shared.h"
#include "replay/statistics_csv.h"
#include "traces/array_file.h"
#include "traces/command_line.h"
#include "traces/output_file.h"
#include "traces/text_file_writer.h"

namespace kvwave::replay {
namespace {

namespace fs = std::filesystem;

// Says what differs, as far as the files tell.
void require_equal(const StoredReport& a, const fs::path& a_path, const StoredReport& b, const fs::path& b_path) {
  const auto refuse = [&](const std::string& what) {
    throw UnequalResults(fmt::format("{} and {} cannot be joined: {}", a_path.string(), b_path.string(), what));
  };
  if (a.program != b.program) refuse(fmt::format("written by kvwave {} and {}", a.program, b.program));
  if (!(a.report.statistics == b.report.statistics)) refuse("their statistics settings differ");
  if (a.replay_sha256 == b.replay_sha256) return;
  const std::vector<Configuration>&left = a.report.configurations, &right = b.report.configurations;
  if (left.size() != right.size()) refuse(fmt::format("{} and {} configurations", left.size(), right.size()));
  for (std::size_t c = 0; c < left.size(); ++c) {
    if (left[c].full_text != right[c].full_text || left[c].budget != right[c].budget) {
      refuse(fmt::format("configuration {} is {} at {} and {} at {}", c, left[c].strategy, left[c].budget,
                         right[c].strategy, right[c].budget));
    }
  }
  const auto& one = a.report.tables;
  const auto& other = b.report.tables;
  for (std::size_t t = 0; t < std::min(one.size(), other.size()); ++t) {
    if (one[t].sha256 == other[t].sha256) continue;
    refuse(fmt::format("table {} held other values when the one was planned than for the other", one[t].path));
  }
  refuse("their pages, metrics or demand profiles differ");
}

// "2/3, 3/3" of the shards that nobody gave.
std::string missing_shards(const std::vector<StoredReport>& stored) {
  std::vector<bool> there(stored.front().shard.count, false);
  for (const StoredReport& one : stored) there[one.shard.index - 1] = true;
  std::string missing;
  for (std::size_t i = 0; i < there.size(); ++i) {
    if (!there[i]) missing += fmt::format("{}{}/{}", missing.empty() ? "" : ", ", i + 1, there.size());
  }
  return missing;
}

}  // namespace

void check_outputs(const ReportOutputs& outputs) {
  if (outputs.results == "-") throw traces::UsageError("results.h5 cannot be written to stdout");
  std::vector<std::string> seen;
  for (const std::string& path : {outputs.results, outputs.csv, outputs.json, outputs.statistics, outputs.ledger_csv}) {
    if (path.empty()) continue;
    if (std::find(seen.begin(), seen.end(), path) != seen.end()) {
      throw traces::UsageError(path == "-" ? "two outputs would both write to stdout"
                                           : fmt::format("two outputs have the same name '{}'", path));
    }
    seen.push_back(path);
    if (path != "-") traces::check_output(path, outputs.force);
  }
}

ResultsJoin::ResultsJoin(const std::vector<fs::path>& files) : files_(files) {
  for (const fs::path& file : files) {
    stored_.push_back(read_stored_report(file));
    require_equal(stored_.front(), files.front(), stored_.back(), file);
    for (std::size_t t = 0; t < stored_.back().report.traces.size(); ++t) order_.push_back({stored_.size() - 1, t});
  }
  refuse_doubled_traces();
}

ResultsJoin ResultsJoin::of_run(const std::vector<fs::path>& files, std::optional<ShardPlace> shard) {
  ResultsJoin join(files);
  join.shard_ = std::move(shard);
  return join;
}

ResultsJoin ResultsJoin::of_files(const std::vector<fs::path>& files) {
  ResultsJoin join(files);
  if (std::any_of(join.stored_.begin(), join.stored_.end(), [](const StoredReport& one) { return one.n_listed > 0; })) {
    join.order_shards();
  }
  return join;
}

void ResultsJoin::refuse_doubled_traces() const {
  std::map<std::string, const ReportTrace*> first;
  for (const Source& source : order_) {
    const ReportTrace& trace = stored_[source.file].report.traces[source.index];
    const auto [at, added] = first.emplace(trace.content_sha256, &trace);
    if (added) continue;
    throw DuplicateTrace(fmt::format("{} and {} hold the same recording (content {}): each trace counts once",
                                     at->second->path, trace.path, trace.content_sha256.substr(0, 12)));
  }
}

void ResultsJoin::order_shards() {
  const StoredReport& first = stored_.front();
  std::map<std::uint32_t, std::size_t> file_of;
  for (std::size_t f = 0; f < stored_.size(); ++f) {
    const StoredReport& one = stored_[f];
    if (one.n_listed == 0 || one.shard.count != first.shard.count || one.n_listed != first.n_listed) {
      throw UnequalResults(
          fmt::format("{} and {} are not shards of one run", files_.front().string(), files_[f].string()));
    }
    const auto [at, added] = file_of.emplace(one.shard.index, f);
    if (added) continue;
    throw UnequalResults(fmt::format("{} and {} are both shard {}/{}", files_[at->second].string(), files_[f].string(),
                                     one.shard.index, one.shard.count));
  }
  if (const std::string missing = missing_shards(stored_); !missing.empty()) {
    throw UnequalResults(
        fmt::format("shard {} is missing: {} of {} were given", missing, files_.size(), first.shard.count));
  }
  std::map<std::uint32_t, Source> at_place;
  for (const Source& source : order_) at_place.emplace(stored_[source.file].place[source.index], source);
  const bool whole = order_.size() == first.n_listed && at_place.size() == first.n_listed &&
                     at_place.rbegin()->first == first.n_listed - 1;
  if (!whole) {
    throw UnequalResults(fmt::format("the shards beside {} do not hold each of the {} listed traces once",
                                     files_.front().string(), first.n_listed));
  }
  order_.clear();
  for (const auto& [place, source] : at_place) order_.push_back(source);
}

Report ResultsJoin::report(const std::optional<StatisticsSettings>& statistics) const {
  const Report& first = stored_.front().report;
  Report report;
  report.configurations = first.configurations;
  report.profiles = first.profiles;
  report.tables = first.tables;
  report.metrics = first.metrics;
  report.match_memory = first.match_memory;
  report.statistics = statistics.value_or(first.statistics);
  for (const Source& source : order_) report.traces.push_back(stored_[source.file].report.traces[source.index]);
  finish_report(report);
  return report;
}

void ResultsJoin::write(const Report& report, const ReportOutputs& outputs) const {
  if (!outputs.results.empty()) write_results(report, outputs);
  if (!outputs.csv.empty()) write_csv(report, outputs.csv, outputs.force, csv_header(), csv_rows);
  if (!outputs.ledger_csv.empty()) {
    write_csv(report, outputs.ledger_csv, outputs.force, ledger_csv_header(), ledger_csv_rows);
  }
  if (!outputs.json.empty()) traces::write_text_file(outputs.json, report_json(report), outputs.force);
  if (!outputs.statistics.empty()) {
    traces::write_text_file(outputs.statistics, statistics_csv(report), outputs.force);
  }
}

void ResultsJoin::write_results(const Report& report, const ReportOutputs& outputs) const {
  traces::ArrayFileWriter file(outputs.results, outputs.force);
  for (std::size_t t = 0; t < order_.size(); ++t) {
    const traces::ArrayFileReader from(files_[order_[t].file]);
    traces::copy_arrays(from, trace_group(order_[t].index), file, trace_group(t));
  }
  write_shared_results(file, report, report.traces.front());
  if (shard_) {
    const std::vector<std::uint64_t> shape = {shard_->place.size()};
    file.write("/list_index", shape, std::span<const std::uint32_t>(shard_->place));
    file.attribute("/", "shard_index", std::int64_t{shard_->shard.index});
    file.attribute("/", "shard_count", std::int64_t{shard_->shard.count});
    file.attribute("/", "n_listed", std::int64_t{shard_->n_listed});
  }
  file.commit();
}

template <class Rows>
void ResultsJoin::write_csv(const Report& report, const std::string& path_out, bool force, const std::string& header,
                            const Rows& rows) const {
  traces::TextFileWriter file(path_out, force);
  file.append(header);
  for (std::size_t t = 0; t < order_.size(); ++t) {
    ReportTrace trace = report.traces[t];
    const fs::path& path = files_[order_[t].file];
    read_head_figures(traces::ArrayFileReader(path), path, order_[t].index, trace);
    file.append(rows(report, trace));
  }
  file.commit();
}

}  // namespace kvwave::replay
