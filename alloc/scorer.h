// A scorer (eviction policy) says which residents one cache keeps. Statistics in, scores out.
//
// Contract. Replay simulates a cache as an array of slots; new positions are appended at the end. rule() says when it
// acts. At a refresh replay computes what needs() names over the residents, asks for scores, and keeps the best
// (budget - window) of the candidates plus the window: the last `window` slots, which are never candidates. Protected
// positions come first, whatever their score. Ties go to the lower slot. What a destructive scorer dropped never
// returns, neither as a resident nor in a row: rows hold residents only and sum to 1 over them.
//
// Three sorts of scorers:
//   pure       score() from the statistics of the refresh
//   stateful   make_state(): one state per cache sees every step's row and then gives the scores
//   selecting  make_selector(): says in every step what attention reads (kind() selection or offload, or a destructive
//              policy that acts on pages); no refreshes, no scores
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "alloc/refresh_rule.h"
#include "alloc/residents.h"
#include "alloc/step_selector.h"

namespace kvwave::alloc {

/// One step's attention over the residents of a cache, each query head's row renormalised over them (0 everywhere when
/// the residents got nothing), then reduced over the heads of the cache.
struct ObservedRow {
  std::uint32_t position = 0;                ///< of the query
  std::span<const std::uint32_t> residents;  ///< positions in slot order, the query's own included
  std::span<const float> prob;               ///< same order
};

/// What a stateful scorer remembers about one cache. Keep it by position: slots move.
class ScorerState {
 public:
  virtual ~ScorerState() = default;
  /// Rows come in the order of time, each before the refresh of its step.
  virtual void observe(const ObservedRow& row) = 0;
  /// As Scorer::score().
  virtual void score(const Residents& residents, std::span<float> score) const = 0;
};

/// Which cache a state or a selector belongs to.
struct CacheIdentity {
  std::uint32_t layer = 0, cache = 0;
  std::uint32_t n_prompt = 0, n_positions = 0;  ///< of the whole sequence
  std::int32_t budget = 0;                      ///< entries at the start
};

class Scorer {
 public:
  virtual ~Scorer() = default;
  virtual RefreshRule rule() const = 0;
  virtual Needs needs() const = 0;
  virtual StrategyKind kind() const { return StrategyKind::destructive; }

  /// Pure scorers. score[j] for every candidate slot j in [0, m), higher = keep; finite. score.size() == m.
  virtual void score(const Residents& residents, std::span<float> score) const;
  /// Stateful scorers (needs().rows): never null for them.
  virtual std::unique_ptr<ScorerState> make_state(const CacheIdentity& cache) const;
  /// Selecting scorers (selects()): never null for them.
  virtual std::unique_ptr<StepSelector> make_selector(const CacheIdentity& cache) const;
  virtual bool selects() const { return false; }
};

}  // namespace kvwave::alloc
