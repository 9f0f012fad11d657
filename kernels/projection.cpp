#include "kernels/projection.h"

#include <algorithm>
#include <cassert>
#include <cstdint>

#include "kernels/gemv.h"
#include "kernels/transformer_ops.h"

namespace kvwave::kernels {

namespace {

// Tasks of about this many parameter bytes are long beside the cost of taking one and short enough to share evenly.
constexpr std::size_t kTaskBytes = 24 * 1024;

std::uint32_t rows_per_task(const ParamMatrix& w, std::size_t n_positions) {
  const std::size_t rows = kTaskBytes / std::max<std::size_t>(1, w.row_stride() * n_positions) / 8 * 8;
  return static_cast<std::uint32_t>(std::clamp<std::size_t>(rows, 8, std::max<std::size_t>(8, w.rows)));
}

std::size_t task_count(const ParamMatrix& w, std::uint32_t rows) {
  return (std::size_t{w.rows} + rows - 1) / rows;
}

struct RowRange {
  std::uint32_t first, count;
};

RowRange task_rows(const ParamMatrix& w, std::uint32_t rows, std::size_t task) {
  const auto first = static_cast<std::uint32_t>(task * rows);
  return {first, std::min(rows, w.rows - first)};
}

void multiply(const ParamMatrix& w, const Activations& x, RowRange range, float* out, std::size_t out_stride) {
  for (std::size_t p = 0; p < x.n_positions; ++p) {
    gemv(w, {x.data + p * x.stride, w.cols}, range.first, {out + p * out_stride + range.first, range.count});
  }
}

}  // namespace

void project(ThreadPool& pool, std::span<const Projection> projections, const Activations& x) {
  std::size_t n_tasks = 0;
  for (const Projection& each : projections) n_tasks += task_count(*each.w, rows_per_task(*each.w, x.n_positions));
  pool.parallel_for(n_tasks, [&](std::size_t task, unsigned) {
    for (const Projection& each : projections) {
      const std::uint32_t rows = rows_per_task(*each.w, x.n_positions);
      const std::size_t count = task_count(*each.w, rows);
      if (task >= count) {
        task -= count;
        continue;
      }
      const RowRange range = task_rows(*each.w, rows, task);
      multiply(*each.w, x, range, each.out, each.out_stride);
      if (each.bias.empty()) return;
      for (std::size_t p = 0; p < x.n_positions; ++p) {
        add({each.out + p * each.out_stride + range.first, range.count}, each.bias.subspan(range.first, range.count));
      }
      return;
    }
  });
}

void project_swiglu(ThreadPool& pool, const ParamMatrix& gate, const ParamMatrix& up, const Activations& x, float* out,
                    std::size_t out_stride, float* scratch) {
  assert(gate.rows == up.rows && gate.cols == up.cols);
  const std::uint32_t rows = rows_per_task(gate, x.n_positions);
  pool.parallel_for(task_count(gate, rows), [&](std::size_t task, unsigned) {
    const RowRange range = task_rows(gate, rows, task);
    multiply(gate, x, range, out, out_stride);
    multiply(up, x, range, scratch, out_stride);
    for (std::size_t p = 0; p < x.n_positions; ++p) {
      const std::size_t at = p * out_stride + range.first;
      swiglu({out + at, range.count}, {scratch + at, range.count});
    }
  });
}

}  // namespace kvwave::kernels
