// SnapKV as reasoning papers run it (decode form in the R-KV repository, rkv/compression/snapkv.py at d15c976, after
// Li et al. 2024, arXiv 2404.14469): R-KV's importance alone, at R-KV's triggers.
//
//   score_j = A_j
//
// The original compresses once after prefill, sums FULL softmax rows per query head and never touches decoded tokens;
// results of the two must not be compared under one name.
#include <algorithm>

#include "alloc/components.h"
#include "alloc/parameter.h"
#include "alloc/refresh_parameters.h"

namespace kvwave::alloc {
namespace {

class SnapKv final : public Scorer {
 public:
  explicit SnapKv(const Component& component)
      : rule_(refresh_rule(component)),
        kernel_(static_cast<std::uint32_t>(component.integer("kernel"))),
        bf16_(component.word("precision") == "bf16") {}

  RefreshRule rule() const override { return rule_; }

  Needs needs() const override {
    Needs needs;
    needs.importance = true;
    needs.pool_kernel = kernel_;
    needs.round_bf16 = bf16_;
    return needs;
  }

  void score(const Residents& residents, std::span<float> score) const override {
    std::copy_n(residents.importance.begin(), score.size(), score.begin());
  }

 private:
  RefreshRule rule_;
  std::uint32_t kernel_;
  bool bf16_;
};

}  // namespace

ScorerEntry snapkv_entry() {
  return {{.name = "snapkv",
           .summary = "what the last queries attend to, max-pooled (decode form, R-KV's triggers)",
           .source = "SnapKV, arXiv 2404.14469; decode form of github.com/Zefan-Cai/R-KV d15c976",
           .parameters = joined(
               {integer_parameter("kernel", "7", 1, 255, "slots of the max pool over importance; 1 = none", true),
                word_parameter("precision", {"fp32", "bf16"}, "bf16 rounds A as the code does on bf16 models")},
               refresh_parameters(true))},
          [](const Component& component) -> std::unique_ptr<Scorer> { return std::make_unique<SnapKv>(component); }};
}

}  // namespace kvwave::alloc
