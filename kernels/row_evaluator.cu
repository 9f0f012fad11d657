#include <algorithm>

#include "kernels/row_evaluator.cuh"

namespace kvwave::kernels {

namespace {

void wait(cudaStream_t stream) {
  KVWAVE_CUDA_CHECK(cudaStreamSynchronize(stream));
}

}  // namespace

std::uint32_t RowEvaluator::n_columns() const {
  return static_cast<std::uint32_t>(columns_->evicted_at.size() + columns_->ceiling_counts.size());
}

void RowEvaluator::start(const EvaluationColumns& columns, cudaStream_t stream) {
  columns_ = &columns;
  const std::size_t per_column = std::size_t{shape_.n_kv_heads} * shape_.n_positions;
  const std::uint32_t n_steps = shape_.n_positions - shape_.n_prompt;
  const auto n_simulations = static_cast<std::uint32_t>(columns.evicted_at.size());
  evicted_at_.reserve(n_simulations * per_column);
  for (std::size_t c = 0; c < n_simulations; ++c) {
    evicted_at_.buffer().upload({columns.evicted_at[c], per_column}, stream, c * per_column);
  }
  groups_.clear();
  do {  // the output of the full rows is computed with the first group, so there is always one
    Group group;
    group.first_column = static_cast<std::uint32_t>(groups_.size()) * kMaxEvaluationConfigs;
    group.n_columns = std::min(kMaxEvaluationConfigs, n_simulations - group.first_column);
    group.changes.assign(std::size_t{shape_.n_kv_heads} * n_steps, false);
    for (std::uint32_t c = 0; c < group.n_columns; ++c) {
      const std::int32_t* const evicted_at = columns.evicted_at[group.first_column + c];
      for (std::size_t i = 0; i < per_column; ++i) {
        if (evicted_at[i] <= 0 || evicted_at[i] >= static_cast<std::int32_t>(n_steps)) continue;
        group.changes[i / shape_.n_positions * n_steps + static_cast<std::size_t>(evicted_at[i])] = true;
      }
    }
    groups_.push_back(std::move(group));
  } while (groups_.size() * kMaxEvaluationConfigs < n_simulations);
  if (columns.recall_count > 0) {
    last_needed_.reserve(per_column);
    last_needed_.buffer().fill_bytes(0xFF, stream);  // -1
  }
  wait(stream);
}

EvaluationRows RowEvaluator::geometry(const DeviceLayer& layer, std::uint32_t first, std::uint32_t end) {
  EvaluationRows rows;
  rows.q = layer.q.data();
  rows.k = layer.k.data();
  rows.v = layer.v.data();
  rows.n_positions = shape_.n_positions;
  rows.n_q_heads = shape_.n_q_heads;
  rows.n_kv_heads = shape_.n_kv_heads;
  rows.head_dim = shape_.head_dim;
  rows.n_prompt = shape_.n_prompt;
  rows.first_position = first;
  rows.n_rows = (end - first) * shape_.n_q_heads;
  rows.row_max = row_max_.reserve(rows.n_rows);
  rows.row_share = row_share_.reserve(rows.n_rows);
  return rows;
}

void RowEvaluator::cut_spans(const std::vector<bool>* changes, std::uint32_t first, std::uint32_t end,
                             EvaluationRows& rows, cudaStream_t stream) {
  const std::uint32_t group = shape_.n_q_heads / shape_.n_kv_heads;
  const std::uint32_t n_steps = shape_.n_positions - shape_.n_prompt;
  spans_.clear();
  for (std::uint32_t h = 0; h < shape_.n_kv_heads; ++h) {
    for (std::uint32_t position = first; position < end;) {
      std::uint32_t next = position + 1;
      while (next < end && next - position < kMaxSpanRows &&
             (changes == nullptr || !(*changes)[std::size_t{h} * n_steps + next - shape_.n_prompt])) {
        ++next;
      }
      for (std::uint32_t g = 0; g < group; ++g) spans_.push_back({h * group + g, position, next - position});
      position = next;
    }
  }
  // Blocks start in this order: the longest rows first, so that no block is left over at the end.
  std::stable_sort(spans_.begin(), spans_.end(),
                   [](const RowSpan& a, const RowSpan& b) { return a.first_position > b.first_position; });
  rows.span = span_.upload(spans_, stream);
  rows.n_spans = static_cast<std::uint32_t>(spans_.size());
  wait(stream);  // spans_ is used again
}

RowRanks RowEvaluator::rank(const EvaluationRows& rows, const std::vector<std::uint32_t>& count, cudaStream_t stream) {
  RowRanks ranks;
  ranks.n_ranks = static_cast<std::uint32_t>(count.size() / rows.n_rows);
  ranks.count = rank_count_.upload(count, stream);
  ranks.value = rank_value_.reserve(count.size());
  ranks.n_greater = rank_greater_.reserve(count.size());
  row_ranks_cuda(rows, ranks, stream);
  wait(stream);  // `count` may go
  return ranks;
}

EvaluatedRows RowEvaluator::evaluate(const DeviceLayer& layer, std::uint32_t begin, std::uint32_t end,
                                     cudaStream_t stream) {
  const std::uint32_t first = shape_.n_prompt + begin;
  const std::uint32_t last = shape_.n_prompt + end;
  EvaluationRows rows = geometry(layer, first, last);
  const std::size_t n_rows = rows.n_rows;
  mass_out_.resize(n_rows * n_columns());
  error_out_.resize(columns_->error ? n_rows * n_columns() : 0);
  recalled_out_.resize(columns_->recall_count > 0 ? n_rows * columns_->evicted_at.size() : 0);
  const std::span<float> square = square_taken_.reserve(columns_->error ? n_rows : 0);
  if (n_rows > 0) {
    cut_spans(nullptr, first, last, rows, stream);
    row_normalisers_cuda(rows, stream);
    RowRanks recall;
    if (columns_->recall_count > 0) {
      recall = rank(rows, std::vector<std::uint32_t>(n_rows, columns_->recall_count), stream);
    }
    for (const Group& group : groups_) {
      cut_spans(&group.changes, first, last, rows, stream);
      evaluate_group(rows, group, recall, stream);
    }
    if (!columns_->ceiling_counts.empty()) {
      cut_spans(nullptr, first, last, rows, stream);
      evaluate_ceilings(rows, stream);
    }
    if (columns_->error) output_square_.download(square, stream);
    wait(stream);
  }
  EvaluatedRows out;
  out.n_columns = n_columns();
  out.mass = mass_out_;
  out.square_error = error_out_;
  out.n_recalled = recalled_out_;
  out.square_output = square;
  return out;
}

void RowEvaluator::evaluate_group(EvaluationRows rows, const Group& group, const RowRanks& recall,
                                  cudaStream_t stream) {
  EvaluationConfigs configs;
  configs.evicted_at = evicted_at_.data() + std::size_t{group.first_column} * shape_.n_kv_heads * shape_.n_positions;
  configs.n_configs = group.n_columns;
  const std::size_t n = std::size_t{rows.n_rows} * group.n_columns;
  const bool first = group.first_column == 0;
  RetainedResults results;
  results.mass = mass_.reserve(n);
  if (columns_->recall_count > 0) {
    results.n_recalled = recalled_.reserve(n);
    results.last_needed = first ? last_needed_.data() : nullptr;
    results.needed_share = columns_->needed_share;
  }
  if (columns_->error && first) {
    results.output = output_.reserve(std::size_t{rows.n_rows} * shape_.head_dim);
    results.output_square = output_square_.reserve(rows.n_rows);
  }
  retained_mass_cuda(rows, configs, recall, results, stream);
  const std::span<float> mass = mass_taken_.reserve(n);
  const std::span<float> error = error_taken_.reserve(columns_->error ? n : 0);
  const std::span<std::uint32_t> recalled = recalled_taken_.reserve(columns_->recall_count > 0 ? n : 0);
  mass_.download(mass, stream);
  if (columns_->recall_count > 0) recalled_.download(recalled, stream);
  if (columns_->error) {
    output_error_cuda(rows, configs, mass_.data(), output_.data(), error_.reserve(n), stream);
    error_.download(error, stream);
  }
  wait(stream);
  place<float>(mass, group.first_column, group.n_columns, n_columns(), mass_out_);
  place<float>(error, group.first_column, group.n_columns, n_columns(), error_out_);
  place<std::uint32_t>(recalled, group.first_column, group.n_columns,
                       static_cast<std::uint32_t>(columns_->evicted_at.size()), recalled_out_);
}

void RowEvaluator::evaluate_ceilings(const EvaluationRows& rows, cudaStream_t stream) {
  const std::uint32_t n_steps = shape_.n_positions - shape_.n_prompt;
  const std::uint32_t group = shape_.n_q_heads / shape_.n_kv_heads;
  const std::uint32_t first_step = rows.first_position - shape_.n_prompt;
  const std::size_t n_ceilings = columns_->ceiling_counts.size();
  std::vector<std::uint32_t> count(n_ceilings * rows.n_rows);
  for (std::size_t c = 0; c < n_ceilings; ++c) {
    for (std::uint32_t row = 0; row < rows.n_rows; ++row) {
      const std::uint32_t kv_head = row % shape_.n_q_heads / group;
      const std::uint32_t step = first_step + row / shape_.n_q_heads;
      count[c * rows.n_rows + row] = columns_->ceiling_counts[c][std::size_t{kv_head} * n_steps + step];
    }
  }
  const RowRanks ranks = rank(rows, count, stream);
  float* const error = columns_->error ? error_.reserve(count.size()) : nullptr;
  ceilings_cuda(rows, ranks, output_.data(), mass_.reserve(count.size()), error, stream);
  const std::span<float> mass = mass_taken_.reserve(count.size());
  const std::span<float> square = error_taken_.reserve(columns_->error ? count.size() : 0);
  mass_.download(mass, stream);
  if (columns_->error) error_.download(square, stream);
  wait(stream);
  for (std::size_t c = 0; c < n_ceilings; ++c) {
    const std::size_t column = columns_->evicted_at.size() + c;
    for (std::size_t row = 0; row < rows.n_rows; ++row) {
      mass_out_[row * n_columns() + column] = mass[c * rows.n_rows + row];
      if (columns_->error) error_out_[row * n_columns() + column] = square[c * rows.n_rows + row];
    }
  }
}

template <class T>
void RowEvaluator::place(std::span<const T> figures, std::uint32_t first_column, std::uint32_t n,
                         std::uint32_t n_columns, std::vector<T>& to) {
  if (n == 0) return;
  for (std::size_t row = 0; row < figures.size() / n; ++row) {
    std::copy_n(figures.data() + row * n, n, to.data() + row * n_columns + first_column);
  }
}

std::vector<std::int32_t> RowEvaluator::last_needed(cudaStream_t stream) {
  std::vector<std::int32_t> out(columns_->recall_count > 0 ? std::size_t{shape_.n_kv_heads} * shape_.n_positions : 0);
  last_needed_.download(out, stream);
  wait(stream);
  return out;
}

std::vector<double> RowEvaluator::position_mass(const DeviceLayer& layer, std::uint32_t first, std::uint32_t end,
                                                cudaStream_t stream) {
  const std::size_t size = std::size_t{shape_.n_kv_heads} * shape_.n_positions;
  if (first >= end) return std::vector<double>(size);
  EvaluationRows rows = geometry(layer, first, end);
  cut_spans(nullptr, first, end, rows, stream);
  row_normalisers_cuda(rows, stream);
  position_mass_.reserve(size);
  position_mass_.buffer().fill_bytes(0, stream);
  position_mass_cuda(rows, first, end, position_mass_.data(), stream);
  const std::span<double> taken = position_mass_taken_.reserve(size);
  position_mass_.download(taken, stream);
  wait(stream);
  return {taken.begin(), taken.end()};
}

}  // namespace kvwave::kernels
