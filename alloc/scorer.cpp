#include "alloc/scorer.h"

#include <stdexcept>

namespace kvwave::alloc {

// A scorer implements the one of these three that its sort needs; replay calls no other.

void Scorer::score(const Residents&, std::span<float>) const {
  throw std::logic_error("this scorer gives no scores without a state");
}

std::unique_ptr<ScorerState> Scorer::make_state(const CacheIdentity&) const {
  return nullptr;
}

std::unique_ptr<StepSelector> Scorer::make_selector(const CacheIdentity&) const {
  return nullptr;
}

}  // namespace kvwave::alloc
