#include "kernels/decode_attention_cuda.cuh"
#include "kernels/decoder_pass.cuh"
#include "kernels/gemm_cuda.cuh"
#include "kernels/gemv_cuda.cuh"
#include "kernels/prefill_attention_cuda.cuh"
#include "kernels/transformer_ops_cuda.cuh"

namespace kvwave::kernels {

void DecoderPass::enqueue_step(unsigned grid_chunks, const RecordRing* ring, cudaStream_t stream) {
  buffers_.input.upload(buffers_.host_input.span(), stream);
  embed_cuda(params_.embedding.view(), buffers_.input.data(), 1, buffers_.x.data(), sizes_.hidden_stride, stream);
  for (unsigned layer = 0; layer < sizes_.n_layers; ++layer) step_layer(layer, grid_chunks, ring, stream);
  enqueue_logits(0, stream);
}

void DecoderPass::enqueue_block(unsigned n_positions, const RecordRing* ring, cudaStream_t stream) {
  buffers_.input.upload(buffers_.host_input.span(), stream);
  embed_cuda(params_.embedding.view(), buffers_.input.data(), n_positions, buffers_.x.data(), sizes_.hidden_stride,
             stream);
  for (unsigned layer = 0; layer < sizes_.n_layers; ++layer) block_layer(layer, n_positions, ring, stream);
  enqueue_logits(n_positions - 1, stream);
}

void DecoderPass::enqueue_logits(unsigned position, cudaStream_t stream) {
  const GemvInput last{buffers_.x.data() + std::size_t{position} * sizes_.hidden_stride, nullptr,
                       params_.output_norm.data(), model_.rms_epsilon};
  const GemvOutput logits{params_.output(), nullptr, buffers_.logits.data(), false};
  gemv_cuda(last, &logits, 1, stream);
  buffers_.logits.download(buffers_.host_logits.span(), stream);
}

QkvTask DecoderPass::qkv_task(unsigned layer, const RecordRing* ring) const {
  const DeviceLayer& params = params_.layers[layer];
  QkvTask task;
  task.n_q_heads = model_.n_q_heads;
  task.n_kv_heads = model_.n_kv_heads;
  task.head_dim = model_.head_dim;
  task.max_positions = options_.max_positions;
  task.interleaved = model_.rope_interleaved;
  task.type = options_.cache_type;
  task.q = buffers_.q.data();
  task.k = buffers_.k.data();
  task.v = buffers_.v.data();
  task.q_stride = sizes_.q_stride;
  task.kv_stride = sizes_.kv_stride;
  task.q_norm = params.q_norm.data();
  task.k_norm = params.k_norm.data();
  task.epsilon = model_.rms_epsilon;
  task.rope = buffers_.rope.data();
  task.k_cache = buffers_.k_cache.data() + layer * sizes_.cache_layer_bytes;
  task.v_cache = buffers_.v_cache.data() + layer * sizes_.cache_layer_bytes;
  if (ring != nullptr) ring->connect(layer, task);
  return task;
}

void DecoderPass::step_layer(unsigned layer, unsigned grid_chunks, const RecordRing* ring, cudaStream_t stream) {
  const DeviceLayer& params = params_.layers[layer];
  DecoderBuffers& b = buffers_;
  const float epsilon = model_.rms_epsilon;
  const GemvOutput qkv[] = {{params.q.view(), params.q_bias.data(), b.q.data(), false},
                            {params.k.view(), params.k_bias.data(), b.k.data(), false},
                            {params.v.view(), params.v_bias.data(), b.v.data(), false}};
  gemv_cuda({b.x.data(), nullptr, params.attn_norm.data(), epsilon}, qkv, 3, stream);

  AttentionTask attend;
  attend.qkv = qkv_task(layer, ring);
  attend.out = b.attended.data();
  attend.chunk_stats = b.chunk_stats.data();
  attend.chunk_out = b.chunk_out.data();
  attend.n_done = b.n_done.data();
  attend.max_chunks = sizes_.max_chunks;
  if (ring != nullptr) ring->connect(layer, attend);
  decode_attention_cuda(attend, b.input.data(), grid_chunks, stream);

  const GemvOutput o{params.o.view(), nullptr, b.x.data(), true};
  gemv_cuda({b.attended.data(), nullptr, nullptr, 0}, &o, 1, stream);
  const GemvOutput gate_up[] = {{params.gate.view(), nullptr, b.gate.data(), false},
                                {params.up.view(), nullptr, b.up.data(), false}};
  gemv_cuda({b.x.data(), nullptr, params.ffn_norm.data(), epsilon}, gate_up, 2, stream);
  const GemvOutput down{params.down.view(), nullptr, b.x.data(), true};
  gemv_cuda({b.gate.data(), b.up.data(), nullptr, 0}, &down, 1, stream);
}

void DecoderPass::block_layer(unsigned layer, unsigned n_positions, const RecordRing* ring, cudaStream_t stream) {
  const DeviceLayer& params = params_.layers[layer];
  DecoderBuffers& b = buffers_;
  const float epsilon = model_.rms_epsilon;
  const unsigned hidden = sizes_.hidden_stride;
  prepare_input_cuda({b.x.data(), nullptr, params.attn_norm.data(), epsilon}, model_.hidden, hidden, n_positions,
                     b.normed.data(), stream);
  const GemmOutput qkv[] = {{params.q.view(), params.q_bias.data(), b.q.data(), sizes_.q_stride, false},
                            {params.k.view(), params.k_bias.data(), b.k.data(), sizes_.kv_stride, false},
                            {params.v.view(), params.v_bias.data(), b.v.data(), sizes_.kv_stride, false}};
  gemm_cuda(b.normed.data(), hidden, n_positions, qkv, 3, stream);

  const QkvTask store = qkv_task(layer, ring);
  store_qkv_cuda(store, b.input.data(), n_positions, stream);
  PrefillAttentionTask attend;
  attend.n_q_heads = model_.n_q_heads;
  attend.n_kv_heads = model_.n_kv_heads;
  attend.head_dim = model_.head_dim;
  attend.max_positions = options_.max_positions;
  attend.type = options_.cache_type;
  attend.k_cache = store.k_cache;
  attend.v_cache = store.v_cache;
  attend.q = b.q.data();
  attend.out = b.attended.data();
  attend.stride = sizes_.q_stride;
  prefill_attention_cuda(attend, b.input.data(), n_positions, stream);

  const GemmOutput o{params.o.view(), nullptr, b.x.data(), hidden, true};
  gemm_cuda(b.attended.data(), sizes_.q_stride, n_positions, &o, 1, stream);
  prepare_input_cuda({b.x.data(), nullptr, params.ffn_norm.data(), epsilon}, model_.hidden, hidden, n_positions,
                     b.normed.data(), stream);
  const GemmOutput gate_up[] = {{params.gate.view(), nullptr, b.gate.data(), sizes_.ffn_stride, false},
                                {params.up.view(), nullptr, b.up.data(), sizes_.ffn_stride, false}};
  gemm_cuda(b.normed.data(), hidden, n_positions, gate_up, 2, stream);
  prepare_input_cuda({b.gate.data(), b.up.data(), nullptr, 0}, model_.ffn, sizes_.ffn_stride, n_positions,
                     b.gate.data(), stream);
  const GemmOutput down{params.down.view(), nullptr, b.x.data(), hidden, true};
  gemm_cuda(b.gate.data(), sizes_.ffn_stride, n_positions, &down, 1, stream);
}

}  // namespace kvwave::kernels
