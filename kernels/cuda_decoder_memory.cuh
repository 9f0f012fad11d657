// Everything a decoder keeps in device memory but the record: parameters, KV cache, activations.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/cuda_decoder.h"
#include "kernels/cuda_matrix.cuh"
#include "kernels/cuda_step_input.cuh"

namespace kvwave::kernels {

struct DeviceLayer {
  UploadedMatrix q, k, v, o, gate, up, down;
  DeviceBuffer<float> attn_norm, ffn_norm, q_bias, k_bias, v_bias, q_norm, k_norm;
};

/// The model's parameters.
struct DeviceModel {
  DeviceModel(const DecoderModel& model, cudaStream_t stream);
  const DeviceMatrix& output() const { return tied ? embedding.view() : untied_output.view(); }

  std::vector<DeviceLayer> layers;
  UploadedMatrix embedding, untied_output;
  DeviceBuffer<float> output_norm;
  bool tied = false;
};
std::uint64_t device_model_bytes(const DecoderModel& model);

/// Sizes of what depends on the shape and on the longest sequence.
struct DecoderSizes {
  DecoderSizes(const DecoderModel& model, const CudaDecoderOptions& options);

  unsigned n_layers, block;  ///< prompt positions fed together
  unsigned hidden_stride, q_stride, kv_stride, ffn_stride;
  unsigned max_chunks;
  std::size_t cache_layer_bytes;  ///< of the keys, or of the values, of one layer
  std::size_t rope;               ///< angles of all positions
};

struct DecoderBuffers {
  DecoderBuffers(const DecoderModel& model, const DecoderSizes& sizes, cudaStream_t stream);

  DeviceBuffer<unsigned char> k_cache, v_cache;
  DeviceBuffer<float2> rope;
  DeviceBuffer<StepInput> input;
  DeviceBuffer<float> x, normed, q, k, v, attended, gate, up, logits;
  DeviceBuffer<float> chunk_out;
  DeviceBuffer<float2> chunk_stats;
  DeviceBuffer<unsigned> n_done;
  PinnedBuffer<StepInput> host_input;
  PinnedBuffer<float> host_logits;
};
std::uint64_t decoder_buffer_bytes(const DecoderModel& model, const DecoderSizes& sizes);

}  // namespace kvwave::kernels
