#include "replay/report_json.h"

#include <cmath>
#include <limits>

#include <nlohmann/json.hpp>

#include "replay/figure_table.h"
#include "traces/command_line.h"
#include "traces/repetition.h"

namespace kvwave::replay {

namespace {

using Json = nlohmann::ordered_json;

Json number_or_null(double value) {
  return std::isnan(value) ? Json(nullptr) : Json(value);
}

Json figures_json(const Figures& figures) {
  Json json;
  for (const FigureColumn& column : figure_table())
    json[std::string(column.name)] = number_or_null(figures.*column.value);
  return json;
}

Json trace_json(const ReportTrace& trace) {
  const Sequence& sequence = trace.sequence;
  return {{"path", trace.path},
          {"content_sha256", trace.content_sha256},
          {"model_name", trace.model_name},
          {"model_sha256", trace.model_sha256},
          {"n_layers", sequence.n_layers},
          {"n_q_heads", sequence.n_q_heads},
          {"n_kv_heads", sequence.n_kv_heads},
          {"head_dim", sequence.head_dim},
          {"n_prompt", sequence.n_prompt},
          {"n_steps", sequence.n_steps()},
          {"rows", trace.stored_rows ? "attention level (bounds)" : "recomputed from q and k"},
          {"device", trace.device},
          {"profile_distance", number_or_null(trace.profile_distance)},
          {"repeated_8grams", number_or_null(trace.repeated_8grams)},
          {"repetitive", trace.repeated_8grams > traces::kRepetitionFlag}};
}

Json differences_json(const Report& report, const LineComparison& line) {
  Json json;
  for (std::size_t f = 0; f < figure_table().size(); ++f) {
    const FigureComparison& found = line.figures[f];
    if (found.n == 0) continue;
    Json one = {{"n", found.n},
                {"difference", number_or_null(found.difference)},
                {"low", number_or_null(found.interval.low)},
                {"high", number_or_null(found.interval.high)},
                {"effect_size", number_or_null(found.effect_size)},
                {"p_value", number_or_null(found.p_value)},
                {"p_holm", number_or_null(found.p_holm)}};
    if (report.statistics.equal_within && figure_table()[f].dimensionless) {
      one["p_equal"] = number_or_null(found.p_equal);
      one["equal"] = found.equal;
    }
    json[std::string(figure_table()[f].name)] = one;
  }
  return json;
}

Json statistics_json(const Report& report) {
  const StatisticsSettings& settings = report.statistics;
  return {{"unit", "trace"},
          {"n_traces", report.traces.size()},
          {"few_traces", report.traces.size() < kFewTraces},
          {"interval", "expanded percentile bootstrap"},
          {"level", settings.bootstrap.level},
          {"resamples", settings.bootstrap.resamples},
          {"seed", settings.bootstrap.seed},
          {"equal_within", settings.equal_within ? Json(*settings.equal_within) : Json(nullptr)}};
}

Json frontier_json(const Report& report) {
  Json list = Json::array();
  for (const FrontierFigure& line : report.frontier) {
    list.push_back({{"strategy", line.strategy},
                    {"figure", line.figure},
                    {"control", line.control},
                    {"n", line.n},
                    {"area", number_or_null(line.area)},
                    {"low", number_or_null(line.interval.low)},
                    {"high", number_or_null(line.interval.high)},
                    {"difference", number_or_null(line.difference)},
                    {"difference_low", number_or_null(line.difference_interval.low)},
                    {"difference_high", number_or_null(line.difference_interval.high)}});
  }
  return list;
}

Json profile_json(const Report& report, const ReportProfile& used) {
  bool in_sample = false, other_model = false;
  for (const ReportTrace& trace : report.traces) {
    if (profile_of(report, trace) != &used) continue;
    in_sample |= trace.in_sample;
    other_model |= trace.model_sha256 != used.profile.model_sha256;
  }
  return {{"source", used.path.empty() ? "calibrated on the replayed traces" : used.path},
          {"model_name", used.profile.model_name},
          {"model_sha256", used.profile.model_sha256},
          {"rho", used.profile.rho},
          {"demand", used.profile.demand},
          {"traces", used.profile.traces},
          {"in_sample", in_sample},
          {"other_model", other_model}};
}

Json configuration_json(const Report& report, std::size_t index) {
  const Configuration& configuration = report.configurations[index];
  const ReportLine& line = report.lines[index];
  Json flags = Json::array();
  if (line.unequal_mean) flags.push_back("unequal_realised_mean");
  if (line.unequal_peak) flags.push_back("unequal_realised_peak");
  if (line.in_sample) flags.push_back("in_sample_profile");
  if (line.n_counted == 0) flags.push_back("no_counted_steps");
  Json unequal_to = Json::array();
  for (const std::uint32_t other : line.unequal_to) unequal_to.push_back(report.configurations[other].strategy);
  Json json = {{"strategy", configuration.strategy},
               {"full_text", configuration.full_text},
               {"budget", configuration.budget},
               {"kind", to_string(configuration.kind)},
               {"control", configuration.control},
               {"counted_steps", line.n_counted},
               {"baseline", report.configurations[configuration.baseline].strategy},
               {"flags", flags},
               {"unequal_to", unequal_to},
               {"figures", figures_json(line.mean)}};
  if (report.traces.size() > 1) {
    json["figures_low"] = figures_json(line.low);
    json["figures_high"] = figures_json(line.high);
  }
  if (!report.comparisons.empty() && !report.comparisons[index].figures.empty()) {
    json["compared_with"] = report.configurations[report.comparisons[index].baseline].strategy;
    json["differences"] = differences_json(report, report.comparisons[index]);
  }
  return json;
}

}  // namespace

std::string report_json(const Report& report) {
  const traces::Version version = traces::program_version();
  Json json = {{"kvwave_replay", 1},
               {"program_version", version.version},
               {"program_commit", version.commit},
               {"device", devices_of(report)},
               {"notice", kOpenLoopNotice},
               {"metrics", {{"mass", true}, {"error", report.metrics.error}, {"recall", report.metrics.recall}}},
               {"page", report.metrics.page},
               {"match_memory", report.match_memory}};
  for (const ReportTrace& trace : report.traces) json["traces"].push_back(trace_json(trace));
  json["profiles"] = Json::array();
  for (const ReportProfile& used : report.profiles) json["profiles"].push_back(profile_json(report, used));
  json["warnings"] = profile_warnings(report);
  json["statistics"] = statistics_json(report);
  for (std::size_t c = 0; c < report.configurations.size(); ++c) {
    json["configurations"].push_back(configuration_json(report, c));
  }
  if (!report.frontier.empty()) json["frontier"] = frontier_json(report);
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace kvwave::replay
