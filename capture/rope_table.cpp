#include "capture/rope_table.h"

#include <cmath>

#include "kernels/transformer_ops.h"

namespace kvwave::capture {

RopeTable::RopeTable(const ModelConfig& config)
    : layout_(config.rope_layout),
      frequency_(config.head_dim / 2),
      cos_(config.head_dim / 2),
      sin_(config.head_dim / 2) {
  for (std::size_t i = 0; i < frequency_.size(); ++i) {
    frequency_[i] = std::pow(config.rope_theta, -2.0 * static_cast<double>(i) / config.head_dim);
    if (!config.rope_divisor.empty()) frequency_[i] /= static_cast<double>(config.rope_divisor[i]);
  }
}

void RopeTable::set_position(std::uint32_t position) {
  for (std::size_t i = 0; i < frequency_.size(); ++i) {
    const double angle = position * frequency_[i];
    cos_[i] = static_cast<float>(std::cos(angle));
    sin_[i] = static_cast<float>(std::sin(angle));
  }
}

void RopeTable::rotate(std::span<float> heads) const {
  const std::size_t head_dim = 2 * cos_.size();
  for (std::size_t first = 0; first < heads.size(); first += head_dim) {
    const std::span<float> head = heads.subspan(first, head_dim);
    if (layout_ == RopeLayout::half) {
      kernels::rope_half(head, cos_, sin_);
    } else {
      kernels::rope_interleaved(head, cos_, sin_);
    }
  }
}

}  // namespace kvwave::capture
