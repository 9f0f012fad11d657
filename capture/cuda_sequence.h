// Decoding on a CUDA device: gives the model's parameters to the kernels and their records to the recorder.
#pragma once

#include <optional>

#include "capture/sequence_decoder.h"
#include "kernels/cuda_decoder.h"

namespace kvwave::capture {

/// The parameters as the kernels take them: views into the model, which must outlive them. Throws UnsupportedModel for
/// what only the CPU decodes (some types of parameters, YaRN).
kernels::DecoderModel decoder_model(const Model& model);

/// Positions that a decoder gets room for when `n_positions` are asked for: the next prompt should seldom need more.
std::uint32_t cuda_capacity(std::uint32_t n_positions, std::uint32_t context_length);

class CudaSequence final : public SequenceDecoder {
 public:
  /// Uploads nothing yet: begin() does, with room for its positions. Throws UnsupportedModel (decoder_model).
  CudaSequence(const Model& model, CacheType cache_type, kernels::Device device);
  ~CudaSequence() override;

  void begin(std::uint32_t n_positions, Recorder* recorder) override;
  std::uint32_t block_limit(std::uint32_t first, std::uint32_t wanted) const override;
  std::span<const float> feed(std::span<const std::int32_t> tokens) override;
  void finish() override;
  std::string device_name() const override { return device_.name; }
  /// Decode steps, and positions whose rows are recorded: decode_attention_cuda.cuh; prompt blocks before them:
  /// prefill_attention_cuda.cuh, with three TF32 products for one of fp32 where operands need them.
  std::string attention_kernel() const override { return "cuda-chunks, prompt mma-3xtf32"; }

 private:
  class Sink;

  const Model& model_;
  kernels::KvType cache_type_;
  kernels::Device device_;
  std::uint32_t capacity_ = 0;  // positions that decoder_ has room for
  std::optional<kernels::CudaDecoder> decoder_;
  std::unique_ptr<Sink> sink_;  // while a sequence is recorded
};

}  // namespace kvwave::capture
