// Small traces without a model, for tests: random q, k and v with clustered keys (so that R-KV finds near-duplicates)
// and a sink at position 0, and rows, stats and attention that follow from them exactly as a recorder would store them.
// Equal options give equal traces.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "tests/temporary_folder.h"
#include "traces/schema.h"
#include "traces/writer.h"

namespace kvwave::replay {

struct SyntheticOptions {
  traces::ModelShape shape{.n_layers = 3, .n_q_heads = 4, .n_kv_heads = 2, .head_dim = 8};
  std::uint32_t n_prompt = 20;
  std::uint32_t n_positions = 80;  ///< prompt included
  std::uint32_t prompt_window = 8;
  std::uint64_t seed = 1;
  traces::Levels levels;
  double epsilon = 1e-2;
  traces::FloatType qkv_dtype = traces::FloatType::f32;
  traces::FloatType attention_dtype = traces::FloatType::f16;
  std::uint32_t vocab_size = 100;
  std::string model_name = "synthetic";
  std::string model_sha256 = std::string(64, 'a');
  float sharpness = 1.5F;  ///< standard deviation of the logits, roughly; more = peakier rows
};

/// What a trace holds, in memory and exact.
struct SyntheticTrace {
  traces::TraceInfo info;
  std::uint32_t n_positions = 0;
  std::vector<float> q;  ///< [P, L, Hq, d], rounded to qkv_dtype
  std::vector<float> k;  ///< [P, L, Hkv, d]
  std::vector<float> v;  ///< [P, L, Hkv, d]

  std::span<const float> q_at(std::uint32_t position, std::uint32_t layer, std::uint32_t q_head) const;
  std::span<const float> k_at(std::uint32_t position, std::uint32_t layer, std::uint32_t kv_head) const;
  std::span<const float> v_at(std::uint32_t position, std::uint32_t layer, std::uint32_t kv_head) const;
  /// The full attention row, softmax in fp64 over 0 .. position, rounded to float.
  std::vector<float> row(std::uint32_t position, std::uint32_t layer, std::uint32_t q_head) const;
};

SyntheticTrace make_synthetic(const SyntheticOptions& options);

/// Changes a row just before it is written, to plant errors.
using RowEdit = std::function<void(traces::TraceRow& row)>;

/// Writes `trace`, which may be a changed make_synthetic(options), to `path`, replacing it.
void write_trace(const std::filesystem::path& path, const SyntheticTrace& trace, const SyntheticOptions& options,
                 const RowEdit& edit = {});

/// Writes make_synthetic(options) to `path`, replacing it.
void write_synthetic(const std::filesystem::path& path, const SyntheticOptions& options, const RowEdit& edit = {});

}  // namespace kvwave::replay
