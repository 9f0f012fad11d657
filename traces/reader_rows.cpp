// Row reads of TraceReader: bytes come from ColumnReader, values are checked here before anyone computes with them.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

#include "traces/error.h"
#include "traces/half_float.h"
#include "traces/reader_impl.h"

namespace kvwave::traces {
namespace {

/// Index of the first value that is NaN or infinite, or values.size().
std::size_t first_not_finite(std::span<const float> values) {
  // NaN and infinity have all exponent bits set; without branches, compilers turn this into vector code.
  constexpr std::uint32_t kExponent = 0x7F800000;
  std::uint32_t found_any = 0;
  for (const float value : values) {
    found_any |= (std::bit_cast<std::uint32_t>(value) & kExponent) == kExponent ? 1U : 0U;
  }
  if (found_any == 0) return values.size();
  const auto found = std::find_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
  return static_cast<std::size_t>(found - values.begin());
}

}  // namespace

AttentionRow AttentionRows::row(std::uint32_t layer, std::uint32_t q_head) const {
  const std::size_t index = std::size_t{layer} * n_q_heads_ + q_head;
  const std::size_t begin = start_.at(index);
  const std::size_t count = start_.at(index + 1) - begin;
  return {std::span(position_).subspan(begin, count), std::span(prob_).subspan(begin, count), residual_[index]};
}

void TraceReader::token_ids(std::uint32_t begin, std::uint32_t end, std::span<std::int32_t> out) const {
  impl_->check_range(begin, end, 1, out.size());
  impl_->guarded([&] { impl_->column(Column::token_id).read(begin, end, out.data()); });
}

void TraceReader::token_logprobs(std::uint32_t begin, std::uint32_t end, std::span<float> out) const {
  impl_->check_range(begin, end, 1, out.size());
  impl_->guarded([&] { impl_->column(Column::token_logprob).read(begin, end, out.data()); });
}

std::vector<std::string> TraceReader::token_bytes(std::uint32_t begin, std::uint32_t end) const {
  impl_->check_range(begin, end, 0, 0);
  ColumnReader& bytes = impl_->column(Column::token_bytes);
  std::vector<std::string> pieces;
  std::vector<std::uint64_t> ends(end - begin);
  impl_->guarded([&] {
    std::uint64_t start = begin == 0 ? 0 : impl_->byte_end(begin - 1);
    impl_->column(Column::token_byte_end).read(begin, end, ends.data());
    for (const std::uint64_t stop : ends) {
      if (stop < start || stop > bytes.rows()) {
        throw CorruptTrace(fmt::format("{}: /tokens/byte_end goes from {} to {}, of {} bytes", path().string(), start,
                                       stop, bytes.rows()));
      }
      std::string& piece = pieces.emplace_back(stop - start, '\0');
      bytes.read(start, stop, piece.data());
      start = stop;
    }
  });
  return pieces;
}

void TraceReader::layer_demand(std::uint32_t begin, std::uint32_t end, std::span<float> out) const {
  impl_->read_finite(Column::layer_demand, begin, end, out);
}

void TraceReader::demand(std::uint32_t begin, std::uint32_t end, std::span<std::uint32_t> out) const {
  ColumnReader& column = impl_->column(Column::demand);
  const std::uint64_t row = column.spec().row_bytes() / sizeof(std::uint32_t);
  impl_->check_range(begin, end, row, out.size());
  impl_->guarded([&] { column.read(begin, end, out.data()); });
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (const std::uint64_t position = begin + i / row; out[i] > position + 1) {
      throw CorruptTrace(fmt::format("{}: /stats/demand is {} at position {}, more than the row has", path().string(),
                                     out[i], position));
    }
  }
}

void TraceReader::row_scalar(RowScalar which, std::uint32_t begin, std::uint32_t end, std::span<float> out) const {
  constexpr std::array kColumns = {Column::entropy, Column::sink_mass, Column::recent_mass, Column::max_prob};
  impl_->read_finite(kColumns[static_cast<std::size_t>(which)], begin, end, out);
}

void TraceReader::Impl::read_finite(Column which, std::uint64_t begin, std::uint64_t end, std::span<float> out) {
  ColumnReader& from = column(which);
  const std::uint64_t row = from.spec().row_bytes() / sizeof(float);
  check_range(begin, end, row, out.size());
  guarded([&] { from.read(begin, end, out.data()); });
  check_finite(from.spec().name, begin, row, out);
}

void TraceReader::Impl::check_finite(std::string_view name, std::uint64_t begin, std::uint64_t row_elements,
                                     std::span<const float> values) const {
  const std::size_t bad = first_not_finite(values);
  if (bad == values.size()) return;
  throw CorruptTrace(
      fmt::format("{}: {} is not finite at position {}", path_.string(), name, begin + bad / row_elements));
}

void TraceReader::attention(std::uint32_t position, AttentionRows& out) const {
  impl_->column(Column::attention_count);  // says MissingLevel before anything else
  impl_->check_range(position, std::uint64_t{position} + 1, 0, 0);
  const auto corrupt = [&](std::string_view what) {
    throw CorruptTrace(fmt::format("{}: /attention at position {}: {}", path().string(), position, what));
  };
  const std::size_t heads = std::size_t{shape().n_layers} * shape().n_q_heads;
  out.n_q_heads_ = shape().n_q_heads;
  out.residual_.resize(heads);
  impl_->guarded([&] {
    std::vector<std::uint32_t> counts;
    const std::uint64_t total = impl_->entry_counts(position, counts);
    out.start_.assign(heads + 1, 0);
    for (std::size_t i = 0; i < heads; ++i) out.start_[i + 1] = out.start_[i] + counts[i];
    impl_->column(Column::attention_residual).read(position, std::uint64_t{position} + 1, out.residual_.data());
    ColumnReader& positions = impl_->column(Column::attention_position);
    ColumnReader& probs = impl_->column(Column::attention_prob);
    const std::uint64_t start = total == 0 ? 0 : impl_->row_start(position);
    if (start > std::min(positions.rows(), probs.rows()) || total > std::min(positions.rows(), probs.rows()) - start) {
      corrupt(fmt::format("entries [{}, {} more) lie outside the stored ones", start, total));
    }
    out.position_.resize(total);
    out.prob_.resize(total);
    positions.read(start, start + total, out.position_.data());
    impl_->read_floats(probs, out.prob_, [&](void* raw) { probs.read(start, start + total, raw); });
  });
  for (const float residual : out.residual_) {
    if (!(residual >= 0 && residual <= 1)) corrupt(fmt::format("residual {} is outside [0, 1]", residual));
  }
  for (const float prob : out.prob_) {
    if (!(prob >= 0 && prob <= 1)) corrupt(fmt::format("probability {} is outside [0, 1]", prob));
  }
  for (std::size_t i = 0; i < heads; ++i) {
    const auto row =
        std::span<const std::uint32_t>(out.position_).subspan(out.start_[i], out.start_[i + 1] - out.start_[i]);
    if (std::adjacent_find(row.begin(), row.end(), std::greater_equal<>()) != row.end()) {
      corrupt("stored positions do not ascend");
    }
    if (!row.empty() && row.back() > position) corrupt(fmt::format("stored position {} is in the future", row.back()));
  }
}

void TraceReader::q(std::uint32_t layer, std::uint32_t begin, std::uint32_t end, std::span<float> out) const {
  impl_->read_vectors(Column::q, layer, begin, end, out);
}
void TraceReader::k(std::uint32_t layer, std::uint32_t begin, std::uint32_t end, std::span<float> out) const {
  impl_->read_vectors(Column::k, layer, begin, end, out);
}
void TraceReader::v(std::uint32_t layer, std::uint32_t begin, std::uint32_t end, std::span<float> out) const {
  impl_->read_vectors(Column::v, layer, begin, end, out);
}

void TraceReader::Impl::read_vectors(Column which, std::uint32_t layer, std::uint64_t begin, std::uint64_t end,
                                     std::span<float> out) {
  ColumnReader& from = column(which);
  const std::uint64_t row = from.spec().inner[1] * from.spec().inner[2];
  if (layer >= info_.shape.n_layers) {
    throw std::out_of_range(
        fmt::format("{}: layer {} is outside [0, {})", path_.string(), layer, info_.shape.n_layers));
  }
  check_range(begin, end, row, out.size());
  guarded([&] { read_floats(from, out, [&](void* raw) { from.read_layer(layer, begin, end, raw); }); });
  check_finite(fmt::format("{} of layer {}", from.spec().name, layer), begin, row, out);
}

}  // namespace kvwave::traces
