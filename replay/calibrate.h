// From traces to the Reasoning Wave: mean demand N(rho) per layer. Method of the ReasonAlloc paper as far as it is
// known (arXiv 2606.11164, section 4.1: N(rho) of the full softmax row); which rows and heads are averaged how is ours:
// decode rows only, equal weight for every query head (unless told otherwise: WaveReading) and step of a trace, then
// equal weight for every trace.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "replay/profile.h"
#include "replay/wave_reading.h"
#include "traces/reader.h"

namespace kvwave::replay {

inline constexpr double kDefaultRhoOfWave = 0.93;  ///< the paper's value

/// Index of `rho` in the trace's grid. Throws NothingToCompute naming the grid when it is not there.
std::size_t rho_index(const traces::TraceReader& trace, double rho);

bool holds_rho(const traces::TraceReader& trace, double rho);

/// One trace's wave.
struct TraceWave {
  std::vector<double> demand;  ///< [L] mean over decode steps of N(rho) averaged over query heads, entries
  std::uint32_t n_rows = 0;    ///< decode steps averaged
};

/// Needs level stats (qkv for generated positions, with any rho in (0, 1]). Throws MissingLevel, CorruptTrace, or
/// NothingToCompute (no decode step, rho not in the grid).
TraceWave trace_wave(const traces::TraceReader& trace, double rho, const WaveReading& reading = {});

/// A wave with the trace it came from.
struct CalibratedTrace {
  std::string path, model_name, model_sha256, content_sha256;
  TraceWave wave;
};

CalibratedTrace calibrated_trace(const traces::TraceReader& trace, double rho, const WaveReading& reading = {});

/// The profile of waves at `rho`, at least one. Throws UnequalTraces when two are of different models or layer counts.
Profile make_profile(std::span<const CalibratedTrace> traces, double rho);

/// The profile of all `traces`, at least one. Throws as trace_wave(), and UnequalTraces when two traces are of
/// different models or layer counts.
Profile calibrate(std::span<const traces::TraceReader* const> traces, double rho, const WaveReading& reading = {});

/// How far two waves' shapes are apart: Wasserstein-1 distance between the curves normalised to sum 1 and laid over
/// depth l / (L - 1) in [0, 1] (one layer: depth 0). Waves of models with different L compare. Both must hold a
/// positive sum of finite, non-negative demands.
double wave_distance(std::span<const double> wave, std::span<const double> other);

}  // namespace kvwave::replay
