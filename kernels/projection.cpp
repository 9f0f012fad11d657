#include "kernels/projection.h"

#include <algorithm>
#include <cassert>
#include <cstdint>

#include "kernels/simd_kernels.h"
#include "kernels/transformer_ops.h"

namespace kvwave::kernels {

namespace {

struct RowRange {
  std::uint32_t first, count;
};

// Cuts the rows of a matrix into tasks that are long beside the cost of taking one and of the first rows, which nobody
// asked for ahead of time, and short enough to share evenly.
class RowTasks {
 public:
  RowTasks(const ParamMatrix& w, std::size_t n_positions, unsigned n_threads) : n_rows_(w.rows), rows_(kMatmulRows) {
    if (n_positions > 1) return;
    constexpr std::size_t kLeastBytes = 24 * 1024, kMostBytes = 192 * 1024, kTasksEach = 4;
    constexpr std::size_t kStep = 8;  // whole groups of rows that the kernels take at once
    const std::size_t bytes = std::clamp(w.bytes() / (kTasksEach * n_threads), kLeastBytes, kMostBytes);
    const std::size_t rows = bytes / std::max<std::size_t>(1, w.row_stride()) / kStep * kStep;
    rows_ = static_cast<std::uint32_t>(std::clamp<std::size_t>(rows, kStep, 4096));
  }
  std::size_t count() const { return (std::size_t{n_rows_} + rows_ - 1) / rows_; }
  RowRange range(std::size_t task) const {
    const auto first = static_cast<std::uint32_t>(task * rows_);
    return {first, std::min(rows_, n_rows_ - first)};
  }

 private:
  std::uint32_t n_rows_, rows_;
};

// out points at the first row of the range.
void multiply(const ParamMatrix& w, const ActivationTiles& x, RowRange range, float* out, std::size_t out_stride,
              AlignedVector<float>& sums) {
  if (x.source().n_positions == 1) {
    gemv(w, {x.source().data, w.cols}, range.first, {out, range.count});
  } else {
    matmul(w, x, range.first, range.count, out, out_stride, sums);
  }
}

}  // namespace

Projector::Projector(ThreadPool& pool) : pool_(pool), scratch_(pool.size()) {}

void Projector::pack(const Activations& x, std::size_t cols) {
  tiles_.begin(x, cols);
  if (x.n_positions == 1) return;  // gemv reads them as they are
  pool_.parallel_for(tiles_.count(), [&](std::size_t tile, unsigned) { tiles_.fill(tile); });
}

void Projector::project(std::span<const Projection> projections, const Activations& x) {
  pack(x, projections.front().w->cols);
  const auto tasks_of = [&](const Projection& each) { return RowTasks(*each.w, x.n_positions, pool_.size()); };
  std::size_t n_tasks = 0;
  for (const Projection& each : projections) n_tasks += tasks_of(each).count();
  pool_.parallel_for(n_tasks, [&](std::size_t task, unsigned worker) {
    const Projection* each = projections.data();
    for (;; ++each) {
      const std::size_t count = tasks_of(*each).count();
      if (task < count) break;
      task -= count;
    }
    const RowRange range = tasks_of(*each).range(task);
    float* out = each->out + range.first;
    multiply(*each->w, tiles_, range, out, each->out_stride, scratch_[worker].sums);
    if (each->bias.empty()) return;
    for (std::size_t p = 0; p < x.n_positions; ++p) {
      add({out + p * each->out_stride, range.count}, each->bias.subspan(range.first, range.count));
    }
  });
}

void Projector::project_swiglu(const ParamMatrix& gate, const ParamMatrix& up, const Activations& x, float* out,
                               std::size_t out_stride) {
  assert(gate.rows == up.rows && gate.cols == up.cols);
  pack(x, gate.cols);
  const RowTasks tasks(gate, x.n_positions, pool_.size());
  pool_.parallel_for(tasks.count(), [&](std::size_t task, unsigned worker) {
    const RowRange range = tasks.range(task);
    Scratch& scratch = scratch_[worker];
    scratch.up.resize(x.n_positions * range.count);
    multiply(gate, tiles_, range, out + range.first, out_stride, scratch.sums);
    multiply(up, tiles_, range, scratch.up.data(), range.count, scratch.sums);
    for (std::size_t p = 0; p < x.n_positions; ++p) {
      swiglu({out + p * out_stride + range.first, range.count}, {scratch.up.data() + p * range.count, range.count});
    }
  });
}

}  // namespace kvwave::kernels
