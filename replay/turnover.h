// How restless a cache is: what its evictions throw away, and how much two successive ones agree on.
#pragma once

#include <cstdint>

namespace kvwave::replay {

struct Turnover {
  float churn = 0;    ///< evicted / held before, mean over the steps that evict something; NaN without one
  float jaccard = 0;  ///< |A and B| / |A or B| of the entries left by two successive evictions, mean; NaN below two
};

/// The turnover of one cache, eviction by eviction. Drops with the prompt count as the first eviction.
class TurnoverSum {
 public:
  explicit TurnoverSum(std::uint32_t n_prompt) : n_prompt_(n_prompt) {}

  /// Positions below this were there when the previous eviction began; 0 before the first.
  std::uint32_t n_there_before() const { return n_there_before_; }
  /// In `step`, after the last one, n_leaving > 0 entries go, of which n_old were below n_there_before().
  void evict(std::uint32_t step, std::uint32_t n_leaving, std::uint32_t n_old);
  Turnover mean() const;

 private:
  std::uint32_t n_prompt_, n_there_before_ = 0, gone_ = 0, left_ = 0;
  std::uint32_t n_evictions_ = 0, n_churn_ = 0, n_jaccard_ = 0;
  double churn_ = 0, jaccard_ = 0;
};

}  // namespace kvwave::replay
