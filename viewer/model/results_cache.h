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
  explicit ResultsCache(const std::filesystem::path& path) : reader_(path) {}

  const replay::ResultsReader& reader() const { return reader_; }

  Floats binned(std::uint32_t trace, const std::string& metric);
  Floats per_step(std::uint32_t trace, const std::string& metric);
  Floats per_head(std::uint32_t trace, const std::string& metric);
  Floats resident(std::uint32_t trace, std::uint32_t configuration);
  Ints evicted_at(std::uint32_t trace, std::uint32_t configuration);
  std::shared_ptr<const replay::StoredBudgets> budgets(std::uint32_t trace, std::uint32_t configuration);

  /// Index of the results' trace that is this one: same name, else same sizes; -1 when there is none.
  int find(const std::string& name, std::uint32_t n_prompt, std::uint32_t n_steps) const;

 private:
  static constexpr std::size_t kMostEvictionMaps = 8;  ///< a sweep may have hundreds

  replay::ResultsReader reader_;
  std::mutex mutex_;
  std::map<std::string, Floats> floats_;
  std::map<std::string, Ints> evicted_;
  std::map<std::string, std::shared_ptr<const replay::StoredBudgets>> budgets_;
};

}  // namespace kvwave::viewer
