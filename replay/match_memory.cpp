#include "replay/match_memory.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "alloc/error.h"
#include "replay/error.h"
#include "replay/held_entries.h"
#include "replay/random_twin.h"
#include "replay/replay_trace.h"
#include "replay/rope_frequencies.h"
#include "replay/simulate.h"
#include "replay/simulation_plan.h"
#include "traces/command_line.h"
#include "traces/reader.h"

namespace kvwave::replay {

namespace {

// One asked budget of all strategies that share a count_key(), and what is known of it.
struct Search {
  alloc::Strategy strategy;  // one of them
  std::string key;
  bool counts_only = false;  // the scorer does not decide how many entries are held: chance stands in for it
  std::uint32_t asked = 0;
  std::uint32_t low = 0, high = 0;           // the largest budget that realises at most `asked` lies in between
  std::map<std::uint32_t, double> realised;  // by budget tried
};

class Matcher {
 public:
  Matcher(const traces::TraceReader& trace, std::uint64_t trace_key, const Sequence& sequence,
          std::span<const double> demand, std::uint32_t page, kernels::ThreadPool& pool)
      : trace_(trace), trace_key_(trace_key), sequence_(sequence), demand_(demand), page_(page), pool_(pool) {}

  void add(const Simulation& simulation) {
    const std::string key = count_key(simulation.strategy);
    const bool known = std::any_of(searches_.begin(), searches_.end(), [&](const Search& search) {
      return search.asked == simulation.asked && search.key == key;
    });
    if (known) return;
    if (simulation.allocator->replans_layers()) {
      throw Error(
          fmt::format("{}: --match-memory cannot solve for an allocator that moves budget between layers during "
                      "the run",
                      simulation.strategy.short_text()));
    }
    Search search;
    search.strategy = simulation.strategy;
    search.key = key;
    search.counts_only = key != simulation.strategy.full_text() && !simulation.scorer->selects() &&
                         !simulation.allocator->needs_scores() && !simulation.allocator->needs_future_mass();
    search.asked = simulation.asked;
    search.low = smallest_budget(search);
    search.high = 2 * simulation.asked;
    searches_.push_back(std::move(search));
  }

  std::vector<SolvedBudget> solve() {
    while (try_each([](const Search& search) {
      return search.low < search.high ? std::optional((search.low + search.high + 1) / 2) : std::nullopt;
    })) {
      for (Search& search : searches_) {
        if (search.low == search.high) continue;
        const std::uint32_t middle = (search.low + search.high + 1) / 2;
        if (search.realised.at(middle) <= search.asked) {
          search.low = middle;
        } else {
          search.high = middle - 1;
        }
      }
    }
    for (const std::uint32_t beside : {0U, 1U}) {
      try_each([beside](const Search& search) { return std::optional(search.low + beside); });
    }
    std::vector<SolvedBudget> solved;
    for (const Search& search : searches_) {
      const auto miss = [&](std::uint32_t budget) { return std::abs(search.realised.at(budget) - search.asked); };
      const std::uint32_t next = search.low + 1;
      solved.push_back({search.key, search.asked, miss(next) < miss(search.low) ? next : search.low});
    }
    return solved;
  }

 private:
  Simulation at_budget(const Search& search, std::uint32_t budget) const {
    std::shared_ptr<const alloc::Scorer> scorer = alloc::make_scorer(search.strategy.scorer);
    if (search.counts_only) scorer = make_random_twin(scorer->rule(), 0);
    return planned_simulation(search.strategy, search.asked, budget, std::move(scorer), sequence_, demand_);
  }

  // The asked one fits, so the smallest that does lies at or below it.
  std::uint32_t smallest_budget(const Search& search) const {
    std::uint32_t low = 1, high = search.asked;
    while (low < high) {
      const std::uint32_t middle = (low + high) / 2;
      try {
        at_budget(search, middle);
        high = middle;
      } catch (const alloc::BadBudget&) {
        low = middle + 1;
      }
    }
    return low;
  }

  // Runs every search at the budget that wanted() names, unless it is known. Whether anything had to be run.
  template <class Wanted>
  bool try_each(const Wanted& wanted) {
    std::vector<Search*> searches;
    Sweep sweep;
    for (Search& search : searches_) {
      const std::optional<std::uint32_t> budget = wanted(search);
      if (!budget || search.realised.contains(*budget)) continue;
      sweep.simulations.push_back(at_budget(search, *budget));
      searches.push_back(&search);
    }
    if (searches.empty()) return false;
    const std::vector<double> means = realised_means(sweep);
    for (std::size_t i = 0; i < searches.size(); ++i) {
      searches[i]->realised[sweep.simulations[i].budget] = means[i];
    }
    return true;
  }

  // Of each simulation: held entries in whole pages, mean over counted steps, layers and KV heads; 0 without a counted
  // step.
  std::vector<double> realised_means(const Sweep& sweep) {
    const bool needs_rows = sweep.needs_qkv(nullptr);
    std::optional<RopeFrequencies> frequencies;
    if (sweep.needs_rope()) frequencies.emplace(trace_.info());
    const alloc::Rope rope = frequencies ? frequencies->rope() : alloc::Rope();
    const std::vector<std::uint32_t> clairvoyant = future_positions(sweep);
    std::vector<StatisticsScratch> scratch(pool_.size());
    std::vector<std::uint64_t> total(sweep.simulations.size(), 0);
    for (std::uint32_t layer = 0; layer < sequence_.n_layers; ++layer) {
      if (traces::InterruptGuard::interrupted()) throw Interrupted();
      std::optional<LayerTensors> tensors;
      std::optional<FutureMass> future;
      if (needs_rows) {
        tensors.emplace(trace_, sequence_, layer);
        future.emplace(*tensors, clairvoyant, pool_);
      }
      const StatisticsSource source{tensors ? &*tensors : nullptr, future ? &*future : nullptr, &rope};
      pool_.parallel_for(total.size(), [&](std::size_t i, unsigned worker) {
        const Simulation& simulation = sweep.simulations[i];
        const std::vector<std::uint32_t> counts =
            simulate_layer(simulation, sequence_, layer, source, trace_key_, scratch[worker])
                .resident_counts(sequence_);
        for (std::uint32_t h = 0; h < sequence_.n_kv_heads; ++h) {
          for (std::uint32_t s = sequence_.counted_from(simulation.asked); s < sequence_.n_steps(); ++s) {
            total[i] += in_pages(counts[std::size_t{h} * sequence_.n_steps() + s], page_);
          }
        }
      });
    }
    std::vector<double> means;
    for (std::size_t i = 0; i < total.size(); ++i) {
      const std::uint32_t first = std::min(sequence_.counted_from(sweep.simulations[i].asked), sequence_.n_steps());
      const double n = double{1} * sequence_.n_layers * sequence_.n_kv_heads * (sequence_.n_steps() - first);
      means.push_back(n > 0 ? static_cast<double>(total[i]) / n : 0.0);
    }
    return means;
  }

  std::vector<std::uint32_t> future_positions(const Sweep& sweep) const {
    std::set<std::uint32_t> positions;
    for (const Simulation& simulation : sweep.simulations) {
      if (!simulation.needs().future_mass) continue;
      const std::vector<std::uint32_t> own = refresh_positions(simulation.scorer->rule(), sequence_);
      positions.insert(own.begin(), own.end());
    }
    return {positions.begin(), positions.end()};
  }

  const traces::TraceReader& trace_;
  std::uint64_t trace_key_;
  const Sequence& sequence_;
  std::span<const double> demand_;
  std::uint32_t page_;
  kernels::ThreadPool& pool_;
  std::vector<Search> searches_;
};

}  // namespace

std::vector<SolvedBudget> match_memory(const traces::TraceReader& trace, std::uint64_t trace_key,
                                       const SweepRequest& request, const Sequence& sequence,
                                       std::span<const double> demand, std::uint32_t page, kernels::ThreadPool& pool) {
  Matcher matcher(trace, trace_key, sequence, demand, page, pool);
  const Sweep sweep = build_sweep(request, sequence, demand);
  for (const Simulation& simulation : sweep.simulations) {
    // Beyond the sequence no step is counted and nothing can be realised.
    if (!simulation.is_full() && sequence.counted_from(simulation.asked) < sequence.n_steps()) matcher.add(simulation);
  }
  return matcher.solve();
}

}  // namespace kvwave::replay
