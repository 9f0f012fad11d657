#include <algorithm>
#include <map>
#include <optional>
#include <string>

#include "kernels/cuda_decoder.h"
#include "kernels/cuda_decoder_memory.cuh"
#include "kernels/cuda_record_ring.cuh"
#include "kernels/cuda_stream.cuh"
#include "kernels/decode_attention_cuda.cuh"
#include "kernels/decoder_pass.cuh"
#include "kernels/error.h"

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
  if (record != nullptr) memory.record_ring = record_ring_bytes(RecordLayout(model, options, *record));
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
        buffers_(model, sizes_, stream_.get()),
        pass_(model_, options_, sizes_, params_, buffers_) {}
  ~Impl() {
    cudaStreamSynchronize(stream_.get());  // after a failure work may be on its way to memory that goes now
  }

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
  bool rows_wanted() const { return ring_ && ring_->wants_rows() && n_positions_ >= ring_->options().first_row; }
  unsigned block_size(std::size_t n_tokens) const;
  void feed_block(std::span<const std::int32_t> tokens);
  void launch_step(unsigned n_chunks);

  DecoderModel model_;
  CudaDecoderOptions options_;
  int device_;
  DecoderSizes sizes_;
  Stream stream_;
  DeviceModel params_;
  DecoderBuffers buffers_;
  DecoderPass pass_;
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
  if (!ring_) return most;
  const unsigned recorded = std::min(most, kMaxRecordedBlock);
  if (!ring_->wants_rows()) return recorded;
  const std::uint32_t first_row = ring_->options().first_row;
  return n_positions_ >= first_row ? 1 : std::min(recorded, first_row - n_positions_);
}

void CudaDecoder::Impl::feed_block(std::span<const std::int32_t> tokens) {
  const auto count = static_cast<unsigned>(tokens.size());
  const unsigned slot = ring_ ? ring_->acquire(stream_.get()) : 0;
  StepInput& input = *buffers_.host_input.data();  // the stream was waited for: nothing reads it
  input.first = n_positions_;
  input.slot = slot;
  std::copy(tokens.begin(), tokens.end(), input.token);
  if (count == 1) {
    launch_step(chunks_of(n_positions_ + 1));
  } else {
    pass_.enqueue_block(count, ring_ ? &*ring_ : nullptr, stream_.get());
  }
  if (ring_) {
    ring_->submit(slot, n_positions_, count, rows_wanted(), stream_.get());
    ring_->pump();  // the previous step's record, while this one runs
  }
  stream_.wait();
  n_positions_ += count;
}

/// Grids are as wide as the next power of two: a graph serves until the sequence has doubled.
void CudaDecoder::Impl::launch_step(unsigned n_chunks) {
  unsigned grid_chunks = 1;
  while (grid_chunks < n_chunks) grid_chunks *= 2;
  grid_chunks = std::min(grid_chunks, sizes_.max_chunks);
  Graph& graph = graphs_[grid_chunks];
  if (!graph) {
    graph = Graph::capture(stream_.get(),
                           [&] { pass_.enqueue_step(grid_chunks, ring_ ? &*ring_ : nullptr, stream_.get()); });
  }
  graph.launch(stream_.get());
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
