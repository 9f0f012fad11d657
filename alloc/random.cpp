// Control: keeps a uniform random subset of the candidates, without replacement, at R-KV's triggers and window.
//
// Stream: no state. key = mix(...mix(mix(seed) ^ trace_key) ^ layer ...) over seed, trace, layer, kv_head and refresh;
// a candidate's number is mix(key + (position + 1) * 0x9E3779B97F4A7C15), its top 24 bits over 2^24. So every head and
// refresh draws afresh, and a draw depends neither on the order of slots nor on threads or earlier draws. mix is the
// finaliser of SplitMix64 (Steele, Lea, Flood 2014). Two candidates share a number with probability 2^-24; the lower
// slot then wins.
#include <cstdint>

#include "alloc/components.h"
#include "alloc/parameter.h"
#include "alloc/refresh_parameters.h"

namespace kvwave::alloc {
namespace {

constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15U;

std::uint64_t mix(std::uint64_t x) {
  x += kGolden;
  x = (x ^ (x >> 30U)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27U)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31U);
}

class Random final : public Scorer {
 public:
  explicit Random(const Component& component)
      : rule_(refresh_rule(component)), seed_(static_cast<std::uint64_t>(component.integer("seed"))) {}

  RefreshRule rule() const override { return rule_; }
  Needs needs() const override { return {}; }

  void score(const Residents& residents, std::span<float> score) const override {
    std::uint64_t key = mix(seed_);
    for (const std::uint64_t part : {residents.trace_key, std::uint64_t{residents.layer},
                                     std::uint64_t{residents.kv_head}, std::uint64_t{residents.refresh}}) {
      key = mix(key ^ part);
    }
    for (std::size_t j = 0; j < score.size(); ++j) {
      const std::uint64_t bits = mix(key + (std::uint64_t{residents.position[j]} + 1) * kGolden);
      score[j] = static_cast<float>(bits >> 40U) * 0x1p-24F;
    }
  }

 private:
  RefreshRule rule_;
  std::uint64_t seed_;
};

}  // namespace

ScorerEntry random_entry() {
  return {{.name = "random",
           .summary = "control: a uniform random subset, drawn afresh per KV head and refresh",
           .source = "own baseline",
           .parameters = joined(
               {integer_parameter("seed", "0", 0, 2'147'483'647, "of the stream; every head and refresh draws afresh")},
               refresh_parameters(false))},
          [](const Component& component) -> std::unique_ptr<Scorer> { return std::make_unique<Random>(component); }};
}

}  // namespace kvwave::alloc
