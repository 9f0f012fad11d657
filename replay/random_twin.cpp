#include "replay/random_twin.h"

#include <fmt/format.h>

#include "alloc/registry.h"
#include "alloc/strategy.h"

namespace kvwave::replay {

namespace {

class RandomTwin final : public alloc::Scorer {
 public:
  RandomTwin(const alloc::RefreshRule& rule, std::uint32_t seed)
      : rule_(rule),
        random_(alloc::make_scorer(alloc::Strategy::parse(fmt::format("uniform/random:seed={}", seed)).scorer)) {
    rule_.order = alloc::SlotOrder::time;  // chance looks at no neighbours
  }

  alloc::RefreshRule rule() const override { return rule_; }
  alloc::Needs needs() const override { return {}; }
  void score(const alloc::Residents& residents, std::span<float> score) const override {
    random_->score(residents, score);
  }

 private:
  alloc::RefreshRule rule_;
  std::unique_ptr<alloc::Scorer> random_;
};

}  // namespace

std::shared_ptr<const alloc::Scorer> make_random_twin(const alloc::RefreshRule& rule, std::uint32_t seed) {
  return std::make_shared<RandomTwin>(rule, seed);
}

alloc::RefreshRule without_protection(alloc::RefreshRule rule) {
  rule.protection = {};
  rule.window = 1;
  if (rule.prompt == alloc::PromptRule::protect) rule.prompt = alloc::PromptRule::cut;
  return rule;
}

}  // namespace kvwave::replay
