// Autoregressive decoding of one sequence on the CPU: float activations, parameters used from their quantised blocks,
// KV cache in f16 or f32. Batch 1. q, k and v are rounded to the cache's type before attention uses them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "capture/attention_tap.h"
#include "capture/model.h"
#include "kernels/thread_pool.h"

namespace kvwave::capture {

enum class CacheType { f16, f32 };

struct DecoderOptions {
  CacheType cache_type = CacheType::f16;
  std::uint32_t max_positions = 0;  ///< the KV cache grows up to this, page by page; 0 = the model's context length
};

/// What decoding `positions` positions takes in memory beside the parameters.
struct DecoderMemory {
  std::uint64_t kv_cache = 0;
  std::uint64_t activations = 0;  ///< of a block of positions, attention rows and expanded parameters of each thread
};
DecoderMemory decoder_memory(const ModelConfig& config, CacheType cache_type, std::uint32_t positions,
                             unsigned threads);

class Decoder {
 public:
  /// `model` and `pool` must outlive the decoder. Throws ContextTooLong when max_positions exceeds the model's context.
  Decoder(const Model& model, const DecoderOptions& options, kernels::ThreadPool& pool);
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  /// Appends the tokens (each id in [0, vocab)) at the next positions, in blocks of at most max_block() when there are
  /// several, and returns the logits [vocab] of the last one, valid until the next call. tap may be null. On one SIMD
  /// path logits, rows, q, k and v are the same bytes however the tokens are spread over calls and threads.
  /// Throws ContextTooLong when the cache is full (nothing is appended then), NumericFailure when a hidden state or a
  /// logit is not finite.
  std::span<const float> feed(std::span<const std::int32_t> tokens, AttentionTap* tap);

  /// Forgets the sequence; keeps memory.
  void reset();
  std::uint32_t n_positions() const;
  std::uint32_t max_block() const;
  std::uint64_t cache_bytes() const;  ///< of the KV cache at max_positions
  /// Name for provenance: "cpu-avx512", "cpu-avx2", "cpu-baseline".
  static const char* attention_kernel();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kvwave::capture
