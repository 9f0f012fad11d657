#include "replay/sweep.h"

#include <algorithm>
#include <array>
#include <string_view>

#include <fmt/format.h>

#include "alloc/error.h"
#include "replay/budget_tables.h"

namespace kvwave::replay {

namespace {

constexpr std::array kDefaultStrategies = {
    "uniform/rkv", "uniform/snapkv", "pyramid/rkv", "reasonalloc-layer/rkv", "reasonalloc-head/rkv", "reasonalloc/rkv",
};
constexpr std::array<std::string_view, 4> kRuleKeys = {"window", "buffer", "prompt", "protect"};

// uniform/SCORER with the trigger, window and prompt rule of `family`.
alloc::Strategy control_like(std::string_view scorer, const alloc::Component& family) {
  alloc::Strategy control = alloc::Strategy::parse(fmt::format("uniform/{}", scorer));
  for (const std::string_view key : kRuleKeys)
    control.scorer.values[std::string(key)] = family.values.at(std::string(key));
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
  SweepBuilder(const Sequence& sequence, std::span<const double> demand) : sequence_(sequence), demand_(demand) {}

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
    if (strategy.is_full()) configuration.kind = ConfigurationKind::full;
    configuration.uses_profile = uses_profile(strategy);
    sweep_.configurations.push_back(std::move(configuration));
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

  // Equal simulations are run once.
  std::uint32_t simulate(const alloc::Strategy& strategy, std::uint32_t budget) {
    std::vector<Simulation>& all = sweep_.simulations;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].budget == budget && all[i].strategy == strategy) return static_cast<std::uint32_t>(i);
    }
    Simulation simulation;
    simulation.strategy = strategy;
    simulation.budget = budget;
    if (!strategy.is_full()) {
      simulation.allocator = alloc::make_allocator(strategy.allocator);
      simulation.scorer = alloc::make_scorer(strategy.scorer);
      plan(simulation);
    }
    all.push_back(std::move(simulation));
    return static_cast<std::uint32_t>(all.size() - 1);
  }

  void plan(Simulation& simulation) const {
    const alloc::RefreshRule rule = simulation.scorer->rule();
    alloc::LayerPlanInput input;
    input.n_layers = sequence_.n_layers;
    input.n_kv_heads = sequence_.n_kv_heads;
    input.budget = simulation.budget;
    input.window = rule.window;
    input.demand = demand_;
    input.n_prompt = sequence_.n_prompt;
    input.n_q_heads = sequence_.n_q_heads;
    alloc::HeadTable table;
    if (simulation.allocator->needs_table()) {
      table = table_of(simulation.strategy.allocator);
      input.table = &table;
      // Tables give every cache its own budget.
      input.n_kv_heads = n_caches(rule.granularity, sequence_);
      input.n_model_kv_heads = sequence_.n_kv_heads;
    }
    try {
      simulation.plan = simulation.allocator->layer_plan(input);
    } catch (const alloc::BadBudget& error) {
      throw alloc::BadBudget(
          fmt::format("{} at budget {}: {}", simulation.strategy.short_text(), simulation.budget, error.what()));
    }
    if (rule.protects()) check_protection(simulation, rule);
  }

  static alloc::HeadTable table_of(const alloc::Component& allocator) {
    const std::string& path = allocator.word("table");
    if (path.empty()) {
      throw alloc::BadTable(fmt::format("{} needs a table: {}:table=FILE", allocator.name, allocator.name));
    }
    return read_budget_table(path);
  }

  // Early, for what is known before the run; a head that gets less at a refresh is refused there.
  void check_protection(const Simulation& simulation, const alloc::RefreshRule& rule) const {
    const alloc::Protection& protection = rule.protection;
    const std::uint32_t first = std::max(rule.protects_prompt() ? sequence_.n_prompt : 0U, protection.sinks);
    const std::uint32_t needed = first + std::max(rule.window, protection.recent);
    const std::vector<std::int32_t>& fixed = simulation.plan.head_budget;
    const std::vector<std::int32_t>& budgets = fixed.empty() ? simulation.plan.budget : fixed;
    const auto smallest = static_cast<std::uint32_t>(*std::min_element(budgets.begin(), budgets.end()));
    const std::uint32_t per_head = fixed.empty() ? smallest / sequence_.n_kv_heads : smallest;
    if (per_head >= needed || sequence_.n_positions <= per_head) return;
    throw alloc::BadBudget(fmt::format(
        "{} at budget {}: {}={} keeps {} first positions and {} newest, but a layer has only {} entries per "
        "KV head",
        simulation.strategy.short_text(), simulation.budget,
        rule.prompt == alloc::PromptRule::protect ? "prompt" : "protect",
        rule.prompt == alloc::PromptRule::protect ? "protect" : protection.text(), first, needed - first, per_head));
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
  return kind == ConfigurationKind::destructive ? "destructive" : "selection";
}

std::optional<ConfigurationKind> kind_of(std::string_view strategy, std::string_view word) {
  if (word == to_string(ConfigurationKind::destructive)) return ConfigurationKind::destructive;
  if (word != to_string(ConfigurationKind::full)) return std::nullopt;
  return strategy == "ceiling" ? ConfigurationKind::ceiling : ConfigurationKind::full;
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
  if (column < n_simulations()) return simulations[column].budget;
  return configurations[ceilings[column - n_simulations()]].budget;
}

bool Sweep::needs_qkv(std::string* which) const {
  for (const Simulation& simulation : simulations) {
    if (simulation.is_full()) continue;
    if (simulation.needs().any()) {
      if (which != nullptr) *which = simulation.strategy.short_text();
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

bool needs_profile(const SweepRequest& request) {
  return std::any_of(request.strategies.begin(), request.strategies.end(), [](const alloc::Strategy& strategy) {
    return !strategy.is_full() && alloc::make_allocator(strategy.allocator)->needs_profile();
  });
}

Sweep build_sweep(const SweepRequest& request, const Sequence& sequence, std::span<const double> demand) {
  SweepBuilder builder(sequence, demand);
  const alloc::Component family = rule_family(request.strategies);
  for (const std::uint32_t budget : without_doubles(request.budgets)) {
    for (const alloc::Strategy& strategy : request.strategies) builder.add(strategy, budget, false);
    if (request.ceiling) builder.add_ceiling(family, budget, false);
    if (!request.controls) continue;
    builder.add(alloc::Strategy::parse("full"), budget, true);
    builder.add_ceiling(family, budget, true);
    if (request.clairvoyant) builder.add(control_like("oracle", family), budget, true);
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
