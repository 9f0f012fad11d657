// Importance of cached keys as the R-KV repository computes it: what the newest queries attend to, per KV head.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/key_panels.h"

namespace kvwave::kernels {

struct ImportanceShape {
  std::uint32_t n_queries = 0;     ///< window queries present, oldest first; at least 1
  std::uint32_t group = 1;         ///< G: query heads per KV head
  std::uint32_t n_candidates = 0;  ///< residents outside the window: slots 0 .. n_candidates - 1
  std::uint32_t pool_kernel = 7;   ///< odd width of the max pool over slots; 1 = none
  bool round_bf16 = false;         ///< round A to bfloat16 before pooling, as the code does in the model's type
};

/// Reusable memory; one per thread.
struct ImportanceScratch {
  std::vector<float> logit;
  std::vector<double> mean;
};

/// importance[j] for each candidate j:
///   l[i][j] = max over g of query[i][g] . key[j] / sqrt(head_dim)   (LOGIT-MAX over the group)
///   a[i][.] = softmax of l[i][.] over the candidates only           (PREFIX: window keys stay out of the denominator)
///   A[j]    = mean over i of a[i][j]
///   importance[j] = max of A over slots j - kernel/2 .. j + kernel/2 that are candidates
/// query: [n_queries, group, head_dim], post-RoPE. keys: all residents in slot order (those beyond n_candidates are
/// not looked at). Source: Zefan-Cai/R-KV, rkv/compression/r1_kv.py. Logits in fp32, softmax and mean in fp64.
void rkv_importance(std::span<const float> query, const KeyPanels& keys, const ImportanceShape& shape,
                    std::span<float> importance, ImportanceScratch& scratch);

}  // namespace kvwave::kernels
