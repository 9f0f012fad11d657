#include <algorithm>
#include <string>

#include "kernels/cuda_record_ring.cuh"
#include "kernels/error.h"
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
  header_bytes = qkv + kMaxBlockPositions * position_bytes;
  entry_capacity = record.entries ? heads * options.max_positions : 0;
  prob_bytes = record.prob_type == ProbType::f16 ? 2 : 4;
}

std::uint64_t record_ring_bytes(const RecordLayout& layout) {
  return kRecordSlots * (layout.header_bytes + layout.entry_capacity * (sizeof(std::uint32_t) + layout.prob_bytes));
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
      cuts_(model.n_q_heads, kRecord) {
  if (record.rho.size() > kMaxRho) {
    throw Error("the device computes at most " + std::to_string(kMaxRho) + " values of rho, not " +
                std::to_string(record.rho.size()));
  }
  for (Slot& slot : slots_) slot.header = PinnedBuffer<std::byte>(layout_.header_bytes);
}

unsigned RecordRing::acquire() {
  pump(false);
  if (in_flight_.size() == kRecordSlots) {
    ++stall_count_;
    pump(true);
  }
  for (unsigned i = 0; i < kRecordSlots; ++i) {
    if (slots_[i].state == State::free) return i;
  }
  throw Error("the record ring has no free slot");
}

void RecordRing::submit(unsigned index, unsigned first, unsigned count, bool has_rows, cudaStream_t compute) {
  Slot& slot = slots_[index];
  slot.first = first;
  slot.count = count;
  slot.has_rows = has_rows;
  slot.computed.record(compute);
  slot.computed.block(copy_.get());
  const std::size_t bytes = layout_.qkv + count * layout_.position_bytes;
  header_.download(slot.header.span().first(bytes), copy_.get(), index * layout_.header_bytes);
  slot.copied.record(copy_.get());
  slot.state = State::header;
  in_flight_.push_back(index);
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

void RecordRing::pump(bool wait) {
  for (const unsigned index : in_flight_) {
    Slot& slot = slots_[index];
    if (slot.state != State::header) continue;
    if (wait && index == in_flight_.front()) slot.copied.wait();
    if (!slot.copied.done()) break;  // later ones come later
    fetch_entries(index);
  }
  while (!in_flight_.empty()) {
    Slot& slot = slots_[in_flight_.front()];
    if (slot.state == State::header) break;
    if (slot.state == State::entries) {
      if (wait) slot.copied.wait();
      if (!slot.copied.done()) break;
    }
    deliver(slot);
    slot.state = State::free;
    in_flight_.pop_front();
    wait = false;
  }
}

void RecordRing::finish() {
  while (!in_flight_.empty()) pump(true);
}

void RecordRing::deliver(const Slot& slot) {
  const std::byte* base = slot.header.data();
  for (unsigned p = 0; p < slot.count; ++p) {
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
  }
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

void RecordRing::connect(unsigned layer, RowStatsTask& task) const {
  auto* base = const_cast<std::byte*>(header_.data());
  const std::size_t first_head = std::size_t{layer} * n_q_heads_;
  const auto words = [&](std::size_t offset, std::size_t skip) {
    return reinterpret_cast<std::uint32_t*>(base + offset) + skip;
  };
  task.n_rho = static_cast<unsigned>(options_.rho.size());
  for (unsigned i = 0; i < task.n_rho; ++i) task.rho_target[i] = exact_target(options_.rho[i]);
  task.keep = 1.0 - options_.epsilon;
  task.covering = options_.entries;
  task.n_sink = options_.n_sink;
  task.n_recent = options_.n_recent;
  task.first_layer = layer == 0;
  task.out = {words(layout_.demand, first_head * task.n_rho),
              reinterpret_cast<RowStats*>(base + layout_.stats) + first_head, words(layout_.n_invalid, first_head),
              words(layout_.count, first_head), reinterpret_cast<float*>(base + layout_.residual) + first_head};
  task.sets = {const_cast<std::uint32_t*>(position_.data()), const_cast<std::byte*>(prob_.data()),
               words(layout_.total, 0), options_.prob_type};
  task.word_slot = layout_.header_bytes / sizeof(std::uint32_t);
  task.stats_slot = layout_.header_bytes / sizeof(RowStats);
  task.entry_slot = layout_.entry_capacity;
  task.cuts = const_cast<uint3*>(cuts_.data());
}

}  // namespace kvwave::kernels
