#include "kernels/key_panels.h"

#include <cassert>

#include "kernels/cpu_features.h"
#include "kernels/panel_dots_paths.h"

namespace kvwave::kernels {

void KeyPanels::gather(std::span<const float> keys, std::uint32_t head_dim, std::span<const std::uint32_t> position) {
  n_keys_ = static_cast<std::uint32_t>(position.size());
  head_dim_ = head_dim;
  values_.resize(static_cast<std::size_t>(n_panels()) * head_dim * kPanelKeys);
  for (std::uint32_t p = 0; p < n_panels(); ++p) {
    float* const out = values_.data() + static_cast<std::size_t>(p) * head_dim * kPanelKeys;
    for (std::uint32_t lane = 0; lane < kPanelKeys; ++lane) {
      const std::uint32_t slot = p * kPanelKeys + lane;
      if (slot >= n_keys_) {
        for (std::uint32_t c = 0; c < head_dim; ++c) out[c * kPanelKeys + lane] = 0.0F;
        continue;
      }
      const std::size_t start = static_cast<std::size_t>(position[slot]) * head_dim;
      assert(start + head_dim <= keys.size());
      for (std::uint32_t c = 0; c < head_dim; ++c) out[c * kPanelKeys + lane] = keys[start + c];
    }
  }
}

void panel_dots_baseline(const float* const* rows, std::uint32_t n_rows, const float* panel, std::uint32_t head_dim,
                         float (*dots)[16]) {
  for (std::uint32_t r = 0; r < n_rows; ++r) {
    float sum[16] = {};
    for (std::uint32_t c = 0; c < head_dim; ++c) {
      const float x = rows[r][c];
      for (int i = 0; i < 16; ++i) sum[i] += x * panel[c * 16 + i];
    }
    for (int i = 0; i < 16; ++i) dots[r][i] = sum[i];
  }
}

void panel_dots(const float* const* rows, std::uint32_t n_rows, const float* panel, std::uint32_t head_dim,
                float (*dots)[kPanelKeys]) {
  assert(n_rows <= kPanelRows);
  switch (simd_path()) {
    case SimdPath::avx512:
      return panel_dots_avx512(rows, n_rows, panel, head_dim, dots);
    case SimdPath::avx2:
      return panel_dots_avx2(rows, n_rows, panel, head_dim, dots);
    case SimdPath::baseline:
      return panel_dots_baseline(rows, n_rows, panel, head_dim, dots);
  }
}

}  // namespace kvwave::kernels
