#include "replay/turnover.h"

#include <limits>

namespace kvwave::replay {

void TurnoverSum::evict(std::uint32_t step, std::uint32_t n_leaving, std::uint32_t n_old) {
  const std::uint32_t held = n_prompt_ + step - gone_;  // before the step's own token
  const std::uint32_t left = held - n_leaving;
  if (held > 0) {
    churn_ += static_cast<double>(n_leaving) / held;
    ++n_churn_;
  }
  if (n_evictions_ > 0) {
    const std::uint32_t both = left_ - n_old;
    const std::uint32_t either = left_ + left - both;
    jaccard_ += either > 0 ? static_cast<double>(both) / either : 1.0;
    ++n_jaccard_;
  }
  ++n_evictions_;
  gone_ += n_leaving;
  left_ = left;
  n_there_before_ = n_prompt_ + step;
}

Turnover TurnoverSum::mean() const {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  return {n_churn_ > 0 ? static_cast<float>(churn_ / n_churn_) : nan,
          n_jaccard_ > 0 ? static_cast<float>(jaccard_ / n_jaccard_) : nan};
}

}  // namespace kvwave::replay
