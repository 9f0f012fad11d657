#include "tests/bench/row_bandwidth.h"

#include <algorithm>
#include <random>
#include <span>
#include <time.h>
#include <vector>

#include "replay/tile_evaluator.h"

namespace kvwave::bench {

namespace {

using replay::ProbabilityTile;

constexpr std::uint32_t kGroup = 3, kHeadDim = 64, kTileRows = 16, kBudget = 256, kRefresh = 128;
constexpr double kGigabytes = 0.5;

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Sixty-four sums keep the additions off the critical path.
float sum_of(std::span<const float> values) {
  float sum[64] = {};
  for (std::size_t i = 0; i + 64 <= values.size(); i += 64) {
    for (std::size_t lane = 0; lane < 64; ++lane) sum[lane] += values[i + lane];
  }
  float total = 0;
  for (const float part : sum) total += part;
  return total;
}

// What a cache of kBudget entries that is cut every kRefresh steps keeps: a random subset and the newest.
std::vector<std::int32_t> evictions(std::uint32_t n_prompt, std::uint32_t n_steps, std::mt19937& random) {
  std::vector<std::int32_t> evicted_at(n_prompt + n_steps, replay::kNever);
  std::vector<std::uint32_t> held;
  for (std::uint32_t i = 0; i < evicted_at.size(); ++i) {
    held.push_back(i);
    if (i < n_prompt || i % kRefresh != 0 || held.size() <= kBudget) continue;
    std::shuffle(held.begin(), held.end() - 8, random);
    const auto first = held.end() - kBudget;
    for (auto gone = held.begin(); gone != first; ++gone) {
      evicted_at[*gone] = static_cast<std::int32_t>(i + 1 - n_prompt);
    }
    held.erase(held.begin(), first);
  }
  return evicted_at;
}

}  // namespace

double read_bytes_per_second(std::uint32_t repeats) {
  const std::vector<float> values(static_cast<std::size_t>(kGigabytes * 1e9 / sizeof(float)), 1.0F);
  volatile float keep = 0;
  double best = 0;
  for (std::uint32_t repeat = 0; repeat < repeats; ++repeat) {
    const double start = thread_seconds();
    keep = keep + sum_of(values);
    best = std::max(best, sizeof(float) * static_cast<double>(values.size()) / (thread_seconds() - start));
  }
  return best;
}

RowBandwidth measure_row_bandwidth(std::uint32_t n_prompt, std::uint32_t repeats) {
  std::vector<ProbabilityTile> tiles;
  RowBandwidth measured;
  std::uint32_t state = 1;
  while (measured.gigabytes < kGigabytes) {
    const auto first = n_prompt + static_cast<std::uint32_t>(tiles.size()) * kTileRows;
    ProbabilityTile& tile = tiles.emplace_back();
    replay::shape_tile(first, kTileRows, kGroup, kHeadDim, tile);
    const float share = 0x1p-24F / static_cast<float>(tile.shape.n_positions);
    for (float& p : tile.prob) {
      state = state * 1664525U + 1013904223U;
      p = static_cast<float>(state >> 8) * share;
    }
    measured.gigabytes += 4e-9 * static_cast<double>(tile.prob.size());
  }
  const auto n_steps = static_cast<std::uint32_t>(tiles.size()) * kTileRows;
  const replay::Sequence sequence{1, kGroup, 1, kHeadDim, n_prompt + n_steps, n_prompt};
  std::mt19937 random(1);
  const std::vector<std::int32_t> evicted_at = evictions(n_prompt, n_steps, random);
  replay::CacheResidency column;
  column.evicted_at = evicted_at.data();
  replay::HeadResidency residency;
  residency.n_simulations = 1;
  residency.blocks.push_back({replay::VisibilityTimeline(std::span(&column, 1), sequence.n_positions, n_steps),
                              {0},
                              replay::ColumnBlock::kAllHeads});
  const replay::Metrics metrics{.mass = true, .error = false, .recall = false};
  replay::TileEvaluator evaluator(sequence, metrics);
  replay::LayerScores scores;
  scores.reset(sequence, metrics, 1, 0, n_steps);
  std::vector<replay::NeededEvent> needed;
  volatile float keep = 0;
  for (std::uint32_t repeat = 0; repeat < repeats; ++repeat) {
    double start = thread_seconds();
    for (const ProbabilityTile& tile : tiles) keep = keep + sum_of(tile.prob);
    measured.read_gb_per_second =
        std::max(measured.read_gb_per_second, measured.gigabytes / (thread_seconds() - start));
    start = thread_seconds();
    evaluator.start(residency, 0, 0);
    for (const ProbabilityTile& tile : tiles) evaluator.evaluate(tile, nullptr, scores, needed);
    measured.replay_gb_per_second =
        std::max(measured.replay_gb_per_second, measured.gigabytes / (thread_seconds() - start));
  }
  return measured;
}

}  // namespace kvwave::bench
