// Replay on a GPU: one layer's queries, keys and values at a time are streamed from their source through pinned memory
// to the device while the layer before is worked on; statistics of refreshes, selections and the evaluation of rows run
// there. Every figure is defined by the headers it names; results are the same bits in every run on one device.
//
// Host-only: in a build without CUDA the constructor throws DeviceUnavailable.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace kvwave::kernels {

/// Sizes of one recorded sequence. head_dim is a multiple of 4 up to 256, the group (query heads per KV head) at
/// most 32.
struct ReplayShape {
  std::uint32_t n_layers = 0, n_q_heads = 0, n_kv_heads = 0, head_dim = 0;
  std::uint32_t n_positions = 0, n_prompt = 0;
};

enum class LayerTensor { q, k, v };

/// Fills `out` with positions [begin, end) of one tensor of one layer: [end - begin, heads, head_dim]. Called from a
/// thread of the device's own while the layer before is worked on, never twice at once. What it throws reaches the
/// caller of load().
using LayerSource = std::function<void(LayerTensor tensor, std::uint32_t layer, std::uint32_t begin, std::uint32_t end,
                                       std::span<float> out)>;

/// One cache, that of a KV head under one configuration, at a refresh.
struct CacheStatisticsRequest {
  std::uint32_t kv_head = 0;
  std::span<const std::uint32_t> slots;  ///< resident positions in slot order, the window last
  std::uint32_t n_candidates = 0;        ///< slots outside the window
  std::uint32_t first_query = 0;         ///< position of the oldest window query
  std::uint32_t n_queries = 0;           ///< consecutive positions; at least 1
  bool importance = false, redundancy = false;
  std::uint32_t pool_kernel = 7;
  float similarity_threshold = 0.5F;
  bool round_bf16 = false;
};

/// Of the candidates; what was not asked for stays empty. Definitions: rkv_importance.h, rkv_redundancy.h.
struct CacheStatistics {
  std::vector<float> importance, redundancy;
  std::vector<std::uint32_t> retained;  ///< of all residents, with redundancy
};

struct SelectionRequest {
  std::span<const float> score;  ///< finite
  std::uint32_t n_kept = 0;      ///< at most score.size()
};

/// What every column (a simulated configuration, or a ceiling) holds over time in the loaded layer.
struct EvaluationColumns {
  std::vector<const std::int32_t*> evicted_at;       ///< [n_simulations] -> [n_kv_heads, n_positions]
  std::vector<const std::uint32_t*> ceiling_counts;  ///< [n_ceilings] -> [n_kv_heads, n_steps] entries, at least 1
  bool error = true;                                 ///< attention-output error
  std::uint32_t recall_count = 0;                    ///< recall of each row's top-k; at most 32, 0 = none
  float needed_share = 0;                            ///< with recall: fills last_needed
};

/// Figures of query steps [begin, end). Row = (step - begin) * n_q_heads + q_head; n_columns = simulations + ceilings.
struct EvaluatedRows {
  std::uint32_t n_columns = 0;
  std::span<const float> mass;          ///< [rows, n_columns]
  std::span<const float> square_error;  ///< [rows, n_columns] |o_S - o|^2
  std::span<const std::uint32_t>
      n_recalled;                        ///< [rows, n_simulations] visible ones of the row's min(k, length) largest
  std::span<const float> square_output;  ///< [rows] |o|^2
};

class ReplayDevice {
 public:
  struct Options {
    bool prefetch = true;  ///< read the next layer while one is worked on; false: load() reads
  };

  /// Why the kernels cannot hold rows of this shape; empty when they can.
  static std::string why_refused(const ReplayShape& shape);

  /// `device`: index of a CUDA device. Throws DeviceUnavailable, DeviceOutOfMemory, and Error for sizes beyond the
  /// limits of ReplayShape.
  ReplayDevice(int device, const ReplayShape& shape, LayerSource source, const Options& options);
  ~ReplayDevice();
  ReplayDevice(ReplayDevice&&) noexcept;
  ReplayDevice& operator=(ReplayDevice&&) noexcept;

  /// Makes a layer current; ascending order lets the next one be read in the meantime.
  void load(std::uint32_t layer);

  /// All requests in a few kernels, whatever their sizes.
  std::vector<CacheStatistics> statistics(std::span<const CacheStatisticsRequest> requests);
  /// Slots of each request's largest scores, best first, ties to the lower slot.
  std::vector<std::vector<std::uint32_t>> select_top(std::span<const SelectionRequest> requests);

  /// future_mass[h][i] = what position i gets from query positions [first, end), mean over the group of h;
  /// [n_kv_heads, n_positions], 0 beyond the last row.
  std::vector<double> position_mass(std::uint32_t first, std::uint32_t end);

  /// Sets what evaluate() measures; `columns` must outlive the calls.
  void start_evaluation(const EvaluationColumns& columns);
  /// Decode steps [begin, end) of all query heads. Spans stay valid until the next call.
  EvaluatedRows evaluate(std::uint32_t begin, std::uint32_t end);
  /// [n_kv_heads, n_positions]: the latest evaluated step in which a row gave the position more than needed_share, -1
  /// for none.
  std::vector<std::int32_t> last_needed();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kvwave::kernels
