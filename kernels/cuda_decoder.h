// Autoregressive decoding of one sequence on a CUDA device, with what is recorded of it computed beside decoding: row
// statistics, covering sets, q, k and v. Only results leave the device, through pinned memory on a stream of their own.
//
// Parameters are used from their quantised blocks; activations and sums are fp32. q, k and v are rounded to the cache's
// type before attention uses them. A decode step is one CUDA graph. Prompts go through tensor cores in blocks
// (gemm_cuda.cuh, prefill_attention_cuda.cuh); positions whose rows are recorded go one by one, as decode steps do.
//
// In a build without CUDA the constructor throws DeviceUnavailable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "kernels/decode_attention.h"
#include "kernels/params.h"
#include "kernels/row_stats.h"

namespace kvwave::kernels {

/// Parameters of one layer, in host memory; spans may be empty where the architecture has none.
struct DecoderLayer {
  std::span<const float> attn_norm, ffn_norm;     ///< [hidden]
  std::span<const float> q_bias, k_bias, v_bias;  ///< [rows of the matrix]
  std::span<const float> q_norm, k_norm;          ///< [head_dim]
  ParamMatrix q, k, v, o, gate, up, down;
};

struct DecoderModel {
  std::uint32_t hidden = 0, ffn = 0, vocab_size = 0;
  std::uint32_t n_q_heads = 0, n_kv_heads = 0;
  std::uint32_t head_dim = 0;  ///< multiple of 8, at most 256
  float rms_epsilon = 0;
  bool rope_interleaved = false;       ///< pairs (2i, 2i + 1) instead of (i, i + d/2)
  std::vector<double> rope_frequency;  ///< [head_dim / 2]
  ParamMatrix embedding, output;       ///< the same data when tied: uploaded once
  std::span<const float> output_norm;
  std::vector<DecoderLayer> layers;
};

struct CudaDecoderOptions {
  int device = 0;
  KvType cache_type = KvType::f16;
  std::uint32_t max_positions = 0;  ///< room of the KV cache
};

/// What is recorded of each position.
struct RecordOptions {
  bool stats = true, entries = true, qkv = true;
  std::vector<double> rho;  ///< ascending, at most 15
  double epsilon = 1e-2;
  ProbType prob_type = ProbType::f16;
  std::uint32_t n_sink = 4, n_recent = 32;
  std::uint32_t first_row = 0;  ///< positions before it have q, k and v only
};

/// One position as recorded; spans are valid during the call only and empty for what is not recorded.
struct DecodeRecord {
  std::uint32_t position = 0;
  // [L, Hq], layer-major
  std::span<const std::uint32_t> demand;  ///< [L, Hq, n_rho]
  std::span<const RowStats> stats;
  std::span<const std::uint32_t> n_invalid;  ///< entries of the row that are no probability
  std::span<const std::uint32_t> entry_count;
  std::span<const float> residual;
  std::span<const std::uint32_t> entry_position;  ///< [sum of counts]
  std::span<const std::byte> entry_prob;
  // in the cache's type
  std::span<const std::byte> q;     ///< [L, Hq, d]
  std::span<const std::byte> k, v;  ///< [L, Hkv, d]
};

class DecodeRecordSink {
 public:
  virtual ~DecodeRecordSink() = default;
  /// Positions come in order, some steps after they were fed, on the thread that calls feed() or finish(). May wait;
  /// while ready() says false, that happens only when no slot of the ring is left, and in finish().
  virtual void record(const DecodeRecord& record) = 0;
  /// Whether record() would not wait now.
  virtual bool ready() const { return true; }
  /// Decoding waits, for the copies of a record or for record(): all slots of the ring are taken.
  virtual void stalled() {}
};

/// Device memory that a decoder takes, in bytes; the CUDA context, some hundred MiB, is not counted.
struct CudaDecoderMemory {
  std::uint64_t parameters = 0;   ///< as the device holds them, padding included
  std::uint64_t kv_cache = 0;     ///< room for max_positions
  std::uint64_t activations = 0;  ///< of a block of positions, and the logits
  std::uint64_t record_ring = 0;  ///< attention rows and what is recorded, on its way to the host

  std::uint64_t total() const { return parameters + kv_cache + activations + record_ring; }
};

/// Predicts it by the functions that allocate it, without a device. `record` may be null: nothing is recorded. Throws
/// DeviceUnavailable in a build without CUDA.
CudaDecoderMemory cuda_decoder_memory(const DecoderModel& model, const CudaDecoderOptions& options,
                                      const RecordOptions* record);

class CudaDecoder {
 public:
  /// Uploads the parameters. Throws DeviceUnavailable, DeviceOutOfMemory, DeviceFailure, and Error for a shape that the
  /// kernels do not serve.
  CudaDecoder(const DecoderModel& model, const CudaDecoderOptions& options);
  ~CudaDecoder();
  CudaDecoder(const CudaDecoder&) = delete;
  CudaDecoder& operator=(const CudaDecoder&) = delete;

  /// From now on every position is recorded; `sink` must live until finish(). Called before the first feed().
  void start_recording(const RecordOptions& options, DecodeRecordSink& sink);

  /// Appends the tokens at the next positions and returns the logits [vocab] of the last one, valid until the next
  /// call. The caller checks ids and room. Throws DeviceFailure.
  std::span<const float> feed(std::span<const std::int32_t> tokens);

  /// Delivers what is still on its way, and ends recording.
  void finish();
  /// Forgets the sequence; keeps memory.
  void reset();

  std::uint32_t n_positions() const;
  /// Times decoding had to wait because all slots of the ring were taken.
  std::uint64_t stall_count() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kvwave::kernels
