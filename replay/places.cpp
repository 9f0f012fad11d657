#include "replay/places.h"

#include <cmath>

namespace kvwave::replay {

namespace {

constexpr double kLeastScale = 1e-9;

struct Scale {
  const ConfigurationSummary* random = nullptr;
  const ConfigurationSummary* oracle = nullptr;
  const ConfigurationSummary* ceiling = nullptr;
};

Scale scale_of(const Sweep& sweep, std::uint32_t budget, std::span<const ConfigurationSummary> summaries) {
  Scale scale;
  for (std::size_t c = 0; c < sweep.configurations.size(); ++c) {
    if (sweep.configurations[c].budget != budget) continue;
    switch (sweep.configurations[c].role) {
      case ConfigurationRole::random:
        scale.random = &summaries[c];
        break;
      case ConfigurationRole::oracle:
        scale.oracle = &summaries[c];
        break;
      case ConfigurationRole::ceiling:
        scale.ceiling = &summaries[c];
        break;
      case ConfigurationRole::random_score:
      case ConfigurationRole::unprotected:
      case ConfigurationRole::none:
        break;
    }
  }
  return scale;
}

// `of` picks the same part (configuration, layer or KV head) of a summary.
template <class Of>
void set_place(const Scale& scale, const Of& of, Figures& figures) {
  if (scale.random == nullptr) return;
  const double low = of(*scale.random).retained_mass, mass = figures.retained_mass;
  if (scale.oracle != nullptr) figures.place_oracle = place_between(mass, low, of(*scale.oracle).retained_mass);
  if (scale.ceiling != nullptr) figures.place_ceiling = place_between(mass, low, of(*scale.ceiling).retained_mass);
}

// Calls set(figures, part of `first`, part of `second`) for the configuration, its layers and its KV heads.
template <class Set>
void for_each_part(ConfigurationSummary& summary, const ConfigurationSummary& first, const ConfigurationSummary& second,
                   const Set& set) {
  set(summary.total, first.total, second.total);
  for (std::size_t l = 0; l < summary.layers.size(); ++l) set(summary.layers[l], first.layers[l], second.layers[l]);
  for (std::size_t h = 0; h < summary.kv_heads.size(); ++h) {
    set(summary.kv_heads[h], first.kv_heads[h], second.kv_heads[h]);
  }
}

void set_protection_shares(const Sweep& sweep, std::span<ConfigurationSummary> summaries) {
  for (std::size_t a = 0; a < summaries.size(); ++a) {
    if (sweep.configurations[a].role != ConfigurationRole::random_score) continue;
    for (std::size_t b = 0; b < summaries.size(); ++b) {
      const Configuration& other = sweep.configurations[b];
      if (other.role != ConfigurationRole::unprotected || other.explains != sweep.configurations[a].explains) continue;
      for_each_part(summaries[other.explains], summaries[a], summaries[b],
                    [](Figures& figures, const Figures& chance, const Figures& bare) {
                      figures.protection_share =
                          place_between(chance.retained_mass, bare.retained_mass, figures.retained_mass);
                    });
    }
  }
}

}  // namespace

double place_between(double value, double low, double high) {
  return high - low >= kLeastScale ? (value - low) / (high - low) : kNoFigure;
}

void set_places(const Sweep& sweep, std::span<ConfigurationSummary> summaries) {
  for (std::size_t c = 0; c < summaries.size(); ++c) {
    ConfigurationSummary& summary = summaries[c];
    const Scale scale = scale_of(sweep, sweep.configurations[c].budget, summaries);
    set_place(
        scale, [](const ConfigurationSummary& s) -> const Figures& { return s.total; }, summary.total);
    for (std::size_t l = 0; l < summary.layers.size(); ++l) {
      set_place(
          scale, [l](const ConfigurationSummary& s) -> const Figures& { return s.layers[l]; }, summary.layers[l]);
    }
    for (std::size_t h = 0; h < summary.kv_heads.size(); ++h) {
      set_place(
          scale, [h](const ConfigurationSummary& s) -> const Figures& { return s.kv_heads[h]; }, summary.kv_heads[h]);
    }
  }
  set_protection_shares(sweep, summaries);
}

}  // namespace kvwave::replay
