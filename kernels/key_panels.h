// Keys of a set of residents, transposed into panels of 16 so that one vector register holds the same channel of 16
// keys. Every dot product is summed channel by channel in ascending order with a separate multiplication and addition,
// on every instruction set: what a policy decides does not depend on the machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace kvwave::kernels {

inline constexpr std::uint32_t kPanelKeys = 16;

/// Panel p, channel c, lane i = channel c of key 16 p + i; lanes beyond the last key are 0.
class KeyPanels {
 public:
  /// Gathers the rows `position` of `keys` [any, head_dim].
  void gather(std::span<const float> keys, std::uint32_t head_dim, std::span<const std::uint32_t> position);

  std::uint32_t n_keys() const { return n_keys_; }
  std::uint32_t n_panels() const { return (n_keys_ + kPanelKeys - 1) / kPanelKeys; }
  std::uint32_t head_dim() const { return head_dim_; }
  const float* panel(std::uint32_t index) const {
    return values_.data() + static_cast<std::size_t>(index) * head_dim_ * kPanelKeys;
  }

 private:
  std::vector<float> values_;
  std::uint32_t n_keys_ = 0, head_dim_ = 0;
};

inline constexpr std::uint32_t kPanelRows = 8;  ///< rows that panel_dots() takes at once

/// dots[r][i] = rows[r] . (key i of the panel) for r < n_rows <= kPanelRows; rows have head_dim channels.
void panel_dots(const float* const* rows, std::uint32_t n_rows, const float* panel, std::uint32_t head_dim,
                float (*dots)[kPanelKeys]);

/// key_sum[c] = sum of channel c over all keys; column[j] = key j . key_sum - |key j|^2, the sum of its products with
/// all other keys. Both in fp64, in one order on every instruction set. key_sum is resized to head_dim; column:
/// [n_panels * 16].
void panel_column_sums(const KeyPanels& panels, std::vector<double>& key_sum, std::span<double> column);

}  // namespace kvwave::kernels
