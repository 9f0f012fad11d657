// Reads results.h5 as RESULTS.md specifies it; objects it does not know are left alone. Nothing is trusted: every shape
// is checked against the root attributes before it is used. Arrays are read when asked for. Safe to use from several
// threads.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvwave::replay {

inline constexpr std::int32_t kNeverEvicted = 2147483647;

/// Where a configuration is not compared at equal memory: more than 1 % from another's.
struct UnequalMemory {
  bool mean = false, peak = false;
  std::string to;  ///< those it differs from, `; ` between them; empty where it is equal
};

struct ResultsConfiguration {
  std::string strategy, full_text;
  std::string kind;  ///< "destructive", "selection" or "offload"
  std::uint32_t budget = 0;
  bool control = false;
  std::uint32_t baseline = 0;  ///< index of the configuration whose memory it is compared with
  std::optional<UnequalMemory> unequal;  ///< absent in files whose program did not tell
};

struct ResultsTrace {
  std::string name;  ///< file name when it was replayed
  std::string content_sha256;
  std::uint32_t n_prompt = 0, n_steps = 0;
  std::uint32_t bin_steps = 1, n_bins = 0;
  double repeated_8grams = 0;
  std::string rows;  ///< "recomputed" or "stored"
};

struct ResultsInfo {
  std::string program_version, program_commit, model_name, model_sha256, device, notice;
  std::uint32_t n_layers = 0, n_q_heads = 0, n_kv_heads = 0, head_dim = 0;
};

/// Budgets in force: budget[f] after decode step step[f] (-1 = after the prompt), until the next.
struct StoredBudgets {
  std::vector<std::int32_t> step;    ///< [F]
  std::vector<std::int32_t> budget;  ///< [F, L, Hkv]
};

class ResultsReader {
 public:
  /// Throws BadResults (no results file, newer version, sizes that contradict each other), traces::Error (unreadable).
  explicit ResultsReader(const std::filesystem::path& path);
  ~ResultsReader();
  ResultsReader(ResultsReader&&) noexcept;

  const std::filesystem::path& path() const;
  const ResultsInfo& info() const;
  const std::vector<ResultsConfiguration>& configurations() const;  ///< at least one
  const std::vector<ResultsTrace>& traces() const;                  ///< at least one

  /// Metrics of a trace that have per_step and per_head, in ascending order of name.
  const std::vector<std::string>& metrics() const;
  bool has_binned(std::string_view metric) const;

  // trace < traces().size(), configuration < configurations().size(). Throw BadResults when a shape is wrong.
  std::vector<float> per_step(std::uint32_t trace, std::string_view metric) const;  ///< [C, n_steps]
  std::vector<float> per_head(std::uint32_t trace, std::string_view metric) const;  ///< [C, L, Hq]
  std::vector<float> binned(std::uint32_t trace, std::string_view metric) const;    ///< [C, bins, L, Hq]
  /// [L, Hkv, n_prompt + n_steps]; empty for a configuration that frees nothing. Where query heads have caches of their
  /// own, a KV head holds what one of them holds, and its budget is their mean.
  std::vector<std::int32_t> evicted_at(std::uint32_t trace, std::uint32_t configuration) const;
  StoredBudgets budgets(std::uint32_t trace, std::uint32_t configuration) const;             ///< empty likewise
  std::vector<float> resident(std::uint32_t trace, std::uint32_t configuration) const;       ///< [bins, L, Hkv]
  std::vector<float> resident_peak(std::uint32_t trace, std::uint32_t configuration) const;  ///< [bins, L, Hkv]

  /// A headline figure of every configuration on one trace, e.g. "realised_mean" [C]; empty when the file has none.
  std::vector<double> figure(std::uint32_t trace, std::string_view name) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kvwave::replay
