// The kernels of one pass through the model: a decode step, or a block of prompt positions. Only enqueues work, so that
// a pass can be captured as a graph: everything that changes between steps is in StepInput.
#pragma once

#include "kernels/cuda_decoder_memory.cuh"
#include "kernels/cuda_record_ring.cuh"

namespace kvwave::kernels {

class DecoderPass {
 public:
  /// All must outlive the pass.
  DecoderPass(const DecoderModel& model, const CudaDecoderOptions& options, const DecoderSizes& sizes,
              const DeviceModel& params, DecoderBuffers& buffers)
      : model_(model), options_(options), sizes_(sizes), params_(params), buffers_(buffers) {}

  /// One position; attention covers `grid_chunks` chunks of keys at most. `ring` may be null: nothing is recorded.
  void enqueue_step(unsigned grid_chunks, const RecordRing* ring, cudaStream_t stream);
  /// n_positions positions on tensor cores, without rows.
  void enqueue_block(unsigned n_positions, const RecordRing* ring, cudaStream_t stream);

 private:
  void enqueue_logits(unsigned position, cudaStream_t stream);
  void step_layer(unsigned layer, unsigned grid_chunks, const RecordRing* ring, cudaStream_t stream);
  void block_layer(unsigned layer, unsigned n_positions, const RecordRing* ring, cudaStream_t stream);
  QkvTask qkv_task(unsigned layer, const RecordRing* ring) const;

  const DecoderModel& model_;
  const CudaDecoderOptions& options_;
  const DecoderSizes& sizes_;
  const DeviceModel& params_;
  DecoderBuffers& buffers_;
};

}  // namespace kvwave::kernels
