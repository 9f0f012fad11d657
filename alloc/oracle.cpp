// Control: keeps what the rest of the run will attend to most.
//
//   score_j = sum over all later rows of the full attn_prob of position j, mean over the group
//
// It looks into the future, yet it is greedy and bound to R-KV's triggers and window, and the full rows it reads are
// not those of a cache that dropped anything: a strong reference, no upper bound.
#include <algorithm>

#include "alloc/components.h"
#include "alloc/refresh_parameters.h"

namespace kvwave::alloc {
namespace {

class Oracle final : public Scorer {
 public:
  explicit Oracle(const Component& component) : rule_(refresh_rule(component)) {}

  RefreshRule rule() const override { return rule_; }

  Needs needs() const override {
    Needs needs;
    needs.future_mass = true;
    return needs;
  }

  void score(const Residents& residents, std::span<float> score) const override {
    std::copy_n(residents.future_mass.begin(), score.size(), score.begin());
  }

 private:
  RefreshRule rule_;
};

}  // namespace

ScorerEntry oracle_entry() {
  return {{.name = "oracle",
           .summary = "control: largest future attention (clairvoyant, greedy, no ceiling)",
           .source = "own baseline",
           .parameters = refresh_parameters(false)},
          [](const Component& component) -> std::unique_ptr<Scorer> { return std::make_unique<Oracle>(component); }};
}

}  // namespace kvwave::alloc
