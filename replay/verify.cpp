#include "replay/verify.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>

#include <fmt/format.h>

#include "kernels/thread_pool.h"
#include "replay/exact_rows.h"
#include "replay/row_checks.h"
#include "traces/error.h"
#include "traces/sha256.h"

namespace kvwave::replay {
namespace {

constexpr double kMultiplications = 4e10;                     // default cost: some ten seconds on two cores
constexpr std::size_t kBatchBytes = std::size_t{192} << 20U;  // of stored rows held at once
constexpr std::size_t kLargestBatch = 64;

// Levels as row checks see them.
struct Present {
  bool stats, attention, qkv;
};

// The stored statistics of one row, all layers and q_heads.
struct StatsOfRow {
  std::vector<std::uint32_t> demand;
  std::vector<float> layer_demand, entropy, sink_mass, recent_mass, max_prob;

  void read(const traces::TraceReader& trace, std::uint32_t position) {
    const traces::ModelShape& s = trace.shape();
    const std::size_t heads = std::size_t{s.n_layers} * s.n_q_heads, n_rho = trace.info().rho.size();
    demand.resize(heads * n_rho);
    layer_demand.resize(s.n_layers * n_rho);
    for (std::vector<float>* values : {&entropy, &sink_mass, &recent_mass, &max_prob}) values->resize(heads);
    trace.demand(position, position + 1, demand);
    trace.layer_demand(position, position + 1, layer_demand);
    trace.row_scalar(traces::RowScalar::entropy, position, position + 1, entropy);
    trace.row_scalar(traces::RowScalar::sink_mass, position, position + 1, sink_mass);
    trace.row_scalar(traces::RowScalar::recent_mass, position, position + 1, recent_mass);
    trace.row_scalar(traces::RowScalar::max_prob, position, position + 1, max_prob);
  }

  StoredStats at(std::size_t head, std::size_t n_rho) const {
    return {std::span(demand).subspan(head * n_rho, n_rho), entropy[head], sink_mass[head], recent_mass[head],
            max_prob[head]};
  }
};

// One row with what the trace stores of it.
struct LoadedRow {
  std::uint32_t position = 0;
  traces::AttentionRows attention;
  StatsOfRow stats;
};

class RowVerifier {
 public:
  RowVerifier(const traces::TraceReader& trace, Present present, unsigned n_threads)
      : trace_(trace), present_(present), pool_(n_threads), workers_(pool_.size()) {}

  void check(std::span<const std::uint32_t> positions) {
    std::vector<LoadedRow> rows(positions.size());
    for (std::size_t r = 0; r < rows.size(); ++r) {
      rows[r].position = positions[r];
      if (present_.attention) trace_.attention(positions[r], rows[r].attention);
      if (present_.stats) rows[r].stats.read(trace_, positions[r]);
      if (present_.stats) check_layer_demand(rows[r]);
    }
    for (std::uint32_t layer = 0; layer < trace_.shape().n_layers; ++layer) check_layer(layer, rows);
  }

  RowTallies row_tallies() const {
    RowTallies all;
    for (const Worker& worker : workers_) all.merge(worker.tallies);
    return all;
  }
  const Tally& layer_demand_tally() const { return layer_demand_; }

 private:
  struct Worker {
    RowTallies tallies;
    std::vector<double> prob, scratch;
  };

  void check_layer(std::uint32_t layer, std::span<const LoadedRow> rows) {
    const traces::ModelShape& s = trace_.shape();
    const std::size_t q_row = std::size_t{s.n_q_heads} * s.head_dim;
    std::vector<float> query;
    std::optional<LayerKeys> keys;
    if (present_.qkv) {
      keys.emplace(trace_, layer, rows.back().position + 1);
      query.resize(rows.size() * q_row);
      for (std::size_t r = 0; r < rows.size(); ++r) {
        trace_.q(layer, rows[r].position, rows[r].position + 1, std::span(query).subspan(r * q_row, q_row));
      }
    }
    pool_.parallel_for(rows.size() * s.n_q_heads, [&](std::size_t index, unsigned worker) {
      const LoadedRow& row = rows[index / s.n_q_heads];
      const auto q_head = static_cast<std::uint32_t>(index % s.n_q_heads);
      check_row(row, {row.position, layer, q_head}, keys ? &*keys : nullptr,
                keys ? std::span<const float>(query).subspan(index * s.head_dim, s.head_dim) : std::span<const float>(),
                workers_[worker]);
    });
  }

  void check_row(const LoadedRow& row, Place place, const LayerKeys* keys, std::span<const float> query,
                 Worker& worker) const {
    const traces::TraceInfo& info = trace_.info();
    const std::size_t head = std::size_t{place.layer} * info.shape.n_q_heads + place.q_head;
    traces::AttentionRow stored;
    StoredStats stats;
    if (present_.attention) {
      stored = row.attention.row(place.layer, place.q_head);
      check_residual(stored, place, worker.tallies);
    }
    if (present_.stats) stats = row.stats.at(head, info.rho.size());
    if (keys != nullptr) {
      worker.prob.resize(place.position + 1);
      const double tolerance = keys->row(query, place.q_head / info.shape.group(), worker.prob);
      const ExactRow exact{worker.prob, tolerance};
      if (present_.attention) check_attention(info, exact, stored, place, worker.tallies);
      if (present_.stats) check_stats(info, exact, stats, place, worker.scratch, worker.tallies);
    }
    if (present_.attention && present_.stats) {
      check_stats_in_bounds(info, stored, stats, place, worker.scratch, worker.tallies);
    }
  }

  // /stats/layer_demand is the mean of /stats/demand over q_heads.
  void check_layer_demand(const LoadedRow& row) {
    const traces::ModelShape& s = trace_.shape();
    const std::size_t n_rho = trace_.info().rho.size();
    for (std::uint32_t layer = 0; layer < s.n_layers; ++layer) {
      for (std::size_t i = 0; i < n_rho; ++i) {
        double sum = 0;
        for (std::size_t h = 0; h < s.n_q_heads; ++h) {
          sum += row.stats.demand[(std::size_t{layer} * s.n_q_heads + h) * n_rho + i];
        }
        const double mean = sum / s.n_q_heads, stored = double{row.stats.layer_demand[layer * n_rho + i]};
        layer_demand_.add(std::abs(stored - mean), 1e-6 * (1 + mean), {row.position, layer, 0});
      }
    }
  }

  const traces::TraceReader& trace_;
  Present present_;
  kernels::ThreadPool pool_;
  std::vector<Worker> workers_;
  Tally layer_demand_;
};

Check to_check(std::string_view name, const Tally& tally) {
  return {std::string(name), tally.compared(), tally.outside(), tally.difference(), tally.allowed(), tally.place(), ""};
}

// How many rows fit into memory together, given the longest of them.
std::size_t batch_rows(const traces::TraceReader& trace, std::uint32_t longest) {
  const std::size_t entries = std::size_t{trace.shape().n_layers} * trace.shape().n_q_heads * longest;
  return std::clamp<std::size_t>(kBatchBytes / (entries * 8 + 1), 1, kLargestBatch);
}

void check_tokens(const traces::TraceReader& trace, VerifyReport& report) {
  const traces::TraceInfo& info = trace.info();
  const std::uint32_t n = trace.n_positions();
  std::vector<std::int32_t> ids(n);
  std::vector<float> logprobs(n);
  trace.token_ids(0, n, ids);
  trace.token_logprobs(0, n, logprobs);
  Check vocabulary{"token ids in the vocabulary", n, 0, 0, 0, std::nullopt, ""};
  Check logprob{"token logprobs (prompt NaN, then <= 0)", n, 0, 0, 0, std::nullopt, ""};
  for (std::uint32_t p = 0; p < n; ++p) {
    if (ids[p] < 0 || static_cast<std::uint32_t>(ids[p]) >= info.vocab_size) {
      if (vocabulary.outside++ == 0) vocabulary.note = fmt::format("first at position {}: id {}", p, ids[p]);
    }
    // Rounding may put the logprob of a certain token just above 0.
    const bool fine = p < info.n_prompt ? std::isnan(logprobs[p]) : logprobs[p] <= 1e-5F;
    if (!fine && logprob.outside++ == 0) logprob.note = fmt::format("first at position {}: {}", p, logprobs[p]);
  }
  report.checks.push_back(std::move(vocabulary));
  report.checks.push_back(std::move(logprob));
  trace.token_bytes(0, n);  // the reader checks that pieces follow one another

  if (n < info.n_prompt) {
    report.skipped.push_back("prompt hash: the prompt is not complete");
    return;
  }
  static_assert(std::endian::native == std::endian::little, "the hash is over little-endian ids");
  traces::Sha256 hash;
  hash.update(std::as_bytes(std::span(ids).first(info.n_prompt)));
  Check prompt{"prompt hash", 1, 0, 0, 0, std::nullopt, ""};
  if (const std::string actual = hash.hex(); actual != info.prompt_sha256) {
    prompt.outside = 1;
    prompt.note =
        fmt::format("ids hash to {}..., the file says {}...", actual.substr(0, 12), info.prompt_sha256.substr(0, 12));
  }
  report.checks.push_back(std::move(prompt));
}

// Rows before first_row carry no statistics and no attention.
void check_empty_rows(const traces::TraceReader& trace, Present present, VerifyReport& report) {
  Tally tally;
  StatsOfRow stats;
  traces::AttentionRows attention;
  for (std::uint32_t p = 0; p < std::min(trace.info().first_row, trace.n_positions()); ++p) {
    double filled = 0;
    if (present.stats) {
      stats.read(trace, p);
      filled += static_cast<double>(
          std::count_if(stats.demand.begin(), stats.demand.end(), [](std::uint32_t demand) { return demand != 0; }));
    }
    if (present.attention) {
      trace.attention(p, attention);
      filled += static_cast<double>(attention.row(0, 0).position.size());
    }
    tally.add(filled, 0, {p, 0, 0});
  }
  if (tally.compared() > 0) report.checks.push_back(to_check("rows before first_row are empty", tally));
}

void check_rows(const traces::TraceReader& trace, Present present, const VerifyOptions& options, VerifyReport& report) {
  const std::vector<std::uint32_t> positions = rows_to_verify(trace, options.max_rows);
  RowVerifier verifier(trace, present, options.n_threads);
  for (std::size_t done = 0; done < positions.size();) {
    if (options.progress) options.progress(done, positions.size());
    const std::size_t room = positions.size() - done;
    const std::size_t last = done + std::min(room, kLargestBatch) - 1;
    const std::size_t n = std::min(room, batch_rows(trace, positions[last] + 1));
    verifier.check(std::span(positions).subspan(done, n));
    done += n;
  }
  report.n_rows = static_cast<std::uint32_t>(positions.size());
  const RowTallies tallies = verifier.row_tallies();
  for (std::size_t i = 0; i < kRowChecks; ++i) {
    const auto check = static_cast<RowCheck>(i);
    if (tallies[check].compared() > 0) report.checks.push_back(to_check(describe(check), tallies[check]));
  }
  if (present.stats) report.checks.push_back(to_check("layer demand = mean of demand", verifier.layer_demand_tally()));
}

void list_skipped(Present present, bool tokens, std::vector<std::string>& skipped) {
  const auto missing = [&](std::string_view what, std::string_view level) {
    skipped.push_back(fmt::format("{}: level {} was not recorded", what, level));
  };
  if (!tokens) missing("token ids, logprobs and prompt hash", "tokens");
  if (!present.qkv && present.attention) missing("attention from q and k", "qkv");
  if (!present.qkv && present.stats) missing("stats from q and k", "qkv");
  if (!present.attention) missing("stored attention rows", "attention");
  if (!present.stats) missing("statistics", "stats");
}

}  // namespace

bool VerifyReport::passed() const {
  return std::all_of(checks.begin(), checks.end(), [](const Check& check) { return check.outside == 0; });
}

std::vector<std::uint32_t> rows_to_verify(const traces::TraceReader& trace, std::uint32_t max_rows) {
  const traces::ModelShape& s = trace.shape();
  const std::uint32_t first = trace.info().first_row, end = trace.n_positions();
  if (first >= end) return {};
  const std::uint32_t present = end - first;
  std::uint64_t wanted = max_rows;
  if (max_rows == 0) {
    const auto heads = static_cast<double>(std::uint64_t{s.n_layers} * s.n_q_heads * s.head_dim);
    const double mean_length = 0.5 * (static_cast<double>(first) + static_cast<double>(end)) + 1;
    const double affordable = kMultiplications / (heads * mean_length);
    wanted = static_cast<std::uint64_t>(std::clamp(affordable, 2.0, std::max(2.0, static_cast<double>(present))));
  }
  const auto n = static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, present));
  std::vector<std::uint32_t> positions(n);
  for (std::uint32_t i = 0; i < n; ++i) {
    positions[i] = n == 1 ? end - 1 : first + static_cast<std::uint32_t>(std::uint64_t{i} * (present - 1) / (n - 1));
  }
  return positions;
}

VerifyReport verify(const traces::TraceReader& trace, const VerifyOptions& options) {
  const traces::TraceInfo& info = trace.info();
  const Present present{info.levels.stats, info.levels.attention, info.levels.qkv};
  VerifyReport report;
  report.n_rows_present = trace.n_positions() > info.first_row ? trace.n_positions() - info.first_row : 0;
  list_skipped(present, info.levels.tokens, report.skipped);

  const traces::TraceStatus status = trace.status();
  report.complete = status.complete;
  Check finite{"values met while recording are finite", 1, 0, 0, 0, std::nullopt, ""};
  if (status.nan_count > 0) {
    finite.outside = 1;
    finite.note = fmt::format("{} were not", status.nan_count);
  }
  report.checks.push_back(std::move(finite));
  try {
    if (info.levels.tokens) check_tokens(trace, report);
    if (present.stats || present.attention) {
      check_empty_rows(trace, present, report);
      if (report.n_rows_present == 0) {
        report.skipped.push_back("rows: the trace holds none");
      } else {
        check_rows(trace, present, options, report);
      }
    }
  } catch (const traces::CorruptTrace& error) {
    report.checks.push_back({"data are readable", 1, 1, 0, 0, std::nullopt, error.what()});
  } catch (const traces::TruncatedTrace& error) {
    report.checks.push_back({"data are readable", 1, 1, 0, 0, std::nullopt, error.what()});
  }
  return report;
}

}  // namespace kvwave::replay
