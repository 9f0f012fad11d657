// The instruction-set versions of panel_dots() and panel_column_sums(); equal results bit for bit. Call only where
// simd_path() allows.
#pragma once

#include <cstdint>

namespace kvwave::kernels {

void panel_dots_baseline(const float* const* rows, std::uint32_t n_rows, const float* panel, std::uint32_t head_dim,
                         float (*dots)[16]);
void panel_dots_avx2(const float* const* rows, std::uint32_t n_rows, const float* panel, std::uint32_t head_dim,
                     float (*dots)[16]);
void panel_dots_avx512(const float* const* rows, std::uint32_t n_rows, const float* panel, std::uint32_t head_dim,
                       float (*dots)[16]);

void panel_column_sums_baseline(const float* panels, std::uint32_t n_panels, std::uint32_t head_dim, double* key_sum,
                                double* column);
void panel_column_sums_avx2(const float* panels, std::uint32_t n_panels, std::uint32_t head_dim, double* key_sum,
                            double* column);
void panel_column_sums_avx512(const float* panels, std::uint32_t n_panels, std::uint32_t head_dim, double* key_sum,
                              double* column);

}  // namespace kvwave::kernels
