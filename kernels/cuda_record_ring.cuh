// Carries what is recorded from the device to the sink: a ring of slots, each a record on the device and its twin in
// pinned memory. Statistics run on a stream of their own beside the next step's decoding, copies on another. The header
// of a slot has a fixed size; how many entries follow is known only when it has arrived, so a slot is copied in two
// parts.
#pragma once

#include <array>
#include <cstdint>
#include <deque>

#include "kernels/cuda_decoder.h"
#include "kernels/cuda_decoder_memory.cuh"
#include "kernels/cuda_stream.cuh"
#include "kernels/decode_attention_cuda.cuh"
#include "kernels/transformer_ops_cuda.cuh"

namespace kvwave::kernels {

constexpr unsigned kRecordSlots = 4;
static_assert(kRecordSlots % kRowSets == 0);
/// Positions that are recorded together before the first row: bounds a slot's q, k and v.
constexpr unsigned kMaxRecordedBlock = 64;

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
  std::size_t row_stride;  ///< of an attention row
  std::size_t max_chunks;
};
std::uint64_t record_ring_bytes(const RecordLayout& layout);

class RecordRing {
 public:
  RecordRing(const DecoderModel& model, const CudaDecoderOptions& options, const RecordOptions& record,
             DecodeRecordSink& sink);
  ~RecordRing();
  RecordRing(const RecordRing&) = delete;
  RecordRing& operator=(const RecordRing&) = delete;

  /// The next slot, and `compute` made to wait for what still reads the rows it will overwrite. Delivers what the sink
  /// is ready for; only when the slot is still taken does it wait, and the sink is told.
  unsigned acquire(cudaStream_t compute);
  /// The slot's positions are enqueued on `compute`: statistics and copies follow them.
  void submit(unsigned slot, unsigned first, unsigned count, bool has_rows, cudaStream_t compute);
  /// Moves on what has arrived, as far as the sink is ready. Does not wait.
  void pump();
  /// Delivers everything.
  void finish();

  /// Fills in where a layer's kernels write.
  void connect(unsigned layer, QkvTask& task) const;
  void connect(unsigned layer, AttentionTask& task) const;

  const RecordOptions& options() const { return options_; }
  bool wants_rows() const { return options_.stats || options_.entries; }
  std::uint64_t stall_count() const { return stall_count_; }

 private:
  enum class State { free, header, entries, arrived };
  struct Slot {
    State state = State::free;
    unsigned first = 0, count = 0, delivered = 0;
    bool has_rows = false;
    PinnedBuffer<std::byte> header, prob;
    PinnedBuffer<std::uint32_t> position;
    Event decoded, computed, copied;
  };

  void enqueue_stats(unsigned slot, unsigned length);
  void fetch_entries(unsigned slot);
  /// The oldest slot, waited for.
  void arrive(unsigned slot);
  void deliver_position(Slot& slot);
  std::uint32_t total_of(const Slot& slot) const;

  RecordOptions options_;
  RecordLayout layout_;
  unsigned n_q_heads_, q_width_, kv_width_;
  DecodeRecordSink& sink_;
  Stream stats_, copy_;
  DeviceBuffer<std::byte> header_, prob_;
  DeviceBuffer<std::uint32_t> position_;
  DeviceBuffer<float> rows_;
  DeviceBuffer<float2> chunk_stats_;
  DeviceBuffer<uint3> cuts_;
  std::array<Slot, kRecordSlots> slots_;
  std::deque<unsigned> in_flight_;  // in the order of submission
  unsigned next_ = 0;               // slots are taken in turn
  std::uint64_t stall_count_ = 0;
};

}  // namespace kvwave::kernels
