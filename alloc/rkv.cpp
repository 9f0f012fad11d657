// R-KV (Cai et al. 2025, arXiv 2505.24133; github.com/Zefan-Cai/R-KV at d15c976): importance against redundancy.
//
//   Z_j = lambda * A_j - (1 - lambda) * Red_j,  j over the candidates
//
// A = what the last `window` queries pay to slot j (maximum of the logits over the group, softmax over the candidates
// alone, mean over the queries, max pool), Red = softmax of the mean cosine of key j to all residents, one
// near-duplicate per row exempted. Both are computed by the caller (kernels/rkv_importance.h, rkv_redundancy.h); here
// they are only joined. The ReasonAlloc paper quotes the score with a plus sign, which would reward duplicates:
// `sign=plus` is that reading.
//
// form=2025  the code of the paper: after the attention of each step whose position is a multiple of `buffer`, prompt
//            counted, with the budget reached; survivors in the order of scores
// form=2026  the later serving code: whenever another `buffer` tokens have been decoded and budget + buffer is reached;
//            the prompt stays until then, survivors are sorted by position
// form=hf    its Hugging Face adapter: after each `buffer` decoded tokens, before that step's attention
// A form is a set of defaults for trigger, cut, prompt and order, which can be given one by one. trigger=newline is the
// code's other trigger (divide_method "newline"): in the step of each token that ends a line, `buffer` unused;
// content=think (its compression_content) ends that with "</think>".
#include <bit>
#include <cstdint>
#include <string>

#include "alloc/components.h"
#include "alloc/parameter.h"
#include "alloc/refresh_parameters.h"

namespace kvwave::alloc {
namespace {

// Nearest bfloat16, ties to even. Inputs are finite.
float round_bf16(float value) {
  std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  bits += 0x7FFFU + ((bits >> 16U) & 1U);
  return std::bit_cast<float>(bits & 0xFFFF0000U);
}

ParameterSpec rkv_form_parameter() {
  ParameterSpec form = word_parameter("form", {"2025", "2026", "hf"}, "paper's code, serving code, or HF adapter");
  for (const std::string_view word : {"2026", "hf"}) {
    form.presets.push_back({word, "prompt", "keep"});
    form.presets.push_back({word, "order", "time"});
  }
  form.presets.push_back({"2026", "trigger", "decoded"});
  form.presets.push_back({"hf", "trigger", "overflow"});
  form.presets.push_back({"hf", "cut", "before"});
  return form;
}

class Rkv final : public Scorer {
 public:
  explicit Rkv(const Component& component)
      : rule_(refresh_rule(component)),
        importance_weight_(static_cast<float>(component.real("lambda"))),
        redundancy_weight_(
            static_cast<float>((component.word("sign") == "plus" ? 1.0 : -1.0) * (1.0 - component.real("lambda")))),
        kernel_(static_cast<std::uint32_t>(component.integer("kernel"))),
        threshold_(component.real("threshold")),
        bf16_(component.word("precision") == "bf16") {}

  RefreshRule rule() const override { return rule_; }

  Needs needs() const override {
    Needs needs;
    needs.importance = true;
    needs.redundancy = true;
    needs.pool_kernel = kernel_;
    needs.similarity_threshold = threshold_;
    needs.round_bf16 = bf16_;
    return needs;
  }

  void score(const Residents& residents, std::span<float> score) const override {
    for (std::size_t j = 0; j < score.size(); ++j) {
      const float attention = importance_weight_ * residents.importance[j];
      const float duplicate = redundancy_weight_ * residents.redundancy[j];
      // In bfloat16 tensors every operation rounds its result.
      score[j] = bf16_ ? round_bf16(round_bf16(attention) + round_bf16(duplicate)) : attention + duplicate;
    }
  }

 private:
  RefreshRule rule_;
  float importance_weight_, redundancy_weight_;
  std::uint32_t kernel_;
  double threshold_;
  bool bf16_;
};

}  // namespace

ScorerEntry rkv_entry() {
  return {{.name = "rkv",
           .summary = "importance against redundancy: lambda * A - (1 - lambda) * Red",
           .source = "R-KV, arXiv 2505.24133; github.com/Zefan-Cai/R-KV d15c976",
           .parameters = joined(
               {real_parameter("lambda", "0.1", 0, 1, "weight of importance (paper 0.1, class code 0.07)"),
                integer_parameter("kernel", "7", 1, 255, "slots of the max pool over importance; 1 = none", true),
                real_parameter("threshold", "0.5", -1, 1, "cosine above which a key is a near-duplicate"),
                word_parameter("sign", {"minus", "plus"}, "of Red; plus (as ReasonAlloc quotes it) is suspect"),
                word_parameter("precision", {"fp32", "bf16"}, "bf16 rounds A, Red and score as code on bf16 models"),
                rkv_form_parameter()},
               refresh_parameters(true))},
          [](const Component& component) -> std::unique_ptr<Scorer> { return std::make_unique<Rkv>(component); }};
}

}  // namespace kvwave::alloc
