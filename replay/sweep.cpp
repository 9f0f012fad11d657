#include "replay/sweep.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "alloc/error.h"
#include "alloc/requirements.h"
#include "replay/random_twin.h"
#include "replay/simulation_plan.h"

namespace kvwave::replay {

namespace {

constexpr std::array kDefaultStrategies = {
    "uniform/rkv", "uniform/snapkv", "pyramid/rkv", "reasonalloc-layer/rkv", "reasonalloc-head/rkv", "reasonalloc/rkv",
};
constexpr std::array<std::string_view, 7> kRuleKeys = {"window", "buffer",  "prompt", "protect",
                                                       "cut",    "trigger", "content"};

// uniform/SCORER with the trigger, window and prompt rule of `family`.
alloc::Strategy control_like(std::string_view scorer, const alloc::Component& family) {
  alloc::Strategy control = alloc::Strategy::parse(fmt::format("uniform/{}", scorer));
  for (const std::string_view key : kRuleKeys)
    control.scorer.values[std::string(key)] = family.values.at(std::string(key));
  return control;
}

// The clairvoyant split of the model's budget over layers and heads, tokens still chosen by `family`.
alloc::Strategy oracle_budgets(const alloc::Component& family) {
  alloc::Strategy control = alloc::Strategy::parse("oracle/rkv");
  control.scorer = family;
  return control;
}

alloc::Component rule_family(const std::vector<alloc::Strategy>& strategies) {
  for (const alloc::Strategy& strategy : strategies) {
    if (strategy.scorer.name == "rkv" || strategy.scorer.name == "snapkv") return strategy.scorer;
  }
  return alloc::Strategy::parse("uniform/rkv").scorer;
}

class SweepBuilder {
 public:
  SweepBuilder(const Sequence& sequence, std::span<const double> demand, std::span<const SolvedBudget> solved)
      : sequence_(sequence), demand_(demand), solved_(solved) {}

  void add(const alloc::Strategy& strategy, std::uint32_t budget, bool control) {
    Configuration configuration = named(strategy, budget, control);
    if (known(configuration)) return;
    const bool random = strategy.scorer.name == "random";
    const int first_seed = random ? strategy.scorer.integer("seed") : 0;
    for (std::uint32_t seed = 0; seed < (random ? kRandomSeeds : 1); ++seed) {
      alloc::Strategy drawn = strategy;
      if (random) drawn.scorer.values["seed"] = std::to_string(std::int64_t{first_seed} + seed);
      configuration.simulations.push_back(simulate(drawn, budget));
    }
    configuration.kind = kind_of(strategy);
    configuration.uses_profile = uses_profile(strategy);
    configuration.solved_budget = sweep_.simulations[configuration.simulations.front()].budget;
    sweep_.configurations.push_back(std::move(configuration));
  }

  // The two random forms of a strategy that scores entries.
  void add_explanation(const alloc::Strategy& strategy, std::uint32_t budget) {
    if (strategy.is_full()) return;
    const std::unique_ptr<alloc::Scorer> scorer = alloc::make_scorer(strategy.scorer);
    if (scorer->selects()) return;
    const std::string text = strategy.full_text();
    const auto explained =
        std::find_if(sweep_.configurations.begin(), sweep_.configurations.end(),
                     [&](const Configuration& c) { return c.full_text == text && c.budget == budget; });
    const auto index = static_cast<std::uint32_t>(explained - sweep_.configurations.begin());
    const alloc::RefreshRule rule = scorer->rule();
    add_twin(strategy, budget, rule, ConfigurationRole::random_score, "random-score", index);
    add_twin(strategy, budget, without_protection(rule), ConfigurationRole::unprotected, "unprotected", index);
  }

  // Follows the counts of the uniform R-KV-family cache, which are those of any scorer with its trigger and window.
  void add_ceiling(const alloc::Component& family, std::uint32_t budget, bool control) {
    Configuration configuration;
    configuration.strategy = configuration.full_text = "ceiling";
    configuration.budget = budget;
    configuration.kind = ConfigurationKind::ceiling;
    configuration.control = control;
    configuration.role = ConfigurationRole::ceiling;
    if (known(configuration)) return;
    configuration.simulations.push_back(simulate(control_like("streaming", family), budget));
    configuration.solved_budget = sweep_.simulations[configuration.simulations.front()].budget;
    sweep_.ceilings.push_back(static_cast<std::uint32_t>(sweep_.configurations.size()));
    sweep_.configurations.push_back(std::move(configuration));
  }

  // Marks the random and the clairvoyant strategy that share the family's trigger, window and prompt rule.
  void set_roles(const alloc::Component& family) {
    const std::string random = control_like("random", family).full_text();
    const std::string oracle = control_like("oracle", family).full_text();
    for (Configuration& configuration : sweep_.configurations) {
      if (configuration.full_text == random) configuration.role = ConfigurationRole::random;
      if (configuration.full_text == oracle) configuration.role = ConfigurationRole::oracle;
    }
  }

  Sweep finish() {
    for (Configuration& configuration : sweep_.configurations) configuration.baseline = baseline_of(configuration);
    return std::move(sweep_);
  }

 private:
  static Configuration named(const alloc::Strategy& strategy, std::uint32_t budget, bool control) {
    Configuration configuration;
    configuration.strategy = strategy.short_text();
    configuration.full_text = strategy.full_text();
    configuration.budget = budget;
    configuration.control = control;
    return configuration;
  }

  bool known(const Configuration& wanted) const {
    return std::any_of(sweep_.configurations.begin(), sweep_.configurations.end(), [&](const Configuration& other) {
      return other.full_text == wanted.full_text && other.budget == wanted.budget;
    });
  }

  void add_twin(const alloc::Strategy& strategy, std::uint32_t budget, const alloc::RefreshRule& rule,
                ConfigurationRole role, std::string_view name, std::uint32_t explains) {
    Configuration configuration = named(strategy, budget, true);
    configuration.strategy = fmt::format("{}({})", name, configuration.strategy);
    configuration.full_text = fmt::format("{}({})", name, configuration.full_text);
    configuration.role = role;
    configuration.explains = explains;
    configuration.uses_profile = uses_profile(strategy);
    for (std::uint32_t seed = 0; seed < kRandomSeeds; ++seed) {
      Simulation simulation = unplanned(strategy, budget);
      plan_simulation(simulation, sequence_, demand_);  // budgets are those of the strategy, whatever its twin protects
      simulation.scorer = make_random_twin(rule, seed);
      simulation.twin = true;
      configuration.simulations.push_back(sweep_.n_simulations());
      configuration.solved_budget = simulation.budget;
      sweep_.simulations.push_back(std::move(simulation));
    }
    sweep_.configurations.push_back(std::move(configuration));
  }

  std::uint32_t solved_budget(const alloc::Strategy& strategy, std::uint32_t asked) const {
    if (solved_.empty() || strategy.is_full()) return asked;
    const std::string key = count_key(strategy);
    const auto found = std::find_if(solved_.begin(), solved_.end(), [&](const SolvedBudget& solved) {
      return solved.asked == asked && solved.count_key == key;
    });
    return found == solved_.end() ? asked : found->budget;
  }

  Simulation unplanned(const alloc::Strategy& strategy, std::uint32_t asked) const {
    Simulation simulation;
    simulation.strategy = strategy;
    simulation.asked = asked;
    simulation.budget = solved_budget(strategy, asked);
    if (!strategy.is_full()) {
      simulation.allocator = alloc::make_allocator(strategy.allocator);
      simulation.scorer = alloc::make_scorer(strategy.scorer);
    }
    return simulation;
  }

  // Equal simulations are run once.
  std::uint32_t simulate(const alloc::Strategy& strategy, std::uint32_t budget) {
    std::vector<Simulation>& all = sweep_.simulations;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].asked == budget && !all[i].twin && all[i].strategy == strategy) return static_cast<std::uint32_t>(i);
    }
    Simulation simulation = unplanned(strategy, budget);
    if (!simulation.is_full()) plan_simulation(simulation, sequence_, demand_);
    all.push_back(std::move(simulation));
    return static_cast<std::uint32_t>(all.size() - 1);
  }

  static ConfigurationKind kind_of(const alloc::Strategy& strategy) {
    if (strategy.is_full()) return ConfigurationKind::full;
    switch (alloc::make_scorer(strategy.scorer)->kind()) {
      case alloc::StrategyKind::selection:
        return ConfigurationKind::selection;
      case alloc::StrategyKind::offload:
        return ConfigurationKind::offload;
      case alloc::StrategyKind::destructive:
        break;
    }
    return ConfigurationKind::destructive;
  }

  static bool uses_profile(const alloc::Strategy& strategy) {
    return !strategy.is_full() && alloc::make_allocator(strategy.allocator)->needs_profile();
  }

  // The uniform strategy with the same scorer at that budget, else the first strategy at that budget, else itself.
  std::uint32_t baseline_of(const Configuration& configuration) const {
    const std::vector<Configuration>& all = sweep_.configurations;
    const auto scorer = [&](const Configuration& c) {
      return sweep_.simulations[c.simulations.front()].strategy.scorer;
    };
    std::uint32_t first = static_cast<std::uint32_t>(all.size());
    for (std::uint32_t i = 0; i < all.size(); ++i) {
      if (all[i].budget != configuration.budget || all[i].kind != ConfigurationKind::destructive) continue;
      if (all[i].control) continue;
      first = std::min(first, i);
      const alloc::Strategy& strategy = sweep_.simulations[all[i].simulations.front()].strategy;
      if (strategy.allocator.name == "uniform" && strategy.scorer == scorer(configuration)) return i;
    }
    if (first < all.size()) return first;
    return static_cast<std::uint32_t>(&configuration - all.data());
  }

  Sequence sequence_;
  std::span<const double> demand_;
  std::span<const SolvedBudget> solved_;
  Sweep sweep_;
};

template <class T>
std::vector<T> without_doubles(const std::vector<T>& values) {
  std::vector<T> out;
  for (const T& value : values) {
    if (std::find(out.begin(), out.end(), value) == out.end()) out.push_back(value);
  }
  return out;
}

}  // namespace

std::string_view to_string(ConfigurationKind kind) {
  if (kind == ConfigurationKind::destructive) return "destructive";
  return kind == ConfigurationKind::offload ? "offload" : "selection";
}

std::optional<ConfigurationKind> kind_of(std::string_view strategy, std::string_view word) {
  if (word == to_string(ConfigurationKind::destructive)) return ConfigurationKind::destructive;
  if (word == to_string(ConfigurationKind::offload)) return ConfigurationKind::offload;
  if (word != to_string(ConfigurationKind::selection)) return std::nullopt;
  if (strategy == "full") return ConfigurationKind::full;
  return strategy == "ceiling" ? ConfigurationKind::ceiling : ConfigurationKind::selection;
}

std::string count_key(const alloc::Strategy& strategy) {
  if (strategy.is_full()) return "full";
  const std::unique_ptr<alloc::Allocator> allocator = alloc::make_allocator(strategy.allocator);
  const std::unique_ptr<alloc::Scorer> scorer = alloc::make_scorer(strategy.scorer);
  alloc::Strategy keyed = strategy;
  if (scorer->selects() || allocator->needs_scores() || allocator->needs_future_mass() || allocator->replans_layers()) {
    if (strategy.scorer.name == "random") keyed.scorer.values["seed"] = std::to_string(0);
    return keyed.full_text();
  }
  const alloc::RefreshRule rule = scorer->rule();
  keyed.scorer = alloc::Strategy::parse("uniform/random").scorer;
  return fmt::format("{} window={} buffer={} prompt={} trigger={} cut={} granularity={} protect={} think={}",
                     keyed.full_text(), rule.window, rule.buffer, static_cast<int>(rule.prompt),
                     static_cast<int>(rule.trigger), static_cast<int>(rule.cut), static_cast<int>(rule.granularity),
                     rule.protection.text(), rule.until_think_end);
}

alloc::Needs Simulation::needs() const {
  alloc::Needs needs = scorer->needs();
  const alloc::ReplanNeeds replan = allocator->replan_needs();
  needs.future_mass = needs.future_mass || allocator->needs_future_mass() || replan.future_mass;
  return needs;
}

std::uint32_t n_caches(alloc::Granularity granularity, const Sequence& sequence) {
  if (granularity == alloc::Granularity::layer) return 1;
  return granularity == alloc::Granularity::q_head ? sequence.n_q_heads : sequence.n_kv_heads;
}

std::uint32_t Sweep::column_budget(std::uint32_t column) const {
  if (column < n_simulations()) return simulations[column].asked;
  return configurations[ceilings[column - n_simulations()]].budget;
}

namespace {

// What keeps a simulation from running without level qkv, as its components declare it.
std::string needs_of(const Simulation& simulation) {
  if (simulation.scorer->needs().any()) return alloc::scorer_requirements(simulation.strategy.scorer);
  return alloc::allocator_requirements(simulation.strategy.allocator);
}

}  // namespace

bool Sweep::needs_qkv(std::string* which) const {
  for (const Simulation& simulation : simulations) {
    if (simulation.is_full()) continue;
    if (simulation.needs().any() || simulation.allocator->replans_layers()) {
      if (which != nullptr) *which = fmt::format("{} needs {}", simulation.strategy.short_text(), needs_of(simulation));
      return true;
    }
  }
  return false;
}

bool Sweep::needs_rope() const {
  return std::any_of(simulations.begin(), simulations.end(), [](const Simulation& simulation) {
    return !simulation.is_full() && simulation.scorer->needs().rope;
  });
}

std::string beyond_device(const SweepRequest& request) {
  for (const alloc::Strategy& strategy : request.strategies) {
    if (strategy.is_full()) continue;
    const std::unique_ptr<alloc::Scorer> scorer = alloc::make_scorer(strategy.scorer);
    const alloc::Needs needs = scorer->needs();
    const bool host = needs.keys || needs.values || needs.queries || needs.rope || needs.window_rows > 0 ||
                      needs.rows || scorer->selects() || scorer->rule().granularity != alloc::Granularity::kv_head ||
                      alloc::make_allocator(strategy.allocator)->replans_layers();
    if (host) return strategy.short_text();
  }
  return {};
}

std::string reads_tokens(const SweepRequest& request) {
  for (const alloc::Strategy& strategy : request.strategies) {
    if (strategy.is_full()) continue;
    if (alloc::make_scorer(strategy.scorer)->rule().trigger == alloc::Trigger::newline) return strategy.short_text();
  }
  return {};
}

bool needs_profile(const SweepRequest& request) {
  return std::any_of(request.strategies.begin(), request.strategies.end(), [](const alloc::Strategy& strategy) {
    return !strategy.is_full() && alloc::make_allocator(strategy.allocator)->needs_profile();
  });
}

Sweep build_sweep(const SweepRequest& request, const Sequence& sequence, std::span<const double> demand) {
  SweepBuilder builder(sequence, demand, request.solved);
  const alloc::Component family = rule_family(request.strategies);
  for (const std::uint32_t budget : without_doubles(request.budgets)) {
    for (const alloc::Strategy& strategy : request.strategies) builder.add(strategy, budget, false);
    if (request.ceiling) builder.add_ceiling(family, budget, false);
    if (request.explain_protection) {
      for (const alloc::Strategy& strategy : without_doubles(request.strategies)) {
        builder.add_explanation(strategy, budget);
      }
    }
    if (!request.controls) continue;
    builder.add(alloc::Strategy::parse("full"), budget, true);
    builder.add_ceiling(family, budget, true);
    if (request.clairvoyant) builder.add(control_like("oracle", family), budget, true);
    const bool split = request.clairvoyant && request.clairvoyant_budgets && !request.match_memory;
    if (split && !alloc::make_scorer(family)->rule().protects()) {
      builder.add(oracle_budgets(family), budget, true);
    }
    builder.add(control_like("streaming", family), budget, true);
    builder.add(control_like("random", family), budget, true);
  }
  builder.set_roles(family);
  return builder.finish();
}

std::vector<alloc::Strategy> default_strategies() {
  std::vector<alloc::Strategy> strategies;
  for (const char* const text : kDefaultStrategies) strategies.push_back(alloc::Strategy::parse(text));
  return strategies;
}

}  // namespace kvwave::replay
