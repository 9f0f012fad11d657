#include "alloc/refresh_parameters.h"

#include <iterator>

#include "alloc/parameter.h"
#include "alloc/strategy.h"

namespace kvwave::alloc {

namespace {

constexpr std::string_view kPromptMeaning = "cut after prefill, keep until a refresh, never drop";
constexpr std::string_view kTriggerMeaning = "position, decoded (B + buffer or > B held), newline";

PromptRule prompt_rule(const Component& component) {
  const std::string& prompt = component.word("prompt");
  return prompt == "cut" ? PromptRule::cut : prompt == "keep" ? PromptRule::keep : PromptRule::protect;
}

}  // namespace

std::vector<ParameterSpec> refresh_parameters(bool with_order) {
  std::vector<ParameterSpec> parameters = {
      integer_parameter("window", "8", 1, 4096, "newest entries, always kept, inside the budget"),
      integer_parameter("buffer", "128", 1, 1'000'000, "refresh at positions that are multiples of this"),
      word_parameter("prompt", {"cut", "keep", "protect"}, kPromptMeaning),
      protection_parameter(),
      word_parameter("trigger", {"position", "decoded", "overflow", "newline"}, kTriggerMeaning),
      word_parameter("cut", {"after", "before"}, "whether the cut follows or precedes its attention"),
      word_parameter("content", {"all", "think"}, "trigger=newline: always, or not after </think>"),
  };
  if (with_order) {
    parameters.push_back(word_parameter("order", {"score", "time"}, "slots of survivors: best first or by position"));
  }
  return parameters;
}

RefreshRule refresh_rule(const Component& component) {
  RefreshRule rule = rule_without_trigger(component);
  const std::string& trigger = component.word("trigger");
  rule.trigger = trigger == "position"   ? Trigger::position_multiple
                 : trigger == "decoded"  ? Trigger::decoded_multiple
                 : trigger == "overflow" ? Trigger::overflow_multiple
                                         : Trigger::newline;
  if (component.word("cut") == "before") rule.cut = CutTime::before_attention;
  rule.until_think_end = component.word("content") == "think";
  return rule;
}

RefreshRule rule_without_trigger(const Component& component) {
  RefreshRule rule;
  rule.window = static_cast<std::uint32_t>(component.integer("window"));
  rule.buffer = static_cast<std::uint32_t>(component.integer("buffer"));
  rule.prompt = prompt_rule(component);
  const bool by_score = component.values.contains("order") && component.word("order") == "score";
  rule.protection = Protection::parse(component.word("protect"));
  rule.order = by_score ? SlotOrder::score : SlotOrder::time;
  return rule;
}

std::vector<ParameterSpec> step_parameters(bool with_heads) {
  std::vector<ParameterSpec> parameters = {
      word_parameter("prompt", {"cut", "keep", "protect"}, kPromptMeaning),
      protection_parameter(),
  };
  if (with_heads) {
    parameters.push_back(word_parameter("heads", {"kv", "query"}, "one cache per KV head, or per query head"));
  }
  return parameters;
}

RefreshRule step_rule(const Component& component) {
  RefreshRule rule;
  rule.window = 0;
  rule.buffer = 1;
  rule.prompt = prompt_rule(component);
  rule.order = SlotOrder::time;
  rule.trigger = Trigger::every_step;
  rule.protection = Protection::parse(component.word("protect"));
  const bool per_q_head = component.values.contains("heads") && component.word("heads") == "query";
  rule.granularity = per_q_head ? Granularity::q_head : Granularity::kv_head;
  return rule;
}

std::vector<ParameterSpec> joined(std::vector<ParameterSpec> own, const std::vector<ParameterSpec>& shared) {
  own.insert(own.end(), shared.begin(), shared.end());
  return own;
}

}  // namespace kvwave::alloc
