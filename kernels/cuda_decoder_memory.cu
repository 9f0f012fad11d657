#include <algorithm>
#include <cmath>

#include "kernels/cuda_decoder_memory.cuh"
#include "kernels/decode_attention_cuda.cuh"
#include "kernels/gemv_cuda.cuh"

namespace kvwave::kernels {
namespace {

constexpr MemoryUse kParameters{"the model's parameters",
                                "use a smaller model, a stronger quantisation or --device cpu"};
constexpr MemoryUse kCache{"the KV cache", "lower -n"};
constexpr MemoryUse kWork{"activations", "lower -n"};

DeviceBuffer<float> upload_values(std::span<const float> values, cudaStream_t stream) {
  DeviceBuffer<float> buffer(values.size(), kParameters);
  buffer.upload(values, stream);
  return buffer;
}

std::uint64_t float_bytes(std::span<const float> values) {
  return values.size_bytes();
}

}  // namespace

DeviceModel::DeviceModel(const DecoderModel& model, cudaStream_t stream)
    : embedding(model.embedding, stream),
      output_norm(upload_values(model.output_norm, stream)),
      tied(model.output.data == model.embedding.data) {
  if (!tied) untied_output = UploadedMatrix(model.output, stream);
  for (const DecoderLayer& layer : model.layers) {
    DeviceLayer& to = layers.emplace_back();
    to.q = UploadedMatrix(layer.q, stream);
    to.k = UploadedMatrix(layer.k, stream);
    to.v = UploadedMatrix(layer.v, stream);
    to.o = UploadedMatrix(layer.o, stream);
    to.gate = UploadedMatrix(layer.gate, stream);
    to.up = UploadedMatrix(layer.up, stream);
    to.down = UploadedMatrix(layer.down, stream);
    to.attn_norm = upload_values(layer.attn_norm, stream);
    to.ffn_norm = upload_values(layer.ffn_norm, stream);
    to.q_bias = upload_values(layer.q_bias, stream);
    to.k_bias = upload_values(layer.k_bias, stream);
    to.v_bias = upload_values(layer.v_bias, stream);
    to.q_norm = upload_values(layer.q_norm, stream);
    to.k_norm = upload_values(layer.k_norm, stream);
  }
  KVWAVE_CUDA_CHECK(cudaStreamSynchronize(stream));
}

std::uint64_t device_model_bytes(const DecoderModel& model) {
  std::uint64_t bytes = device_matrix_bytes(model.embedding) + float_bytes(model.output_norm);
  if (model.output.data != model.embedding.data) bytes += device_matrix_bytes(model.output);
  for (const DecoderLayer& layer : model.layers) {
    for (const ParamMatrix* matrix : {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down}) {
      bytes += device_matrix_bytes(*matrix);
    }
    for (const auto values :
         {layer.attn_norm, layer.ffn_norm, layer.q_bias, layer.k_bias, layer.v_bias, layer.q_norm, layer.k_norm}) {
      bytes += float_bytes(values);
    }
  }
  return bytes;
}

DecoderSizes::DecoderSizes(const DecoderModel& model, const CudaDecoderOptions& options)
    : n_layers(static_cast<unsigned>(model.layers.size())),
      block(std::min(kMaxBlockPositions, options.max_positions)),
      hidden_stride(padded_width(model.hidden)),
      q_stride(padded_width(model.n_q_heads * model.head_dim)),
      kv_stride(padded_width(model.n_kv_heads * model.head_dim)),
      ffn_stride(padded_width(model.ffn)),
      max_chunks(chunks_of(options.max_positions)),
      cache_layer_bytes(std::size_t{model.n_kv_heads} * options.max_positions * model.head_dim *
                        (options.cache_type == KvType::f16 ? 2 : 4)),
      rope(std::size_t{options.max_positions} * (model.head_dim / 2)) {}

DecoderBuffers::DecoderBuffers(const DecoderModel& model, const DecoderSizes& sizes, cudaStream_t stream)
    : k_cache(sizes.n_layers * sizes.cache_layer_bytes, kCache),
      v_cache(sizes.n_layers * sizes.cache_layer_bytes, kCache),
      rope(sizes.rope, kCache),
      input(1, kWork),
      x(std::size_t{sizes.block} * sizes.hidden_stride, kWork),
      normed(std::size_t{sizes.block} * sizes.hidden_stride, kWork),
      q(std::size_t{sizes.block} * sizes.q_stride, kWork),
      k(std::size_t{sizes.block} * sizes.kv_stride, kWork),
      v(std::size_t{sizes.block} * sizes.kv_stride, kWork),
      attended(std::size_t{sizes.block} * sizes.q_stride, kWork),
      gate(std::size_t{sizes.block} * sizes.ffn_stride, kWork),
      up(std::size_t{sizes.block} * sizes.ffn_stride, kWork),
      logits(padded_width(model.vocab_size), kWork),
      chunk_out(std::size_t{model.n_q_heads} * sizes.max_chunks * model.head_dim, kWork),
      chunk_stats(std::size_t{model.n_q_heads} * sizes.max_chunks, kWork),
      n_done(model.n_q_heads, kWork),
      host_input(1),
      host_logits(model.vocab_size) {
  n_done.fill_bytes(0, stream);
  std::vector<float2> angles(sizes.rope);
  const std::size_t pairs = model.rope_frequency.size();
  for (std::size_t i = 0; i < angles.size(); ++i) {
    const double angle = static_cast<double>(i / pairs) * model.rope_frequency[i % pairs];
    angles[i] = make_float2(static_cast<float>(std::cos(angle)), static_cast<float>(std::sin(angle)));
  }
  rope.upload(angles, stream);
  KVWAVE_CUDA_CHECK(cudaStreamSynchronize(stream));
}

std::uint64_t decoder_buffer_bytes(const DecoderModel& model, const DecoderSizes& sizes) {
  const std::uint64_t per_position = 2 * std::uint64_t{sizes.hidden_stride} + 2 * std::uint64_t{sizes.q_stride} +
                                     2 * std::uint64_t{sizes.kv_stride} + 2 * std::uint64_t{sizes.ffn_stride};
  const std::uint64_t per_row = 1 + std::uint64_t{sizes.max_chunks} * (model.head_dim + 2);
  return 2 * std::uint64_t{sizes.n_layers} * sizes.cache_layer_bytes + sizeof(float2) * sizes.rope + sizeof(StepInput) +
         sizeof(float) * (sizes.block * per_position + model.n_q_heads * per_row + padded_width(model.vocab_size));
}

}  // namespace kvwave::kernels
