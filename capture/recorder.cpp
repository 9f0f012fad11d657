#include "capture/recorder.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace kvwave::capture {
namespace {

constexpr std::uint64_t kBlockBytes = std::uint64_t{8} << 20;

kernels::ProbType prob_type(traces::FloatType type) {
  return type == traces::FloatType::f16 ? kernels::ProbType::f16 : kernels::ProbType::f32;
}

/// Grows by a quarter: a row is a little longer than the one before, so exact sizes would reallocate each time and
/// doubling would waste half of the memory that is kept.
template <typename T>
void reserve_gently(std::vector<T>& values, std::size_t size) {
  if (values.capacity() < size) values.reserve(size + size / 4);
}

}  // namespace

Recorder::Recorder(const traces::TraceInfo& info, traces::TraceWriter& writer, unsigned n_workers)
    : info_(info),
      writer_(writer),
      heads_(std::size_t{info.shape.n_layers} * info.shape.n_q_heads),
      analysers_(n_workers) {}

void Recorder::announce(std::int32_t token_id, float logprob, std::string_view token_bytes) {
  announced_.push_back({token_id, logprob, std::string(token_bytes)});
}

std::uint32_t Recorder::block_limit(std::uint32_t first, std::uint32_t wanted) const {
  if (first < info_.first_row) return std::min(wanted, info_.first_row - first);
  if (!info_.levels.attention) return wanted;
  const std::uint64_t row_bytes =
      heads_ * (std::uint64_t{first} + wanted) * (sizeof(std::uint32_t) + byte_size(info_.attention_dtype));
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(kBlockBytes / row_bytes, 1, wanted));
}

void Recorder::prepare(traces::TraceRow& row, std::uint32_t position) {
  row.position = position;
  const bool recorded = wants_row(position);
  const std::size_t stats = info_.levels.stats && recorded ? heads_ : 0;
  row.demand.resize(stats * info_.rho.size());
  for (auto* values : {&row.entropy, &row.sink_mass, &row.recent_mass, &row.max_prob}) values->resize(stats);
  const std::size_t attention = info_.levels.attention && recorded ? heads_ : 0;
  row.attention_count.resize(attention);
  row.attention_residual.resize(attention);
  row.attention_position.clear();
  row.attention_prob.clear();
  const std::size_t per_head =
      info_.levels.qkv ? info_.shape.n_layers * info_.shape.head_dim * byte_size(info_.qkv_dtype) : 0;
  row.q.resize(per_head * info_.shape.n_q_heads);
  row.k.resize(per_head * info_.shape.n_kv_heads);
  row.v.resize(per_head * info_.shape.n_kv_heads);
  row.nan_count = 0;
}

void Recorder::begin_block(std::uint32_t first, std::uint32_t count) {
  first_ = first;
  count_ = count;
  if (rows_.size() < count) rows_.resize(count);
  if (entries_.size() < std::size_t{count} * info_.shape.n_q_heads) {
    entries_.resize(std::size_t{count} * info_.shape.n_q_heads);
  }
  for (std::uint32_t i = 0; i < count; ++i) prepare(rows_[i], first + i);
  for (HeadEntries& entries : entries_) {
    entries.position.clear();
    entries.prob.clear();
    entries.nan_count = 0;
  }
}

bool Recorder::wants_row(std::uint32_t position) const {
  return position >= info_.first_row && (info_.levels.stats || info_.levels.attention);
}

void Recorder::attn_row(std::uint32_t layer, std::uint32_t q_head, std::uint32_t position,
                        std::span<const float> attn_prob, unsigned worker) {
  const std::size_t in_block = position - first_;
  traces::TraceRow& row = rows_[in_block];
  HeadEntries& entries = entries_[in_block * info_.shape.n_q_heads + q_head];
  kernels::RowAnalyser& analyser = analysers_[worker];
  const std::size_t at = std::size_t{layer} * info_.shape.n_q_heads + q_head;

  entries.nan_count += analyser.read(attn_prob);
  if (info_.levels.stats) {
    const std::size_t n_rho = info_.rho.size();
    analyser.demand(info_.rho, {row.demand.data() + at * n_rho, n_rho});
    const kernels::RowStats stats = analyser.stats(traces::kStatSinks, traces::kStatRecent);
    row.entropy[at] = stats.entropy;
    row.sink_mass[at] = stats.sink_mass;
    row.recent_mass[at] = stats.recent_mass;
    row.max_prob[at] = stats.max_prob;
  }
  if (info_.levels.attention) {
    const std::size_t before = entries.position.size();
    row.attention_residual[at] =
        analyser.append_covering(info_.epsilon, prob_type(info_.attention_dtype), entries.position, entries.prob);
    row.attention_count[at] = static_cast<std::uint32_t>(entries.position.size() - before);
  }
}

void Recorder::qkv(std::uint32_t layer, std::uint32_t position, std::span<const std::byte> q,
                   std::span<const std::byte> k, std::span<const std::byte> v) {
  traces::TraceRow& row = rows_[position - first_];
  std::memcpy(row.q.data() + layer * q.size(), q.data(), q.size());
  std::memcpy(row.k.data() + layer * k.size(), k.data(), k.size());
  std::memcpy(row.v.data() + layer * v.size(), v.data(), v.size());
}

void Recorder::join_entries(std::size_t in_block, traces::TraceRow& row) {
  const std::uint32_t n_q_heads = info_.shape.n_q_heads;
  const HeadEntries* heads = entries_.data() + in_block * n_q_heads;
  std::size_t total = 0;
  for (std::uint32_t h = 0; h < n_q_heads; ++h) {
    total += heads[h].position.size();
    row.nan_count += heads[h].nan_count;
  }
  nan_count_ += row.nan_count;
  if (row.attention_count.empty()) return;
  const std::size_t bytes = byte_size(info_.attention_dtype);
  reserve_gently(row.attention_position, total);
  reserve_gently(row.attention_prob, total * bytes);
  std::vector<std::size_t> read(n_q_heads, 0);
  for (std::size_t at = 0; at < heads_; ++at) {
    const HeadEntries& head = heads[at % n_q_heads];
    std::size_t& begin = read[at % n_q_heads];
    const std::size_t end = begin + row.attention_count[at];
    row.attention_position.insert(row.attention_position.end(), head.position.data() + begin,
                                  head.position.data() + end);
    row.attention_prob.insert(row.attention_prob.end(), head.prob.data() + begin * bytes,
                              head.prob.data() + end * bytes);
    begin = end;
  }
}

void Recorder::end_block() {
  for (std::uint32_t i = 0; i < count_; ++i) {
    join_entries(i, rows_[i]);
    submit(rows_[i], writer_.acquire());
  }
}

void Recorder::submit(traces::TraceRow& row, std::unique_ptr<traces::TraceRow> lent) {
  assert(!announced_.empty() && "every fed token is announced first");
  row.token_id = announced_.front().id;
  row.logprob = announced_.front().logprob;
  row.token_bytes = std::move(announced_.front().bytes);
  announced_.pop_front();
  // Swapped, not copied: the writer gets the filled vectors, the block keeps the capacity of a used row.
  std::swap(*lent, row);
  writer_.submit(std::move(lent));
}

kernels::RecordOptions Recorder::device_options() const {
  kernels::RecordOptions options;
  options.stats = info_.levels.stats;
  options.entries = info_.levels.attention;
  options.qkv = info_.levels.qkv;
  options.rho = info_.rho;
  options.epsilon = info_.epsilon;
  options.prob_type = prob_type(info_.attention_dtype);
  options.n_sink = traces::kStatSinks;
  options.n_recent = traces::kStatRecent;
  options.first_row = info_.first_row;
  return options;
}

void Recorder::record(const kernels::DecodeRecord& record) {
  if (rows_.empty()) rows_.resize(1);
  traces::TraceRow& row = rows_.front();
  prepare(row, record.position);
  if (!row.demand.empty()) {
    std::copy(record.demand.begin(), record.demand.end(), row.demand.begin());
    for (std::size_t at = 0; at < heads_; ++at) {
      row.entropy[at] = record.stats[at].entropy;
      row.sink_mass[at] = record.stats[at].sink_mass;
      row.recent_mass[at] = record.stats[at].recent_mass;
      row.max_prob[at] = record.stats[at].max_prob;
    }
  }
  if (!row.attention_count.empty()) {
    std::copy(record.entry_count.begin(), record.entry_count.end(), row.attention_count.begin());
    std::copy(record.residual.begin(), record.residual.end(), row.attention_residual.begin());
    row.attention_position.assign(record.entry_position.begin(), record.entry_position.end());
    row.attention_prob.assign(record.entry_prob.begin(), record.entry_prob.end());
  }
  for (const std::uint32_t n_invalid : record.n_invalid) row.nan_count += n_invalid;
  nan_count_ += row.nan_count;
  std::copy(record.q.begin(), record.q.end(), row.q.begin());
  std::copy(record.k.begin(), record.k.end(), row.k.begin());
  std::copy(record.v.begin(), record.v.end(), row.v.begin());
  submit(row, writer_.acquire_uncounted());  // what stalls decoding is the ring, which says so
}

}  // namespace kvwave::capture
