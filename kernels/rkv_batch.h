// R-KV's statistics for many caches in one call: every (configuration, kv_head) of a layer, or of several layers, that
// refreshes at the same step. The definitions are those of rkv_importance.h and rkv_redundancy.h; this is the form that
// a GPU needs, with raw pointers that are host memory in the CPU reference and device memory on a GPU.
#pragma once

#include <cstdint>

namespace kvwave::kernels {

inline constexpr std::uint32_t kMaxBatchHeadDim = 256;
inline constexpr std::uint32_t kMaxBatchGroup = 32;

/// One cache at a refresh. Slots of all caches are numbered through: this one has [first_slot, first_slot +
/// n_residents), candidates first, then the window.
struct RkvCache {
  const float* query = nullptr;  ///< first window query of the group; [n_queries] lines of `query_stride`, [G, d] each
  const float* key = nullptr;    ///< key of position 0; positions lie `key_stride` floats apart
  const float* unit = nullptr;   ///< unit key of position 0, same stride; null where redundancy is not asked
  std::uint32_t first_slot = 0;
  std::uint32_t n_residents = 0;
  std::uint32_t n_candidates = 0;  ///< at most n_residents
  std::uint32_t n_queries = 0;     ///< at least 1
  std::uint32_t pool_kernel = 7;   ///< odd
  float similarity_threshold = 0.5F;
  bool round_bf16 = false;
};

struct RkvBatch {
  const RkvCache* cache = nullptr;  ///< [n_caches]
  std::uint32_t n_caches = 0;
  std::uint32_t group = 1;                  ///< G, at most kMaxBatchGroup
  std::uint32_t head_dim = 0;               ///< multiple of 4, at most kMaxBatchHeadDim
  std::uint32_t query_stride = 0;           ///< floats between positions of q: n_q_heads * head_dim
  std::uint32_t key_stride = 0;             ///< floats between positions of k: n_kv_heads * head_dim
  const std::uint32_t* position = nullptr;  ///< [slots] resident positions in slot order
  std::uint32_t max_residents = 0;          ///< largest n_residents
  std::uint32_t max_queries = 0;            ///< largest n_queries

  float* importance = nullptr;        ///< [slots], written for candidates
  float* redundancy = nullptr;        ///< [slots], written for all residents (a softmax over all of them)
  std::uint32_t* retained = nullptr;  ///< [slots] the near-duplicate exempted in each resident's row, a slot number
                                      ///< counted from first_slot
  // Scratch.
  float* logit = nullptr;            ///< [slots * max_queries]
  double* sum = nullptr;             ///< [slots]
  float* retained_cosine = nullptr;  ///< [slots]
};

/// One selection: the `n_kept` largest of [first_score, first_score + n_scores), best first, ties to the lower slot.
struct Selection {
  std::uint32_t first_score = 0;
  std::uint32_t n_scores = 0;
  std::uint32_t n_kept = 0;     ///< at most n_scores
  std::uint32_t first_out = 0;  ///< slots (counted from first_score) go to order[first_out ...]
};

}  // namespace kvwave::kernels
