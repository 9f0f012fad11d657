// What one replay compares: every strategy at every budget, and the controls that give each figure its scale.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "alloc/allocator.h"
#include "alloc/scorer.h"
#include "alloc/strategy.h"
#include "replay/sequence.h"

namespace kvwave::replay {

/// A strategy with the random scorer is the mean of this many draws: seeds seed, seed + 1, ...
inline constexpr std::uint32_t kRandomSeeds = 8;

/// One run of phase 1: a strategy at a budget. The full cache has no allocator and no scorer.
struct Simulation {
  alloc::Strategy strategy;
  std::uint32_t budget = 0;  ///< that it runs with
  std::uint32_t asked = 0;   ///< the configuration's, whose steps are counted; the same unless memory is matched
  bool twin = false;         ///< chance in place of the strategy's scorer
  std::shared_ptr<const alloc::Allocator> allocator;
  std::shared_ptr<const alloc::Scorer> scorer;
  alloc::LayerPlan plan;

  bool is_full() const { return scorer == nullptr; }
  /// Whether budget moves between the heads of a layer at refreshes, so that they are simulated together.
  bool shares_heads() const {
    return plan.head_budget.empty() && (allocator->needs_scores() || allocator->needs_future_mass());
  }
  /// What the scorer and the allocator ask for together.
  alloc::Needs needs() const;
};

/// Decisions per layer: KV heads, query heads, or 1.
std::uint32_t n_caches(alloc::Granularity granularity, const Sequence& sequence);

enum class ConfigurationKind {
  destructive,  ///< evicted entries are gone
  selection,    ///< everything stays in memory, each step reads a part
  offload,      ///< what is not read waits in a reservoir and can come back
  full,         ///< nothing is evicted
  ceiling       ///< per row the top-k of the full row: no cache can do it, nothing is freed
};

/// What a configuration is for the figures of others.
enum class ConfigurationRole {
  none,
  random,  ///< with oracle and ceiling: the scale on which others are placed
  oracle,
  ceiling,
  random_score,  ///< another strategy's trigger, protection and allocator with a random score
  unprotected    ///< the same without its protection
};

/// Whether a configuration of this kind is a strategy, with memory to be compared.
constexpr bool is_strategy(ConfigurationKind kind) {
  return kind != ConfigurationKind::full && kind != ConfigurationKind::ceiling;
}

/// The word written to results: "destructive", "offload", or "selection" for what frees nothing (also the full cache
/// and the ceiling).
std::string_view to_string(ConfigurationKind kind);

/// Back from a strategy as printed and that word; nothing when the word is unknown.
std::optional<ConfigurationKind> kind_of(std::string_view strategy, std::string_view word);

/// One line of the comparison: the mean over its simulations (one; eight seeds for the random scorer).
struct Configuration {
  std::string strategy;   ///< short_text(), or "ceiling"
  std::string full_text;  ///< every parameter written out
  std::uint32_t budget = 0;
  ConfigurationKind kind = ConfigurationKind::destructive;
  bool control = false;
  ConfigurationRole role = ConfigurationRole::none;  ///< also when a control was asked for by name
  bool uses_profile = false;
  std::vector<std::uint32_t> simulations;  ///< indices into Sweep; for the ceiling the one whose counts it follows
  std::uint32_t baseline = 0;              ///< configuration that memory is compared with, at the same budget
  std::uint32_t solved_budget =
      0;                       ///< budget that the strategy runs with; differs from `budget` when memory is matched
  std::uint32_t explains = 0;  ///< for random_score and unprotected: the configuration whose gain they explain
};

/// A budget found by --match-memory for every strategy of that count_key().
struct SolvedBudget {
  std::string count_key;
  std::uint32_t asked = 0;
  std::uint32_t budget = 0;
};

struct SweepRequest {
  std::vector<alloc::Strategy> strategies;  ///< doubles are dropped
  std::vector<std::uint32_t> budgets;       ///< average entries per KV head; doubles are dropped
  bool ceiling = false;                     ///< the ceiling was asked for by name
  bool controls = true;
  bool clairvoyant = true;  ///< whether the oracle is among the controls (it needs queries and keys)
  /// Whether the oracle of budgets is (it also needs the CPU). It is left out under `match_memory`, which cannot solve
  /// for it, and where entries are protected: a split that does not care could not hold them.
  bool clairvoyant_budgets = true;
  bool explain_protection = false;   ///< adds random_score and unprotected for every strategy that scores entries
  bool match_memory = false;         ///< budgets are asked memory: replay solves for the budget that realises it
  std::vector<SolvedBudget> solved;  ///< what it found; others run with the asked budget
};

/// Strategies with equal keys hold equally many entries in every step of every trace at equal budgets: allocator and
/// rule, and the scorer only where it decides how many.
std::string count_key(const alloc::Strategy& strategy);

/// Simulations first, ceilings after them: the columns of every evaluation.
struct Sweep {
  std::vector<Simulation> simulations;
  std::vector<Configuration> configurations;  ///< by budget, strategies in the order given, then controls
  std::vector<std::uint32_t> ceilings;        ///< configurations of that kind; column n_simulations + i

  std::uint32_t n_simulations() const { return static_cast<std::uint32_t>(simulations.size()); }
  std::uint32_t n_columns() const { return n_simulations() + static_cast<std::uint32_t>(ceilings.size()); }
  std::uint32_t column_budget(std::uint32_t column) const;
  /// Whether any simulation needs statistics that only the qkv level gives; `which`: the first such strategy and
  /// what it needs, "uniform/rkv needs queries, keys (level qkv)".
  bool needs_qkv(std::string* which) const;
  bool needs_rope() const;
};

/// Whether any strategy needs a demand profile.
bool needs_profile(const SweepRequest& request);

/// The first strategy (its short_text()) whose trigger looks at the text, which Sequence::marks must then describe; or
/// "". Controls have no trigger that no strategy has.
std::string reads_tokens(const SweepRequest& request);

/// The first strategy (its short_text()) that the device's replay does not serve, or "". A device forms importance,
/// redundancy and future mass for caches of KV heads, layer by layer.
std::string beyond_device(const SweepRequest& request);

/// Expands a request. `demand`: [n_layers] Reasoning Wave or empty. Controls take trigger, protection and prompt rule
/// from the first R-KV-family strategy (rkv, snapkv); without one, R-KV's defaults.
/// Throws BadBudget (with strategy and budget named), MissingProfile.
Sweep build_sweep(const SweepRequest& request, const Sequence& sequence, std::span<const double> demand);

/// The paper's list: what `kvwave replay` compares without -s.
std::vector<alloc::Strategy> default_strategies();

}  // namespace kvwave::replay
