// StreamingLLM's rule (Xiao et al. 2024, arXiv 2309.17453; github.com/mit-han-lab/streaming-llm at 2e50426): the first
// `sinks` positions and the newest ones.
//
//   score(position p) = 2^25 - 2 p for p < sinks (sums of two floats stay exact), p otherwise
//
// By default at R-KV's triggers, as the R-KV repository runs it; `buffer=1` cuts at every step as the original's
// evaluation script does. The original re-indexes positions inside the cache before RoPE, which a trace with absolute
// positions cannot reproduce: this is its residency, not its logits. Scores are exact up to position 2^24.
#include <cstdint>

#include "alloc/components.h"
#include "alloc/parameter.h"
#include "alloc/refresh_parameters.h"

namespace kvwave::alloc {
namespace {

constexpr float kAbovePositions = 0x1p25F;

class Streaming final : public Scorer {
 public:
  explicit Streaming(const Component& component)
      : rule_(refresh_rule(component)), sinks_(static_cast<std::uint32_t>(component.integer("sinks"))) {}

  RefreshRule rule() const override { return rule_; }
  Needs needs() const override { return {}; }

  void score(const Residents& residents, std::span<float> score) const override {
    for (std::size_t j = 0; j < score.size(); ++j) {
      const std::uint32_t position = residents.position[j];
      const auto p = static_cast<float>(position);
      score[j] = position < sinks_ ? kAbovePositions - 2 * p : p;
    }
  }

 private:
  RefreshRule rule_;
  std::uint32_t sinks_;
};

}  // namespace

ScorerEntry streaming_entry() {
  return {
      {.name = "streaming",
       .summary = "attention sinks and the newest positions",
       .source = "StreamingLLM, arXiv 2309.17453; github.com/mit-han-lab/streaming-llm 2e50426",
       .parameters = joined({integer_parameter("sinks", "4", 0, 4096, "first positions of the sequence that are kept")},
                            refresh_parameters(false))},
      [](const Component& component) -> std::unique_ptr<Scorer> { return std::make_unique<Streaming>(component); }};
}

}  // namespace kvwave::alloc
