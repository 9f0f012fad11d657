#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>

#include "kernels/cuda_decoder.h"
#include "kernels/cuda_decoder_memory.cuh"
#include "kernels/cuda_record_ring.cuh"
#include "kernels/cuda_stream.cuh"
#include "kernels/decode_attention_cuda.cuh"
#include "kernels/error.h"
#include "kernels/gemv_cuda.cuh"
#include "kernels/row_stats_cuda.cuh"
#include "kernels/transformer_ops_cuda.cuh"

namespace kvwave::kernels {
namespace {

void check_shape(const DecoderModel& model) {
  if (model.head_dim % 8 != 0 || model.head_dim == 0 || model.head_dim > kMaxHeadDim) {
    throw Error("decoding on the device needs a head_dim that is a multiple of 8 and at most " +
                std::to_string(kMaxHeadDim) + ", not " + std::to_string(model.head_dim));
  }
}

/// Makes the device the thread's own before anything is allocated on it.
int selected(int device) {
  KVWAVE_CUDA_CHECK(cudaSetDevice(device));
  return device;
}

}  // namespace

CudaDecoderMemory cuda_decoder_memory(const DecoderModel& model, const CudaDecoderOptions& options,
                                      const RecordOptions* record) {
  const DecoderSizes sizes(model, options);
  CudaDecoderMemory memory;
  memory.parameters = device_model_bytes(model);
  memory.kv_cache = 2 * std::uint64_t{sizes.n_layers} * sizes.cache_layer_bytes;
  memory.activations = decoder_buffer_bytes(model, sizes) - memory.kv_cache;
  if (record != nullptr) {
    memory.record_ring = record_ring_bytes(RecordLayout(model, options, *record)) + model.n_q_heads * sizeof(uint3);
  }
  return memory;
}

class CudaDecoder::Impl {
 public:
  Impl(const DecoderModel& model, const CudaDecoderOptions& options)
      : model_((check_shape(model), model)),
        options_(options),
        device_(selected(options.device)),
        sizes_(model, options),
        params_(model, stream_.get()),
        buffers_(model, sizes_) {}

  std::span<const float> feed(std::span<const std::int32_t> tokens);
  void start_recording(const RecordOptions& options, DecodeRecordSink& sink) {
    graphs_.clear();  // they know nothing of the ring
    ring_.emplace(model_, options_, options, sink);
  }
  void finish() {
    if (!ring_) return;
    ring_->finish();
    stalls_ += ring_->stall_count();
    graphs_.clear();
    ring_.reset();
  }

  std::uint32_t n_positions_ = 0;
  std::uint64_t stall_count() const { return stalls_ + (ring_ ? ring_->stall_count() : 0); }

 private:
  bool rows_wanted() const {
    return ring_ && (ring_->options().stats || ring_->options().entries) && n_positions_ >= ring_->options().first_row;
  }
  unsigned block_size(std::size_t n_tokens) const;
  void feed_block(std::span<const std::int32_t> tokens);
  void write_input(std::span<const std::int32_t> tokens, unsigned slot);
  void enqueue(unsigned n_positions, unsigned grid_chunks, bool with_rows);
  void enqueue_layer(unsigned layer, unsigned n_positions, unsigned grid_chunks, bool with_rows);
  void enqueue_attention(unsigned layer, unsigned n_positions, unsigned grid_chunks);
  void enqueue_row_stats(unsigned layer);

  DecoderModel model_;
  CudaDecoderOptions options_;
  int device_;
  DecoderSizes sizes_;
  Stream stream_;
  DeviceModel params_;
  DecoderBuffers buffers_;
  std::optional<RecordRing> ring_;
  std::map<unsigned, Graph> graphs_;  // of one step, by the number of chunks its grids cover
  std::uint64_t stalls_ = 0;
};

std::span<const float> CudaDecoder::Impl::feed(std::span<const std::int32_t> tokens) {
  if (tokens.size() > options_.max_positions - n_positions_) throw Error("the KV cache on the device is full");
  while (!tokens.empty()) {
    const unsigned count = block_size(tokens.size());
    feed_block(tokens.first(count));
    tokens = tokens.subspan(count);
  }
  return buffers_.host_logits.span();
}

/// Recorded rows come one position at a time; what lies before them in blocks.
unsigned CudaDecoder::Impl::block_size(std::size_t n_tokens) const {
  const auto most = static_cast<unsigned>(std::min<std::size_t>(n_tokens, sizes_.block));
  if (!ring_ || (!ring_->options().stats && !ring_->options().entries)) return most;
  const std::uint32_t first_row = ring_->options().first_row;
  return n_positions_ >= first_row ? 1 : std::min(most, first_row - n_positions_);
}

void CudaDecoder::Impl::feed_block(std::span<const std::int32_t> tokens) {
  const auto count = static_cast<unsigned>(tokens.size());
  const bool with_rows = rows_wanted();
  const unsigned slot = ring_ ? ring_->acquire() : 0;
  write_input(tokens, slot);
  const unsigned chunks = chunks_of(n_positions_ + count);
  if (count == 1 && (with_rows || !ring_)) {
    // Grids are as wide as the next power of two: a graph serves until the sequence has doubled.
    unsigned grid_chunks = 1;
    while (grid_chunks < chunks) grid_chunks *= 2;
    grid_chunks = std::min(grid_chunks, sizes_.max_chunks);
    Graph& graph = graphs_[grid_chunks];
    if (!graph) graph = Graph::capture(stream_.get(), [&] { enqueue(1, grid_chunks, with_rows); });
    graph.launch(stream_.get());
  } else {
    enqueue(count, chunks, with_rows);
  }
  if (ring_) {
    ring_->submit(slot, n_positions_, count, with_rows, stream_.get());
    ring_->pump(false);  // the previous step's record, while this one runs
  }
  stream_.wait();
  n_positions_ += count;
}

void CudaDecoder::Impl::write_input(std::span<const std::int32_t> tokens, unsigned slot) {
  StepInput& input = *buffers_.host_input.data();
  input.first = n_positions_;
  input.slot = slot;
  for (std::size_t p = 0; p < tokens.size(); ++p) {
    input.token[p] = tokens[p];
    for (std::size_t i = 0; i < model_.rope_frequency.size(); ++i) {
      const double angle = static_cast<double>(n_positions_ + p) * model_.rope_frequency[i];
      input.rope[p][i] = make_float2(static_cast<float>(std::cos(angle)), static_cast<float>(std::sin(angle)));
    }
  }
}

void CudaDecoder::Impl::enqueue(unsigned n_positions, unsigned grid_chunks, bool with_rows) {
  cudaStream_t stream = stream_.get();
  buffers_.input.upload(buffers_.host_input.span(), stream);
  embed_cuda(params_.embedding.view(), buffers_.input.data(), n_positions, buffers_.x.data(), sizes_.hidden_stride,
             stream);
  for (unsigned layer = 0; layer < sizes_.n_layers; ++layer) enqueue_layer(layer, n_positions, grid_chunks, with_rows);
  GemvInput last;
  last.x = buffers_.x.data() + std::size_t{n_positions - 1} * sizes_.hidden_stride;
  last.norm = params_.output_norm.data();
  last.epsilon = model_.rms_epsilon;
  last.stride = sizes_.hidden_stride;
  const GemvOutput logits{params_.output(), nullptr, buffers_.logits.data(), padded_width(model_.vocab_size), false};
  gemv_cuda(last, &logits, 1, stream);
  buffers_.logits.download(buffers_.host_logits.span(), stream);
}

void CudaDecoder::Impl::enqueue_layer(unsigned layer, unsigned n_positions, unsigned grid_chunks, bool with_rows) {
  cudaStream_t stream = stream_.get();
  const DeviceLayer& params = params_.layers[layer];
  DecoderBuffers& b = buffers_;
  const auto input = [&](const float* x, unsigned stride) {
    GemvInput in;
    in.x = x;
    in.epsilon = model_.rms_epsilon;
    in.stride = stride;
    in.n_positions = n_positions;
    return in;
  };

  GemvInput attention_in = input(b.x.data(), sizes_.hidden_stride);
  attention_in.norm = params.attn_norm.data();
  const GemvOutput qkv[] = {{params.q.view(), params.q_bias.data(), b.q.data(), sizes_.q_stride, false},
                            {params.k.view(), params.k_bias.data(), b.k.data(), sizes_.kv_stride, false},
                            {params.v.view(), params.v_bias.data(), b.v.data(), sizes_.kv_stride, false}};
  gemv_cuda(attention_in, qkv, 3, stream);
  enqueue_attention(layer, n_positions, grid_chunks);
  if (with_rows) enqueue_row_stats(layer);
  const GemvOutput o{params.o.view(), nullptr, b.x.data(), sizes_.hidden_stride, true};
  gemv_cuda(input(b.attended.data(), sizes_.q_stride), &o, 1, stream);

  GemvInput ffn_in = input(b.x.data(), sizes_.hidden_stride);
  ffn_in.norm = params.ffn_norm.data();
  const GemvOutput gate_up[] = {{params.gate.view(), nullptr, b.gate.data(), sizes_.ffn_stride, false},
                                {params.up.view(), nullptr, b.up.data(), sizes_.ffn_stride, false}};
  gemv_cuda(ffn_in, gate_up, 2, stream);
  GemvInput down_in = input(b.gate.data(), sizes_.ffn_stride);
  down_in.up = b.up.data();
  const GemvOutput down{params.down.view(), nullptr, b.x.data(), sizes_.hidden_stride, true};
  gemv_cuda(down_in, &down, 1, stream);
}

void CudaDecoder::Impl::enqueue_attention(unsigned layer, unsigned n_positions, unsigned grid_chunks) {
  const DeviceLayer& params = params_.layers[layer];
  DecoderBuffers& b = buffers_;
  QkvTask store;
  store.n_q_heads = model_.n_q_heads;
  store.n_kv_heads = model_.n_kv_heads;
  store.head_dim = model_.head_dim;
  store.max_positions = options_.max_positions;
  store.interleaved = model_.rope_interleaved;
  store.type = options_.cache_type;
  store.q = b.q.data();
  store.k = b.k.data();
  store.v = b.v.data();
  store.q_stride = sizes_.q_stride;
  store.kv_stride = sizes_.kv_stride;
  store.q_norm = params.q_norm.data();
  store.k_norm = params.k_norm.data();
  store.epsilon = model_.rms_epsilon;
  store.k_cache = b.k_cache.data() + layer * sizes_.cache_layer_bytes;
  store.v_cache = b.v_cache.data() + layer * sizes_.cache_layer_bytes;
  if (ring_) ring_->connect(layer, store);
  store_qkv_cuda(store, b.input.data(), n_positions, stream_.get());

  AttentionTask attend;
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
  attend.rows = b.rows.data();
  attend.row_stride = sizes_.row_stride;
  attend.chunk_stats = b.chunk_stats.data();
  attend.chunk_out = b.chunk_out.data();
  attend.max_chunks = sizes_.max_chunks;
  decode_attention_cuda(attend, b.input.data(), n_positions, grid_chunks, stream_.get());
}

void CudaDecoder::Impl::enqueue_row_stats(unsigned layer) {
  RowStatsTask task;
  task.rows = buffers_.rows.data();
  task.row_stride = sizes_.row_stride;
  task.n_q_heads = model_.n_q_heads;
  ring_->connect(layer, task);
  row_stats_cuda(task, buffers_.input.data(), stream_.get());
}

CudaDecoder::CudaDecoder(const DecoderModel& model, const CudaDecoderOptions& options)
    : impl_(std::make_unique<Impl>(model, options)) {}
CudaDecoder::~CudaDecoder() = default;

void CudaDecoder::start_recording(const RecordOptions& options, DecodeRecordSink& sink) {
  impl_->start_recording(options, sink);
}
std::span<const float> CudaDecoder::feed(std::span<const std::int32_t> tokens) {
  return impl_->feed(tokens);
}
void CudaDecoder::finish() {
  impl_->finish();
}
void CudaDecoder::reset() {
  impl_->n_positions_ = 0;
}
std::uint32_t CudaDecoder::n_positions() const {
  return impl_->n_positions_;
}
std::uint64_t CudaDecoder::stall_count() const {
  return impl_->stall_count();
}

}  // namespace kvwave::kernels
