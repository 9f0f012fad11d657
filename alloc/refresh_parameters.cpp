#include "alloc/refresh_parameters.h"

#include <iterator>

#include "alloc/parameter.h"
#include "alloc/strategy.h"

namespace kvwave::alloc {

std::vector<ParameterSpec> refresh_parameters(bool with_order) {
  std::vector<ParameterSpec> parameters = {
      integer_parameter("window", "8", 1, 4096, "newest entries, always kept, inside the budget"),
      integer_parameter("buffer", "128", 1, 1'000'000, "refresh at positions that are multiples of this"),
      word_parameter("prompt", {"cut", "keep", "protect"}, "cut after prefill, keep until a refresh, never drop"),
      protection_parameter(),
  };
  if (with_order) {
    parameters.push_back(word_parameter("order", {"score", "time"}, "slots of survivors: best first or by position"));
  }
  return parameters;
}

RefreshRule refresh_rule(const Component& component) {
  const std::string& prompt = component.word("prompt");
  RefreshRule rule;
  rule.window = static_cast<std::uint32_t>(component.integer("window"));
  rule.buffer = static_cast<std::uint32_t>(component.integer("buffer"));
  rule.prompt = prompt == "cut" ? PromptRule::cut : prompt == "keep" ? PromptRule::keep : PromptRule::protect;
  const bool by_score = component.values.contains("order") && component.word("order") == "score";
  rule.protection = Protection::parse(component.word("protect"));
  rule.order = by_score ? SlotOrder::score : SlotOrder::time;
  return rule;
}

std::vector<ParameterSpec> joined(std::vector<ParameterSpec> own, const std::vector<ParameterSpec>& shared) {
  own.insert(own.end(), shared.begin(), shared.end());
  return own;
}

}  // namespace kvwave::alloc
