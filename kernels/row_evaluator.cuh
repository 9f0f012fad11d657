// Evaluation of the loaded layer's rows, 64 configurations at a time: cuts rows into spans over which nothing is
// dropped, keeps what the configurations hold on the device, and runs the kernels of row_evaluation.cuh.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/growing_buffer.cuh"
#include "kernels/layer_stream.cuh"
#include "kernels/replay_device.h"
#include "kernels/row_evaluation.cuh"

namespace kvwave::kernels {

class RowEvaluator {
 public:
  explicit RowEvaluator(const ReplayShape& shape) : shape_(shape) {}

  void start(const EvaluationColumns& columns, cudaStream_t stream);
  EvaluatedRows evaluate(const DeviceLayer& layer, std::uint32_t begin, std::uint32_t end, cudaStream_t stream);
  std::vector<std::int32_t> last_needed(cudaStream_t stream);
  std::vector<double> position_mass(const DeviceLayer& layer, std::uint32_t first, std::uint32_t end,
                                    cudaStream_t stream);

 private:
  // Up to 64 simulations and where their visibility changes.
  struct Group {
    std::uint32_t first_column = 0, n_columns = 0;
    std::vector<bool> changes;  // [n_kv_heads, n_steps]: something is dropped at that step
  };
  // Rows of query positions [first, end): their geometry, and room for their normalisers.
  EvaluationRows geometry(const DeviceLayer& layer, std::uint32_t first, std::uint32_t end);
  // Cuts the rows into spans, also where `changes` (of a group; null = nowhere) says that something is dropped.
  void cut_spans(const std::vector<bool>* changes, std::uint32_t first, std::uint32_t end, EvaluationRows& rows,
                 cudaStream_t stream);
  RowRanks rank(const EvaluationRows& rows, const std::vector<std::uint32_t>& count, cudaStream_t stream);
  void evaluate_group(EvaluationRows rows, const Group& group, const RowRanks& recall, cudaStream_t stream);
  void evaluate_ceilings(const EvaluationRows& rows, cudaStream_t stream);
  // Columns first_column .. of the answer from figures [n_rows, n] that have arrived.
  template <class T>
  void place(std::span<const T> figures, std::uint32_t first_column, std::uint32_t n, std::uint32_t n_columns,
             std::vector<T>& to);
  std::uint32_t n_columns() const;

  static constexpr MemoryUse kUse{"the evaluation of rows", "compare fewer configurations or use --device cpu"};
  ReplayShape shape_;
  const EvaluationColumns* columns_ = nullptr;
  std::vector<Group> groups_;
  std::vector<RowSpan> spans_;
  GrowingBuffer<std::int32_t> evicted_at_{kUse}, last_needed_{kUse};
  GrowingBuffer<RowSpan> span_{kUse};
  GrowingBuffer<float> row_max_{kUse}, row_share_{kUse}, output_{kUse}, output_square_{kUse}, mass_{kUse}, error_{kUse},
      rank_value_{kUse};
  GrowingBuffer<std::uint32_t> rank_count_{kUse}, rank_greater_{kUse}, recalled_{kUse};
  GrowingBuffer<double> position_mass_{kUse};
  // Figures on their way from the device.
  GrowingPinned<float> mass_taken_, error_taken_, square_taken_;
  GrowingPinned<std::uint32_t> recalled_taken_;
  GrowingPinned<double> position_mass_taken_;
  std::vector<float> mass_out_, error_out_;
  std::vector<std::uint32_t> recalled_out_;
};

}  // namespace kvwave::kernels
