// KeyDiff (Park et al. 2025, arXiv 2504.15364; github.com/NVIDIA/kvpress at 8bb29b9, KeyDiffPress): keys that differ
// from the mean direction are kept.
//
//   anchor = mean over all residents of k_j / |k_j|    (not normalised again)
//   score_j = -cos(k_j, anchor)
//
// Keys as cached, after rotation. No sinks, no window. The paper works in blocks of 128 tokens, hence the buffer; its
// blockwise cut of the prompt is one cut here.
#include <algorithm>
#include <cmath>
#include <vector>

#include "alloc/components.h"
#include "alloc/parameter.h"
#include "alloc/press_parameters.h"
#include "alloc/vector_norm.h"

namespace kvwave::alloc {
namespace {

constexpr double kNormGuard = 1e-12, kCosineGuard = 1e-8;  // of torch's normalize and cosine_similarity

class KeyDiff final : public Scorer {
 public:
  explicit KeyDiff(const Component& component) : rule_(press_rule(component)) {}

  RefreshRule rule() const override { return rule_; }

  Needs needs() const override {
    Needs needs;
    needs.keys = true;
    return needs;
  }

  void score(const Residents& residents, std::span<float> score) const override {
    std::vector<double> anchor(residents.keys.width(), 0.0);
    const auto n = static_cast<double>(residents.position.size());
    for (const std::uint32_t position : residents.position) {
      const std::span<const float> key = residents.keys[position];
      const double scale = 1.0 / (n * std::max(vector_norm(key), kNormGuard));
      for (std::size_t c = 0; c < anchor.size(); ++c) anchor[c] += key[c] * scale;
    }
    double square = 0;
    for (const double x : anchor) square += x * x;
    const double anchor_norm = std::max(std::sqrt(square), kCosineGuard);
    for (std::size_t j = 0; j < score.size(); ++j) {
      const std::span<const float> key = residents.keys[residents.position[j]];
      double dot = 0;
      for (std::size_t c = 0; c < anchor.size(); ++c) dot += key[c] * anchor[c];
      score[j] = static_cast<float>(-dot / (std::max(vector_norm(key), kCosineGuard) * anchor_norm));
    }
  }

 private:
  RefreshRule rule_;
};

}  // namespace

ScorerEntry keydiff_entry() {
  return {{.name = "keydiff",
           .summary = "keys unlike the mean direction stay",
           .source = "KeyDiff, arXiv 2504.15364; github.com/NVIDIA/kvpress 8bb29b9",
           .parameters = press_parameters("128")},
          [](const Component& component) -> std::unique_ptr<Scorer> { return std::make_unique<KeyDiff>(component); }};
}

}  // namespace kvwave::alloc
