#include "replay/simulation_plan.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "alloc/error.h"
#include "replay/budget_tables.h"

namespace kvwave::replay {

namespace {

alloc::HeadTable table_of(const alloc::Component& allocator) {
  const std::string& path = allocator.word("table");
  if (path.empty()) {
    throw alloc::BadTable(fmt::format("{} needs a table: {}:table=FILE", allocator.name, allocator.name));
  }
  return read_budget_table(path);
}

// Early, for what is known before the run; a head that gets less at a refresh is refused there.
void check_protection(const Simulation& simulation, const alloc::RefreshRule& rule, const Sequence& sequence) {
  const alloc::Protection& protection = rule.protection;
  const std::uint32_t first = std::max(rule.protects_prompt() ? sequence.n_prompt : 0U, protection.sinks);
  const std::uint32_t needed = first + std::max(rule.window, protection.recent);
  const std::vector<std::int32_t>& fixed = simulation.plan.head_budget;
  const std::vector<std::int32_t>& budgets = fixed.empty() ? simulation.plan.budget : fixed;
  const auto smallest = static_cast<std::uint32_t>(*std::min_element(budgets.begin(), budgets.end()));
  const bool per_q_head = rule.granularity == alloc::Granularity::q_head;
  const std::uint32_t n_heads = per_q_head ? sequence.n_q_heads : sequence.n_kv_heads;
  const std::uint32_t per_head = fixed.empty() ? smallest / n_heads : smallest;
  if (per_head >= needed || sequence.n_positions <= per_head) return;
  throw alloc::BadBudget(fmt::format(
      "{} at budget {}: {}={} keeps {} first positions and {} newest, but a layer has only {} entries per "
      "KV head",
      simulation.strategy.short_text(), simulation.budget,
      rule.prompt == alloc::PromptRule::protect ? "prompt" : "protect",
      rule.prompt == alloc::PromptRule::protect ? "protect" : protection.text(), first, needed - first, per_head));
}

}  // namespace

void plan_simulation(Simulation& simulation, const Sequence& sequence, std::span<const double> demand) {
  const alloc::RefreshRule rule = simulation.scorer->rule();
  alloc::LayerPlanInput input;
  input.n_layers = sequence.n_layers;
  const bool per_q_head = rule.granularity == alloc::Granularity::q_head;
  input.n_kv_heads = per_q_head ? sequence.n_q_heads : sequence.n_kv_heads;
  input.n_model_kv_heads = sequence.n_kv_heads;
  input.budget = simulation.budget;
  input.window = rule.window;
  input.demand = demand;
  input.n_prompt = sequence.n_prompt;
  input.n_q_heads = sequence.n_q_heads;
  alloc::HeadTable table;
  if (simulation.allocator->needs_table()) {
    table = table_of(simulation.strategy.allocator);
    input.table = &table;
  }
  try {
    simulation.plan = simulation.allocator->layer_plan(input);
  } catch (const alloc::BadBudget& error) {
    throw alloc::BadBudget(
        fmt::format("{} at budget {}: {}", simulation.strategy.short_text(), simulation.budget, error.what()));
  }
  if (rule.protects()) check_protection(simulation, rule, sequence);
}

Simulation planned_simulation(const alloc::Strategy& strategy, std::uint32_t asked, std::uint32_t budget,
                              std::shared_ptr<const alloc::Scorer> scorer, const Sequence& sequence,
                              std::span<const double> demand) {
  Simulation simulation;
  simulation.strategy = strategy;
  simulation.asked = asked;
  simulation.budget = budget;
  simulation.allocator = alloc::make_allocator(strategy.allocator);
  simulation.scorer = std::move(scorer);
  plan_simulation(simulation, sequence, demand);
  return simulation;
}

}  // namespace kvwave::replay
