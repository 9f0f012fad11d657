#include <algorithm>
#include <string>

#include "kernels/cuda_record_ring.cuh"
#include "kernels/error.h"
#include "kernels/row_stats_cuda.cuh"
#include "kernels/row_stats_sums.h"

namespace kvwave::kernels {
namespace {

constexpr MemoryUse kRecord{"the record ring", "lower -n or leave levels out of --levels"};
constexpr std::size_t kAlign = 256;

std::size_t aligned(std::size_t bytes) {
  return ceil_div(bytes, kAlign) * kAlign;
}

template <class T>
std::span<const T> array_at(const std::byte* base, std::size_t offset, std::size_t size) {
  return {reinterpret_cast<const T*>(base + offset), size};
}

}  // namespace

RecordLayout::RecordLayout(const DecoderModel& model, const CudaDecoderOptions& options, const RecordOptions& record) {
  const std::size_t layers = model.layers.size();
  const std::size_t value_bytes = options.cache_type == KvType::f16 ? 2 : 4;
  const bool rows = record.stats || record.entries;
  heads = rows ? layers * model.n_q_heads : 0;
  q_bytes = record.qkv ? layers * model.n_q_heads * model.head_dim * value_bytes : 0;
  kv_bytes = record.qkv ? layers * model.n_kv_heads * model.head_dim * value_bytes : 0;
  demand = 0;
  stats = aligned(heads * record.rho.size() * sizeof(std::uint32_t));
  n_invalid = stats + aligned(heads * sizeof(RowStats));
  count = n_invalid + aligned(heads * sizeof(std::uint32_t));
  residual = count + aligned(heads * sizeof(std::uint32_t));
  total = residual + aligned(heads * sizeof(float));
  qkv = total + kAlign;
  position_bytes = aligned(q_bytes + 2 * kv_bytes);
  header_bytes = qkv + std::min(kMaxRecordedBlock, options.max_positions) * position_bytes;
  entry_capacity = record.entries ? heads * options.max_positions : 0;
  prob_bytes = record.prob_type == ProbType::f16 ? 2 : 4;
  row_stride = options.max_positions;
  max_chunks = chunks_of(options.max_positions);
}

std::uint64_t record_ring_bytes(const RecordLayout& layout) {
  const std::uint64_t per_row = layout.row_stride * sizeof(float) + layout.max_chunks * sizeof(float2);
  return kRecordSlots * (layout.header_bytes + layout.entry_capacity * (sizeof(std::uint32_t) + layout.prob_bytes)) +
         layout.heads * (kRowSets * per_row + sizeof(uint3));
}

RecordRing::RecordRing(const DecoderModel& model, const CudaDecoderOptions& options, const RecordOptions& record,
                       DecodeRecordSink& sink)
    : options_(record),
      layout_(model, options, record),
      n_q_heads_(model.n_q_heads),
      q_width_(model.n_q_heads * model.head_dim),
      kv_width_(model.n_kv_heads * model.head_dim),
      sink_(sink),
      header_(kRecordSlots * layout_.header_bytes, kRecord),
      prob_(kRecordSlots * layout_.entry_capacity * layout_.prob_bytes, kRecord),
      position_(kRecordSlots * layout_.entry_capacity, kRecord),
      rows_(kRowSets * layout_.heads * layout_.row_stride, kRecord),
      chunk_stats_(kRowSets * layout_.heads * layout_.max_chunks, kRecord),
      cuts_(layout_.heads, kRecord) {
  if (record.rho.size() > kMaxRho) {
    throw Error("the device computes at most " + std::to_string(kMaxRho) + " values of rho, not " +
                std::to_string(record.rho.size()));
  }
  for (Slot& slot : slots_) slot.header = PinnedBuffer<std::byte>(layout_.header_bytes);
}

RecordRing::~RecordRing() {
  // What is on its way writes to memory that goes now; a failed device has nothing left on its way.
  cudaStreamSynchronize(stats_.get());
  cudaStreamSynchronize(copy_.get());
}

unsigned RecordRing::acquire(cudaStream_t compute) {
  pump();
  const unsigned index = next_;
  next_ = (next_ + 1) % kRecordSlots;
  Slot& slot = slots_[index];
  if (slot.state != State::free) {  // it is the oldest, and those before it are free
    ++stall_count_;
    sink_.stalled();
    arrive(index);
    while (slot.state != State::free) deliver_position(slot);
  }
  slots_[(index + kRecordSlots - kRowSets) % kRecordSlots].computed.block(compute);
  return index;
}

void RecordRing::submit(unsigned index, unsigned first, unsigned count, bool has_rows, cudaStream_t compute) {
  Slot& slot = slots_[index];
  slot.first = first;
  slot.count = count;
  slot.delivered = 0;
  slot.has_rows = has_rows;
  slot.decoded.record(compute);
  slot.decoded.block(stats_.get());
  if (has_rows) enqueue_stats(index, first + 1);
  slot.computed.record(stats_.get());
  slot.computed.block(copy_.get());
  const std::size_t bytes = layout_.qkv + count * layout_.position_bytes;
  header_.download(slot.header.span().first(bytes), copy_.get(), index * layout_.header_bytes);
  slot.copied.record(copy_.get());
  slot.state = State::header;
  in_flight_.push_back(index);
}

void RecordRing::enqueue_stats(unsigned index, unsigned length) {
  std::byte* base = header_.data() + index * layout_.header_bytes;
  const auto words = [&](std::size_t offset) { return reinterpret_cast<std::uint32_t*>(base + offset); };
  const std::size_t set = index % kRowSets * layout_.heads;
  RowStatsTask task;
  task.rows = rows_.data() + set * layout_.row_stride;
  task.row_stride = layout_.row_stride;
  task.chunk_stats = chunk_stats_.data() + set * layout_.max_chunks;
  task.max_chunks = static_cast<unsigned>(layout_.max_chunks);
  task.n_rows = static_cast<unsigned>(layout_.heads);
  task.length = length;
  task.n_rho = static_cast<unsigned>(options_.rho.size());
  for (unsigned i = 0; i < task.n_rho; ++i) task.rho_target[i] = exact_target(options_.rho[i]);
  task.keep = 1.0 - options_.epsilon;
  task.covering = options_.entries;
  task.n_sink = options_.n_sink;
  task.n_recent = options_.n_recent;
  task.out = {words(layout_.demand), reinterpret_cast<RowStats*>(base + layout_.stats), words(layout_.n_invalid),
              words(layout_.count), reinterpret_cast<float*>(base + layout_.residual)};
  const std::size_t entries = index * layout_.entry_capacity;
  task.sets = {position_.data() + entries, prob_.data() + entries * layout_.prob_bytes, words(layout_.total),
               options_.prob_type};
  task.cuts = cuts_.data();
  row_stats_cuda(task, stats_.get());
}

std::uint32_t RecordRing::total_of(const Slot& slot) const {
  if (!slot.has_rows || !options_.entries) return 0;
  return array_at<std::uint32_t>(slot.header.data(), layout_.total, 1)[0];
}

void RecordRing::fetch_entries(unsigned index) {
  Slot& slot = slots_[index];
  const std::size_t total = total_of(slot);
  if (total > layout_.entry_capacity) throw DeviceFailure("a record claims more entries than there can be");
  slot.state = State::arrived;
  if (total == 0) return;
  if (slot.position.size() < total) {  // by a quarter more, since the next row is a little longer
    const std::size_t room = std::min(layout_.entry_capacity, total + total / 4);
    slot.position = PinnedBuffer<std::uint32_t>(room);
    slot.prob = PinnedBuffer<std::byte>(room * layout_.prob_bytes);
  }
  const std::size_t at = index * layout_.entry_capacity;
  position_.download(slot.position.span().first(total), copy_.get(), at);
  prob_.download(slot.prob.span().first(total * layout_.prob_bytes), copy_.get(), at * layout_.prob_bytes);
  slot.copied.record(copy_.get());
  slot.state = State::entries;
}

void RecordRing::arrive(unsigned index) {
  Slot& slot = slots_[index];
  if (slot.state == State::header) {
    slot.copied.wait();
    fetch_entries(index);
  }
  if (slot.state == State::entries) slot.copied.wait();
  slot.state = State::arrived;
}

void RecordRing::pump() {
  for (const unsigned index : in_flight_) {
    Slot& slot = slots_[index];
    if (slot.state == State::arrived) continue;
    if (!slot.copied.done()) break;  // later ones come later
    if (slot.state == State::header) {
      fetch_entries(index);
    } else {
      slot.state = State::arrived;
    }
  }
  while (!in_flight_.empty()) {
    Slot& slot = slots_[in_flight_.front()];
    if (slot.state != State::arrived || !sink_.ready()) break;
    deliver_position(slot);
  }
}

void RecordRing::finish() {
  while (!in_flight_.empty()) {
    Slot& slot = slots_[in_flight_.front()];
    arrive(in_flight_.front());
    while (slot.state != State::free) deliver_position(slot);
  }
}

/// Hands over the next position of the oldest slot, and frees the slot after its last.
void RecordRing::deliver_position(Slot& slot) {
  const std::byte* base = slot.header.data();
  const unsigned p = slot.delivered;
  DecodeRecord record;
  record.position = slot.first + p;
  if (slot.has_rows) {
    const std::size_t total = total_of(slot);
    record.demand = array_at<std::uint32_t>(base, layout_.demand, layout_.heads * options_.rho.size());
    record.stats = array_at<RowStats>(base, layout_.stats, layout_.heads);
    record.n_invalid = array_at<std::uint32_t>(base, layout_.n_invalid, layout_.heads);
    record.entry_count = array_at<std::uint32_t>(base, layout_.count, layout_.heads);
    record.residual = array_at<float>(base, layout_.residual, layout_.heads);
    record.entry_position = slot.position.span().first(total);
    record.entry_prob = slot.prob.span().first(total * layout_.prob_bytes);
  }
  const std::size_t at = layout_.qkv + p * layout_.position_bytes;
  record.q = {base + at, layout_.q_bytes};
  record.k = {base + at + layout_.q_bytes, layout_.kv_bytes};
  record.v = {base + at + layout_.q_bytes + layout_.kv_bytes, layout_.kv_bytes};
  sink_.record(record);
  if (++slot.delivered < slot.count) return;
  slot.state = State::free;
  in_flight_.pop_front();
}

void RecordRing::connect(unsigned layer, QkvTask& task) const {
  if (layout_.q_bytes == 0) return;
  const std::size_t value_bytes = task.type == KvType::f16 ? 2 : 4;
  auto* base = const_cast<std::byte*>(header_.data()) + layout_.qkv;
  task.record_q = base + layer * q_width_ * value_bytes;
  task.record_k = base + layout_.q_bytes + layer * kv_width_ * value_bytes;
  task.record_v = base + layout_.q_bytes + layout_.kv_bytes + layer * kv_width_ * value_bytes;
  task.record_q_slot = task.record_kv_slot = layout_.header_bytes / value_bytes;
  task.record_q_position = task.record_kv_position = layout_.position_bytes / value_bytes;
}

void RecordRing::connect(unsigned layer, AttentionTask& task) const {
  if (!wants_rows()) return;
  const std::size_t first_head = std::size_t{layer} * n_q_heads_;
  task.rows = const_cast<float*>(rows_.data()) + first_head * layout_.row_stride;
  task.row_stride = layout_.row_stride;
  task.row_set = layout_.heads * layout_.row_stride;
  task.chunk_stats = const_cast<float2*>(chunk_stats_.data()) + first_head * layout_.max_chunks;
  task.stats_set = layout_.heads * layout_.max_chunks;
}

}  // namespace kvwave::kernels
