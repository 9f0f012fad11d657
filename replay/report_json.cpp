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

Json number(double value) {
  return std::isnan(value) ? Json(nullptr) : Json(value);
}

Json figures_json(const Figures& figures) {
  Json json;
  for (const FigureColumn& column : figure_table()) json[std::string(column.name)] = number(figures.*column.value);
  return json;
}

Json trace_json(const ReportTrace& trace) {
  const Sequence& sequence = trace.replay->sequence;
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
          {"rows", trace.replay->stored_rows ? "attention level (bounds)" : "recomputed from q and k"},
          {"repeated_8grams", number(trace.repeated_8grams)},
          {"repetitive", trace.repeated_8grams > traces::kRepetitionFlag}};
}

Json configuration_json(const Report& report, std::size_t index) {
  const Configuration& configuration = report.configurations[index];
  const ReportLine& line = report.lines[index];
  Json flags = Json::array();
  if (line.unequal_mean) flags.push_back("unequal_realised_mean");
  if (line.unequal_peak) flags.push_back("unequal_realised_peak");
  if (line.in_sample) flags.push_back("in_sample_profile");
  if (line.n_counted == 0) flags.push_back("no_counted_steps");
  Json json = {{"strategy", configuration.strategy},
               {"full_text", configuration.full_text},
               {"budget", configuration.budget},
               {"kind", to_string(configuration.kind)},
               {"control", configuration.control},
               {"counted_steps", line.n_counted},
               {"baseline", report.configurations[configuration.baseline].strategy},
               {"flags", flags},
               {"figures", figures_json(line.mean)}};
  if (report.traces.size() > 1) json["confidence_half_width"] = figures_json(line.half_width);
  return json;
}

}  // namespace

std::string report_json(const Report& report) {
  const traces::Version version = traces::program_version();
  Json json = {{"kvwave_replay", 1},
               {"program_version", version.version},
               {"program_commit", version.commit},
               {"device", report.device},
               {"notice", kOpenLoopNotice},
               {"metrics", {{"mass", true}, {"error", report.metrics.error}, {"recall", report.metrics.recall}}}};
  for (const ReportTrace& trace : report.traces) json["traces"].push_back(trace_json(trace));
  if (report.profile) {
    const ReportProfile& used = *report.profile;
    json["profile"] = {{"source", used.path.empty() ? "calibrated on the replayed traces" : used.path},
                       {"model_name", used.profile.model_name},
                       {"model_sha256", used.profile.model_sha256},
                       {"rho", used.profile.rho},
                       {"demand", used.profile.demand},
                       {"traces", used.profile.traces},
                       {"in_sample", used.in_sample},
                       {"other_model", used.other_model}};
  } else {
    json["profile"] = nullptr;
  }
  for (std::size_t c = 0; c < report.configurations.size(); ++c) {
    json["configurations"].push_back(configuration_json(report, c));
  }
  return json.dump(2) + "\n";
}

}  // namespace kvwave::replay
