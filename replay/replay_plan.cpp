#include "replay/replay_plan.h"

#include <algorithm>
#include <cstdio>
#include <set>

#include <fmt/format.h>

#include "kernels/cpu_features.h"
#include "replay/calibrate.h"
#include "replay/device_replay.h"
#include "replay/error.h"
#include "replay/no_figure.h"
#include "replay/results_settings.h"
#include "traces/reader.h"
#include "traces/sha256.h"

namespace kvwave::replay {
namespace {

class Planner {
 public:
  explicit Planner(const ReplayArguments& arguments) : arguments_(arguments) {}

  ReplayPlan plan() {
    survey();
    plan_.request = arguments_.request;
    plan_.request.clairvoyant =
        std::all_of(listed_.begin(), listed_.end(), [](const TraceSurvey& trace) { return trace.levels.qkv; });
    plan_.options = arguments_.options;
    choose_device();
    plan_.request.clairvoyant_budgets = !plan_.options.device.is_cuda();
    if (plan_.options.compare_selections && !plan_.options.device.is_cuda()) {
      throw Error("--compare-cpu compares a CUDA device with the CPU, but the replay runs on the CPU");
    }
    plan_.shared.metrics = arguments_.options.metrics;
    plan_.shared.match_memory = arguments_.request.match_memory;
    plan_.shared.statistics = arguments_.statistics;
    choose_profiles();
    own_traces();
    configurations();
    tables();
    plan_.replay_sha256 = replay_sha256(plan_.shared);
    warn();
    return std::move(plan_);
  }

 private:
  bool is_own(std::size_t listed) const { return listed % arguments_.shard.count == arguments_.shard.index - 1; }
  bool calibrates() const { return arguments_.profiles.empty() && needs_profile(arguments_.request); }

  void survey() {
    for (std::size_t i = 0; i < arguments_.traces.size(); ++i) {
      listed_.push_back(survey_trace(arguments_.traces[i], calibrates() || is_own(i)));
      if (listed_.back().sequence.n_steps() == 0) {
        throw NothingToCompute(fmt::format("{}: holds no decode step to replay", listed_.back().path));
      }
    }
    refuse_duplicates(listed_);
    if (arguments_.shard.count > 1) plan_.shard = ShardPlace{arguments_.shard, 0, {}};
    if (arguments_.shard.index > listed_.size()) {
      throw NothingToCompute(fmt::format("shard {}/{} of {} traces holds none", arguments_.shard.index,
                                         arguments_.shard.count, listed_.size()));
    }
  }

  // `auto` leaves to the CPU what a GPU cannot do; `cuda` refuses it.
  void choose_device() {
    plan_.device = fmt::format("cpu ({})", to_string(kernels::simd_path()));
    const kernels::DeviceChoice& choice = arguments_.device;
    if (choice.kind == kernels::DeviceChoice::Kind::cpu) return;
    const bool automatic = choice.kind == kernels::DeviceChoice::Kind::automatic;
    const bool fits = std::all_of(listed_.begin(), listed_.end(), [](const TraceSurvey& trace) {
      return trace.levels.qkv && DeviceReplay::can_hold(trace.sequence);
    });
    if (automatic && !fits) return;
    const kernels::Device device = kernels::choose_device(choice, kernels::list_devices());
    if (!device.is_cuda()) return;
    if (const std::string strategy = beyond_device(arguments_.request); !strategy.empty()) {
      if (!automatic) {
        throw Error(fmt::format("--device cuda cannot replay {}; use --device cpu or auto", strategy));
      }
      fmt::print(stderr, "replaying on the CPU: {} is not served by {}\n", strategy, device.name);
      return;
    }
    plan_.options.device = device;
    plan_.device = device.name;
  }

  // Given ones by model, or one calibrated on everything listed; none when no strategy asks for demand.
  void choose_profiles() {
    std::vector<ReportProfile>& profiles = plan_.shared.profiles;
    for (const std::string& path : arguments_.profiles) {
      profiles.push_back({path, read_profile(path)});
      for (std::size_t other = 0; other + 1 < profiles.size(); ++other) {
        if (profiles[other].profile.model_sha256 != profiles.back().profile.model_sha256) continue;
        throw BadProfile(fmt::format("{} and {} are both of model {}: one profile per model", profiles[other].path,
                                     path, profiles.back().profile.model_name));
      }
    }
    require_models();
    if (calibrates()) profiles.push_back({"", calibrate_listed()});
    if (!needs_profile(arguments_.request)) profiles.clear();
  }

  void require_models() const {
    const TraceSurvey& first = listed_.front();
    for (const TraceSurvey& other : listed_) {
      const bool same = other.model_sha256 == first.model_sha256 && same_shape(other.sequence, first.sequence);
      if (same || (has_profile(first) && has_profile(other))) continue;
      std::string without = has_profile(first) ? "" : first.model_name;
      if (!has_profile(other)) without.append(without.empty() ? "" : " and ").append(other.model_name);
      throw UnequalTraces(
          fmt::format("{} was recorded with {}, {} with {}: traces of several models need a --profile for each; none "
                      "is given for {}",
                      first.path, first.model_name, other.path, other.model_name, without));
    }
    if (listed_.size() > 1 && plan_.shared.profiles.size() > 1) {
      for (const TraceSurvey& trace : listed_) {
        if (has_profile(trace)) continue;
        throw UnequalTraces(fmt::format("{} was recorded with {}: none of the profiles is of that model", trace.path,
                                        trace.model_name));
      }
    }
  }
  bool has_profile(const TraceSurvey& trace) const {
    return std::any_of(plan_.shared.profiles.begin(), plan_.shared.profiles.end(), [&](const ReportProfile& profile) {
      return profile.profile.model_sha256 == trace.model_sha256;
    });
  }
  static bool same_shape(const Sequence& a, const Sequence& b) {
    return a.n_layers == b.n_layers && a.n_q_heads == b.n_q_heads && a.n_kv_heads == b.n_kv_heads &&
           a.head_dim == b.head_dim;
  }

  Profile calibrate_listed() const {
    std::vector<CalibratedTrace> waves;
    for (const TraceSurvey& trace : listed_) {
      waves.push_back({trace.path, trace.model_name, trace.model_sha256, trace.content_sha256,
                       trace_wave(traces::TraceReader(trace.path), kDefaultRhoOfWave)});
    }
    return make_profile(waves, kDefaultRhoOfWave);
  }

  void own_traces() {
    for (std::size_t i = 0; i < listed_.size(); ++i) {
      if (!is_own(i)) continue;
      PlannedTrace& planned = plan_.traces.emplace_back();
      planned.survey = listed_[i];
      planned.profile_distance = kNoFigure;
      if (plan_.shard) {
        plan_.shard->n_listed = static_cast<std::uint32_t>(listed_.size());
        plan_.shard->place.push_back(static_cast<std::uint32_t>(i));
      }
      use_profile(planned);
    }
  }

  void use_profile(PlannedTrace& planned) const {
    ReportTrace of;
    of.model_sha256 = planned.survey.model_sha256;
    const ReportProfile* const used = profile_of(plan_.shared, of);
    if (used == nullptr) return;
    planned.demand = used->profile.demand;
    const std::vector<std::string>& calibrated = used->profile.traces;
    planned.in_sample =
        std::find(calibrated.begin(), calibrated.end(), planned.survey.content_sha256) != calibrated.end();
    if (used->path.empty() || !planned.survey.levels.stats) return;
    const traces::TraceReader reader(planned.survey.path);
    if (!holds_rho(reader, used->profile.rho)) return;
    planned.profile_distance =
        wave_distance(trace_wave(reader, used->profile.rho, used->profile.reading).demand, used->profile.demand);
  }

  // Budgets that do not fit are refused for every trace before the first is replayed.
  void configurations() {
    for (const PlannedTrace& planned : plan_.traces) {
      Sweep sweep = build_sweep(plan_.request, planned.survey.sequence, planned.demand);
      if (plan_.shared.configurations.empty()) plan_.shared.configurations = std::move(sweep.configurations);
    }
    comparison_baselines(plan_.shared);
  }

  // Planning read them all: they exist and are files.
  void tables() {
    std::set<std::string> paths;
    for (const alloc::Strategy& strategy : plan_.request.strategies) {
      if (strategy.is_full() || !alloc::make_allocator(strategy.allocator)->needs_table()) continue;
      paths.insert(strategy.allocator.word("table"));
    }
    for (const std::string& path : paths) plan_.shared.tables.push_back({path, traces::sha256_file(path)});
  }

  void warn() const {
    Report report;
    report.profiles = plan_.shared.profiles;
    for (const PlannedTrace& planned : plan_.traces) {
      ReportTrace& trace = report.traces.emplace_back();
      trace.path = planned.survey.path;
      trace.model_name = planned.survey.model_name;
      trace.model_sha256 = planned.survey.model_sha256;
      trace.profile_distance = planned.profile_distance;
    }
    for (const std::string& warning : profile_warnings(report)) fmt::print(stderr, "warning: {}\n", warning);
  }

  const ReplayArguments& arguments_;
  std::vector<TraceSurvey> listed_;
  ReplayPlan plan_;
};

}  // namespace

ReplayPlan plan_replay(const ReplayArguments& arguments) {
  return Planner(arguments).plan();
}

}  // namespace kvwave::replay
