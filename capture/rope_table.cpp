#include "capture/rope_table.h"

#include <cmath>

#include "kernels/transformer_ops.h"

namespace kvwave::capture {

RopeTable::RopeTable(const ModelConfig& config)
    : layout_(config.rope_layout), factor_(config.rope_attention_factor), frequency_(config.head_dim / 2) {
  for (std::size_t i = 0; i < frequency_.size(); ++i) {
    frequency_[i] = std::pow(config.rope_theta, -2.0 * static_cast<double>(i) / config.head_dim);
    if (!config.rope_divisor.empty()) frequency_[i] /= static_cast<double>(config.rope_divisor[i]);
  }
}

void RopeTable::set_block(std::uint32_t first, std::uint32_t count) {
  cos_.clear();
  sin_.clear();
  for (std::uint32_t index = 0; index < count; ++index) {
    for (const double frequency : frequency_) {
      const double angle = (first + index) * frequency;
      cos_.push_back(static_cast<float>(factor_ * std::cos(angle)));
      sin_.push_back(static_cast<float>(factor_ * std::sin(angle)));
    }
  }
}

void RopeTable::rotate(std::uint32_t index, std::span<float> heads) const {
  const std::size_t half = frequency_.size();
  const std::span<const float> cos{cos_.data() + index * half, half};
  const std::span<const float> sin{sin_.data() + index * half, half};
  for (std::size_t first = 0; first < heads.size(); first += 2 * half) {
    const std::span<float> head = heads.subspan(first, 2 * half);
    if (layout_ == RopeLayout::half) {
      kernels::rope_half(head, cos, sin);
    } else {
      kernels::rope_interleaved(head, cos, sin);
    }
  }
}

}  // namespace kvwave::capture
