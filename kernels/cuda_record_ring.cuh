// Carries what is recorded from the device to the sink: a ring of slots, each a record on the device and its twin in
// pinned memory, copied on a stream of its own while later steps run. The header of a slot has a fixed size; how many
// entries follow is known only when it has arrived, so a slot is copied in two parts.
#pragma once

#include <array>
#include <cstdint>
#include <deque>

#include "kernels/cuda_decoder.h"
#include "kernels/cuda_decoder_memory.cuh"
#include "kernels/cuda_stream.cuh"
#include "kernels/row_stats_cuda.cuh"
#include "kernels/transformer_ops_cuda.cuh"

namespace kvwave::kernels {

constexpr unsigned kRecordSlots = 4;

/// Offsets in bytes within a slot's header. Everything up to `qkv` is there once, q, k and v for each position of a
/// block.
struct RecordLayout {
  RecordLayout(const DecoderModel& model, const CudaDecoderOptions& options, const RecordOptions& record);

  std::size_t heads;              ///< (layer, q_head) pairs
  std::size_t q_bytes, kv_bytes;  ///< of one position, all layers
  std::size_t demand, stats, n_invalid, count, residual, total, qkv;
  std::size_t position_bytes;  ///< of q, k and v of one position
  std::size_t header_bytes;
  std::size_t entry_capacity, prob_bytes;
};
std::uint64_t record_ring_bytes(const RecordLayout& layout);

class RecordRing {
 public:
  RecordRing(const DecoderModel& model, const CudaDecoderOptions& options, const RecordOptions& record,
             DecodeRecordSink& sink);

  /// A free slot; delivers finished ones first, and waits (a counted stall) when all are taken.
  unsigned acquire();
  /// The slot's kernels are enqueued on `compute`: copies follow them.
  void submit(unsigned slot, unsigned first, unsigned count, bool has_rows, cudaStream_t compute);
  /// Moves on what has arrived; with `wait`, the oldest slot at least.
  void pump(bool wait);
  void finish();

  /// Fills in where a layer's kernels write.
  void connect(unsigned layer, QkvTask& task) const;
  void connect(unsigned layer, RowStatsTask& task) const;

  const RecordOptions& options() const { return options_; }
  std::uint64_t stall_count() const { return stall_count_; }

 private:
  enum class State { free, header, entries, arrived };
  struct Slot {
    State state = State::free;
    unsigned first = 0, count = 0;
    bool has_rows = false;
    PinnedBuffer<std::byte> header, prob;
    PinnedBuffer<std::uint32_t> position;
    Event computed, copied;
  };

  void fetch_entries(unsigned slot);
  void deliver(const Slot& slot);
  std::uint32_t total_of(const Slot& slot) const;

  RecordOptions options_;
  RecordLayout layout_;
  unsigned n_q_heads_, q_width_, kv_width_;
  DecodeRecordSink& sink_;
  Stream copy_;
  DeviceBuffer<std::byte> header_, prob_;
  DeviceBuffer<std::uint32_t> position_;
  DeviceBuffer<uint3> cuts_;
  std::array<Slot, kRecordSlots> slots_;
  std::deque<unsigned> in_flight_;  // in the order of submission
  std::uint64_t stall_count_ = 0;
};

}  // namespace kvwave::kernels
