#include "replay/wave_comparison.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "replay/no_figure.h"

namespace kvwave::replay {
namespace {

using Units = std::span<const std::uint32_t>;
using Wave = std::vector<double>;

Wave mean_wave(const WaveSet& set, Units units) {
  Wave mean(set.traces.front().wave.demand.size(), 0.0);
  for (const std::uint32_t unit : units) {
    for (std::size_t l = 0; l < mean.size(); ++l) mean[l] += set.traces[unit].wave.demand[l];
  }
  return mean;  // a scale does not matter: waves are normalised
}

std::vector<std::uint32_t> all_of(const WaveSet& set) {
  std::vector<std::uint32_t> units(set.traces.size());
  std::iota(units.begin(), units.end(), 0U);
  return units;
}

// [n, m] distances between the traces of two sets, formed once for all resamples.
class PairTable {
 public:
  PairTable(const WaveSet& a, const WaveSet& b) : columns_(b.traces.size()) {
    for (const CalibratedTrace& one : a.traces) {
      for (const CalibratedTrace& other : b.traces) {
        values_.push_back(wave_distance(one.wave.demand, other.wave.demand));
      }
    }
  }

  // Over all pairs, or over pairs of different traces of one set.
  double mean(Units a, Units b, bool within) const {
    double sum = 0, n = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      for (std::size_t j = within ? i + 1 : 0; j < b.size(); ++j) {
        if (within && a[i] == b[j]) continue;
        sum += values_[a[i] * columns_ + b[j]];
        n += 1;
      }
    }
    return n > 0 ? sum / n : kNoFigure;
  }

 private:
  std::size_t columns_;
  std::vector<double> values_;
};

double share_of(const Wave& wave, std::size_t layer) {
  return wave[layer] / std::accumulate(wave.begin(), wave.end(), 0.0);
}

}  // namespace

std::vector<SetDistances> set_distances(std::span<const WaveSet> sets, const BootstrapOptions& options) {
  std::vector<SetDistances> found;
  for (std::size_t s = 0; s < sets.size(); ++s) {
    const PairTable pairs(sets[s], sets[s]);
    const std::vector<std::uint32_t> all = all_of(sets[s]);
    SetDistances within{s, s, true, {kNoFigure, {kNoFigure, kNoFigure}}, {pairs.mean(all, all, true), {}}};
    within.of_traces.interval = bootstrap(static_cast<std::uint32_t>(all.size()), 0, options,
                                          [&](Units units) { return pairs.mean(units, units, true); });
    found.push_back(within);
  }
  for (std::size_t a = 0; a < sets.size(); ++a) {
    for (std::size_t b = a + 1; b < sets.size(); ++b) {
      const PairTable pairs(sets[a], sets[b]);
      const std::vector<std::uint32_t> of_a = all_of(sets[a]), of_b = all_of(sets[b]);
      const auto n = static_cast<std::uint32_t>(of_a.size()), m = static_cast<std::uint32_t>(of_b.size());
      const auto means = [&](Units x, Units y) { return wave_distance(mean_wave(sets[a], x), mean_wave(sets[b], y)); };
      const auto traces = [&](Units x, Units y) { return pairs.mean(x, y, false); };
      SetDistances between{a,
                           b,
                           sets[a].traces.front().model_sha256 == sets[b].traces.front().model_sha256,
                           {means(of_a, of_b), bootstrap_two(n, m, options, means)},
                           {traces(of_a, of_b), bootstrap_two(n, m, options, traces)}};
      found.push_back(between);
    }
  }
  return found;
}

std::vector<LayerDifference> layer_differences(const WaveSet& a, const WaveSet& b, std::size_t n,
                                               const BootstrapOptions& options) {
  const std::size_t n_layers = a.traces.front().wave.demand.size();
  if (b.traces.front().wave.demand.size() != n_layers) return {};
  const Wave wave_a = mean_wave(a, all_of(a)), wave_b = mean_wave(b, all_of(b));
  std::vector<LayerDifference> layers;
  for (std::size_t l = 0; l < n_layers; ++l) layers.push_back({l, share_of(wave_a, l), share_of(wave_b, l), {}});
  std::stable_sort(layers.begin(), layers.end(), [](const LayerDifference& x, const LayerDifference& y) {
    return std::abs(x.share_a - x.share_b) > std::abs(y.share_a - y.share_b);
  });
  layers.resize(std::min(n, layers.size()));
  for (LayerDifference& layer : layers) {
    layer.interval =
        bootstrap_two(static_cast<std::uint32_t>(a.traces.size()), static_cast<std::uint32_t>(b.traces.size()), options,
                      [&](Units x, Units y) {
                        return share_of(mean_wave(a, x), layer.layer) - share_of(mean_wave(b, y), layer.layer);
                      });
  }
  return layers;
}

}  // namespace kvwave::replay
