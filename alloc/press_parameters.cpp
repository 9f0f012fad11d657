#include "alloc/press_parameters.h"

#include "alloc/parameter.h"
#include "alloc/refresh_parameters.h"
#include "alloc/strategy.h"

namespace kvwave::alloc {

std::vector<ParameterSpec> press_parameters(std::string_view buffer) {
  return {
      integer_parameter("window", "0", 0, 4096, "newest entries, always kept, inside the budget"),
      integer_parameter("buffer", buffer, 1, 1'000'000, "decoded tokens (or positions) between two cuts"),
      word_parameter("trigger", {"decoded", "position", "prompt"}, "DecodingPress, as R-KV, or once after prefill"),
      word_parameter("prompt", {"cut", "keep", "protect"}, "cut after prefill, keep until a refresh, never drop"),
      protection_parameter(),
      word_parameter("order", {"score", "time"}, "slots of survivors: best first or by position"),
  };
}

RefreshRule press_rule(const Component& component) {
  RefreshRule rule = rule_without_trigger(component);
  const std::string& trigger = component.word("trigger");
  rule.trigger = trigger == "decoded"    ? Trigger::overflow_multiple
                 : trigger == "position" ? Trigger::position_multiple
                                         : Trigger::after_prompt;
  return rule;
}

}  // namespace kvwave::alloc
