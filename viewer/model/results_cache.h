// Arrays of results.h5 that several figures share, read once. Safe to use from several threads.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "replay/results_reader.h"

namespace kvwave::viewer {

class ResultsCache {
 public:
  using Floats = std::shared_ptr<const std::vector<float>>;
  using Ints = std::shared_ptr<const std::vector<std::int32_t>>;

  /// Throws what ResultsReader throws.
  explicit ResultsCache(const std::filesystem::path& path);

  /// For what it knows without the file: info(), configurations(), traces(), metrics(). Its arrays come from below.
  const replay::ResultsReader& reader() const { return reader_; }
  std::uint64_t id() const { return id_; }  ///< as TraceSource::id()
  /// metrics(), and after them the headline figures that only comparisons over budgets can show.
  const std::vector<std::string>& headline_metrics() const { return headline_metrics_; }

  Floats binned(std::uint32_t trace, const std::string& metric);
  Floats per_step(std::uint32_t trace, const std::string& metric);
  Floats per_head(std::uint32_t trace, const std::string& metric);
  Floats resident(std::uint32_t trace, std::uint32_t configuration);
  std::vector<float> resident_peak(std::uint32_t trace, std::uint32_t configuration);
  bool has_binned(const std::string& metric);
  /// A headline figure [C]; empty when the file has none.
  std::shared_ptr<const std::vector<double>> figure(std::uint32_t trace, const std::string& name);
  Ints evicted_at(std::uint32_t trace, std::uint32_t configuration);
  std::shared_ptr<const replay::StoredBudgets> budgets(std::uint32_t trace, std::uint32_t configuration);

  /// Index of the results' trace that is this one: same name, else same sizes; -1 when there is none.
  int find(const std::string& name, std::uint32_t n_prompt, std::uint32_t n_steps) const;

 private:
  static constexpr std::size_t kMostEvictionMaps = 8;  ///< a sweep may have hundreds

  replay::ResultsReader reader_;
  std::uint64_t id_;
  std::vector<std::string> headline_metrics_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const std::vector<double>>> figures_;
  std::map<std::string, Floats> floats_;
  std::map<std::string, Ints> evicted_;
  std::map<std::string, std::shared_ptr<const replay::StoredBudgets>> budgets_;
};

}  // namespace kvwave::viewer
