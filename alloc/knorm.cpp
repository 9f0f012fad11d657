// Knorm, also called L2Norm (Devoto et al. 2024, arXiv 2406.11430; github.com/NVIDIA/kvpress at 8bb29b9, KnormPress):
// keys with a small norm are kept.
//
//   score_j = -|k_j|
//
// Rotation does not change a norm. No sinks, no window.
#include "alloc/components.h"
#include "alloc/parameter.h"
#include "alloc/press_parameters.h"
#include "alloc/vector_norm.h"

namespace kvwave::alloc {
namespace {

class Knorm final : public Scorer {
 public:
  explicit Knorm(const Component& component) : rule_(press_rule(component)) {}

  RefreshRule rule() const override { return rule_; }

  Needs needs() const override {
    Needs needs;
    needs.keys = true;
    return needs;
  }

  void score(const Residents& residents, std::span<float> score) const override {
    for (std::size_t j = 0; j < score.size(); ++j) {
      score[j] = static_cast<float>(-vector_norm(residents.keys[residents.position[j]]));
    }
  }

 private:
  RefreshRule rule_;
};

}  // namespace

ScorerEntry knorm_entry() {
  return {{.name = "knorm",
           .summary = "small key norms stay",
           .source = "Knorm, arXiv 2406.11430; github.com/NVIDIA/kvpress 8bb29b9",
           .parameters = press_parameters("512")},
          [](const Component& component) -> std::unique_ptr<Scorer> { return std::make_unique<Knorm>(component); }};
}

}  // namespace kvwave::alloc
