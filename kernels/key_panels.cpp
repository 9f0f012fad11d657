#include "kernels/key_panels.h"

#include <algorithm>
#include <cassert>
#include <xmmintrin.h>

#include "kernels/cpu_features.h"
#include "kernels/panel_dots_paths.h"

namespace kvwave::kernels {

namespace {

// Four rows of four channels become four channels of four lanes (SSE is part of baseline x86-64).
void transpose_4x4(const float* const* rows, std::uint32_t channel, float* out) {
  __m128 a = _mm_loadu_ps(rows[0] + channel), b = _mm_loadu_ps(rows[1] + channel);
  __m128 c = _mm_loadu_ps(rows[2] + channel), d = _mm_loadu_ps(rows[3] + channel);
  _MM_TRANSPOSE4_PS(a, b, c, d);
  _mm_storeu_ps(out, a);
  _mm_storeu_ps(out + kPanelKeys, b);
  _mm_storeu_ps(out + 2 * kPanelKeys, c);
  _mm_storeu_ps(out + 3 * kPanelKeys, d);
}

}  // namespace

void KeyPanels::gather(std::span<const float> keys, std::uint32_t head_dim, std::span<const std::uint32_t> position) {
  n_keys_ = static_cast<std::uint32_t>(position.size());
  head_dim_ = head_dim;
  values_.resize(static_cast<std::size_t>(n_panels()) * head_dim * kPanelKeys);
  const std::vector<float> nothing(head_dim, 0.0F);
  const float* rows[kPanelKeys];
  for (std::uint32_t p = 0; p < n_panels(); ++p) {
    float* const out = values_.data() + static_cast<std::size_t>(p) * head_dim * kPanelKeys;
    for (std::uint32_t lane = 0; lane < kPanelKeys; ++lane) {
      const std::uint32_t slot = p * kPanelKeys + lane;
      rows[lane] = nothing.data();
      if (slot >= n_keys_) continue;
      const std::size_t start = static_cast<std::size_t>(position[slot]) * head_dim;
      assert(start + head_dim <= keys.size());
      rows[lane] = keys.data() + start;
    }
    std::uint32_t c = 0;
    for (; c + 4 <= head_dim; c += 4) {
      for (std::uint32_t lane = 0; lane < kPanelKeys; lane += 4)
        transpose_4x4(rows + lane, c, out + c * kPanelKeys + lane);
    }
    for (; c < head_dim; ++c) {
      for (std::uint32_t lane = 0; lane < kPanelKeys; ++lane) out[c * kPanelKeys + lane] = rows[lane][c];
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

void panel_column_sums_baseline(const float* panels, std::uint32_t n_panels, std::uint32_t head_dim, double* key_sum,
                                double* column) {
  const std::size_t size = std::size_t{head_dim} * 16;
  for (std::uint32_t c = 0; c < head_dim; ++c) {
    double lane[16] = {};
    for (std::uint32_t p = 0; p < n_panels; ++p) {
      for (int i = 0; i < 16; ++i) lane[i] += panels[p * size + c * 16 + i];
    }
    key_sum[c] = 0;
    for (const double x : lane) key_sum[c] += x;
  }
  for (std::uint32_t p = 0; p < n_panels; ++p) {
    double total[16] = {};
    for (std::uint32_t c = 0; c < head_dim; ++c) {
      for (int i = 0; i < 16; ++i) {
        const double u = panels[p * size + c * 16 + i];
        total[i] += u * (key_sum[c] - u);
      }
    }
    std::copy(total, total + 16, column + p * 16);
  }
}

void panel_column_sums(const KeyPanels& panels, std::vector<double>& key_sum, std::span<double> column) {
  const std::uint32_t n = panels.n_panels(), d = panels.head_dim();
  assert(column.size() == std::size_t{n} * kPanelKeys);
  key_sum.resize(d);
  switch (simd_path()) {
    case SimdPath::avx512:
      return panel_column_sums_avx512(panels.panel(0), n, d, key_sum.data(), column.data());
    case SimdPath::avx2:
      return panel_column_sums_avx2(panels.panel(0), n, d, key_sum.data(), column.data());
    case SimdPath::baseline:
      return panel_column_sums_baseline(panels.panel(0), n, d, key_sum.data(), column.data());
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
