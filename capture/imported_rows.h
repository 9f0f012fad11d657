// Shows a recorder the rows and vectors of a foreign recording, block by block, as a decoder would.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "capture/attention_arrays.h"
#include "capture/attention_tap.h"
#include "capture/recording_facts.h"
#include "capture/vector_tensors.h"
#include "kernels/decode_attention.h"
#include "kernels/thread_pool.h"
#include "traces/schema.h"

namespace kvwave::capture {

class ImportedRows {
 public:
  /// At least one of `given` and `vectors`; all must outlive the object.
  ImportedRows(const RecordingFacts& facts, const traces::TraceInfo& info, AttentionArrays* given,
               const VectorTensors* vectors, kernels::ThreadPool& pool);

  /// Positions [first, first + count), in order. Throws RowsDisagree for the first row (by layer, then position, then
  /// q_head) of which a given entry differs from the recomputed one by more than row_agreement_bound().
  void feed(std::uint32_t first, std::uint32_t count, AttentionTap& tap);

  /// The largest difference of any two entries so far, where rows were both given and recomputed.
  std::optional<double> disagreement() const { return disagreement_; }

 private:
  struct Difference {
    double size = 0;
    std::uint32_t at = 0;
    float given = 0, recomputed = 0;
  };
  void feed_vectors(std::uint32_t layer, std::uint32_t first, std::uint32_t count, AttentionTap& tap);
  void recompute(std::uint32_t layer, std::uint32_t first, std::uint32_t count, AttentionTap& tap);
  void pass_on(std::uint32_t layer, std::uint32_t first, std::uint32_t count, AttentionTap& tap);
  Difference difference(std::uint32_t layer, std::uint32_t q_head, std::span<const float> recomputed,
                        std::vector<float>& scratch) const;
  void check(std::uint32_t layer, std::uint32_t first, std::span<const Difference> differences);

  const RecordingFacts& facts_;
  traces::ModelShape shape_;
  AttentionArrays* given_;
  const VectorTensors* vectors_;
  kernels::ThreadPool& pool_;
  std::optional<kernels::KvCache> cache_;
  std::vector<std::byte> q_, k_, v_;                        // of one position
  std::vector<float> queries_;                              // [position in block, Hq, d]
  std::vector<std::vector<float>> rows_, given_row_, out_;  // [worker]
  std::optional<double> disagreement_;
};

}  // namespace kvwave::capture
