#include "viewer/model/results_cache.h"

#include <utility>

#include <fmt/format.h>

#include "viewer/model/trace_source.h"

namespace kvwave::viewer {
namespace {

template <class Map, class Read>
auto find_or_read(Map& map, const std::string& key, const Read& read) {
  const auto found = map.find(key);
  if (found != map.end()) return found->second;
  auto array = read();
  typename Map::mapped_type shared = std::make_shared<const decltype(array)>(std::move(array));
  map.emplace(key, shared);
  return shared;
}

}  // namespace

ResultsCache::ResultsCache(const std::filesystem::path& path)
    : reader_(path), id_(next_id()), headline_metrics_(reader_.metrics()) {
  for (const char* extra : {"retained_mass_worst_decile", "needed_after_eviction"}) {
    if (!reader_.traces().empty() && !reader_.figure(0, extra).empty()) headline_metrics_.emplace_back(extra);
  }
}

std::vector<float> ResultsCache::resident_peak(std::uint32_t trace, std::uint32_t configuration) {
  const std::lock_guard lock(mutex_);
  return reader_.resident_peak(trace, configuration);
}

bool ResultsCache::has_binned(const std::string& metric) {
  const std::lock_guard lock(mutex_);
  return reader_.has_binned(metric);
}

std::shared_ptr<const std::vector<double>> ResultsCache::figure(std::uint32_t trace, const std::string& name) {
  const std::lock_guard lock(mutex_);
  return find_or_read(figures_, fmt::format("{}/{}", trace, name), [&] { return reader_.figure(trace, name); });
}

ResultsCache::Floats ResultsCache::binned(std::uint32_t trace, const std::string& metric) {
  const std::lock_guard lock(mutex_);
  return find_or_read(floats_, fmt::format("{}/{}/binned", trace, metric),
                      [&] { return reader_.binned(trace, metric); });
}

ResultsCache::Floats ResultsCache::per_step(std::uint32_t trace, const std::string& metric) {
  const std::lock_guard lock(mutex_);
  return find_or_read(floats_, fmt::format("{}/{}/step", trace, metric),
                      [&] { return reader_.per_step(trace, metric); });
}

ResultsCache::Floats ResultsCache::per_head(std::uint32_t trace, const std::string& metric) {
  const std::lock_guard lock(mutex_);
  return find_or_read(floats_, fmt::format("{}/{}/head", trace, metric),
                      [&] { return reader_.per_head(trace, metric); });
}

ResultsCache::Floats ResultsCache::resident(std::uint32_t trace, std::uint32_t configuration) {
  const std::lock_guard lock(mutex_);
  return find_or_read(floats_, fmt::format("{}/{}/resident", trace, configuration),
                      [&] { return reader_.resident(trace, configuration); });
}

ResultsCache::Ints ResultsCache::evicted_at(std::uint32_t trace, std::uint32_t configuration) {
  const std::lock_guard lock(mutex_);
  if (evicted_.size() >= kMostEvictionMaps) evicted_.clear();
  return find_or_read(evicted_, fmt::format("{}/{}", trace, configuration),
                      [&] { return reader_.evicted_at(trace, configuration); });
}

std::shared_ptr<const replay::StoredBudgets> ResultsCache::budgets(std::uint32_t trace, std::uint32_t configuration) {
  const std::lock_guard lock(mutex_);
  return find_or_read(budgets_, fmt::format("{}/{}", trace, configuration),
                      [&] { return reader_.budgets(trace, configuration); });
}

int ResultsCache::find(const std::string& name, std::uint32_t n_prompt, std::uint32_t n_steps) const {
  int same_size = -1;
  for (std::size_t t = 0; t < reader_.traces().size(); ++t) {
    const replay::ResultsTrace& trace = reader_.traces()[t];
    if (trace.n_prompt != n_prompt || trace.n_steps != n_steps) continue;
    if (trace.name == name) return static_cast<int>(t);
    if (same_size < 0) same_size = static_cast<int>(t);
  }
  return same_size;
}

}  // namespace kvwave::viewer
