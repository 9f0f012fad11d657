#include "replay/ledger.h"

#include <array>
#include <cmath>
#include <iterator>

#include <fmt/format.h>

#include "alloc/registry.h"
#include "alloc/strategy.h"
#include "replay/report_csv.h"
#include "replay/wrapped_text.h"
#include "traces/progress.h"

namespace kvwave::replay {

namespace {

// Bytes as simulated, and where every query head keeps a copy of its own.
struct Accounts {
  double kv_head = kNoFigure, q_head = kNoFigure;
};

class Ledger {
 public:
  explicit Ledger(const LedgerEntry& entry)
      : entry_(entry),
        entry_bytes_(2.0 * entry.sequence->head_dim * entry.value_bytes),
        readers_(readers_per_cache(*entry.configuration, *entry.sequence)) {}

  // `n_heads` KV heads hold `entries` each.
  Accounts bytes(double entries, double n_heads) const {
    const double held = entries * n_heads * entry_bytes_;
    return {held, held * readers_};
  }
  double n_heads() const { return double{1} * entry_.sequence->n_layers * entry_.sequence->n_kv_heads; }
  bool per_q_head() const { return readers_ < entry_.sequence->group(); }

 private:
  const LedgerEntry& entry_;
  double entry_bytes_;
  double readers_;
};

void csv_line(const LedgerEntry& entry, const Ledger& ledger, const Figures& figures, double n_heads,
              std::string_view place, fmt::memory_buffer& out) {
  const auto to = std::back_inserter(out);
  const Configuration& configuration = *entry.configuration;
  const auto number = [&](double value) {
    if (std::isnan(value)) {
      fmt::format_to(to, ",");
    } else {
      fmt::format_to(to, ",{:.9g}", value);
    }
  };
  fmt::format_to(to, "{},{},{},{},{},{},{},{}", csv_field(entry.trace), csv_field(configuration.strategy),
                 configuration.budget, place, entry.summary->total.solved_budget, to_string(configuration.kind),
                 ledger.per_q_head() ? "q_head" : "kv_head", entry.page);
  for (const double value : {figures.requested, figures.realised_mean, figures.realised_steady, figures.realised_peak,
                             figures.paged_mean, figures.paged_steady, figures.paged_peak}) {
    number(value);
  }
  const std::array entries = {figures.requested, figures.paged_mean, figures.paged_steady, figures.paged_peak};
  for (const double value : entries) number(ledger.bytes(value, n_heads).kv_head);
  for (const double value : entries) number(ledger.bytes(value, n_heads).q_head);
  number(figures.bytes_read);
  number(figures.bytes_moved);
  for (const double value : {figures.granted_unused, figures.floors_hit, figures.caps_hit}) number(value);
  fmt::format_to(to, ",{},{},{},{}\n", csv_field(entry.baseline), entry.unequal_mean ? 1 : 0,
                 entry.unequal_peak ? 1 : 0, csv_field(entry.unequal_to));
}

std::string number(double value) {
  return std::isnan(value) ? fmt::format("{:>9}", "-") : fmt::format("{:>9.1f}", value);
}

std::string size(double bytes) {
  if (std::isnan(bytes)) return fmt::format("{:>11}", "-");
  return fmt::format("{:>11}", traces::human_bytes(static_cast<std::uint64_t>(std::llround(bytes))));
}

}  // namespace

std::uint32_t readers_per_cache(const Configuration& configuration, const Sequence& sequence) {
  if (configuration.kind != ConfigurationKind::destructive) return sequence.group();
  std::string_view text = configuration.full_text;
  if (text.ends_with(')')) {  // random-score(STRATEGY), unprotected(STRATEGY)
    text.remove_prefix(text.find('(') + 1);
    text.remove_suffix(1);
  }
  const alloc::Strategy strategy = alloc::Strategy::parse(text);
  const alloc::Granularity granularity = alloc::make_scorer(strategy.scorer)->rule().granularity;
  return granularity == alloc::Granularity::q_head ? 1 : sequence.group();
}

std::string ledger_csv_header() {
  return "trace,strategy,budget,layer,kv_head,solved_budget,kind,caches,page,requested,realised_mean,realised_steady,"
         "realised_peak,paged_mean,paged_steady,paged_peak,bytes_requested,bytes_mean,bytes_steady,bytes_peak,"
         "q_head_bytes_requested,q_head_bytes_mean,q_head_bytes_steady,q_head_bytes_peak,bytes_read,bytes_moved,"
         "granted_unused,floors_hit,caps_hit,"
         "baseline,unequal_realised_mean,unequal_realised_peak,unequal_to\n";
}

std::string ledger_csv_lines(const LedgerEntry& entry) {
  const Ledger ledger(entry);
  fmt::memory_buffer out;
  csv_line(entry, ledger, entry.summary->total, ledger.n_heads(), ",", out);
  for (std::size_t head = 0; head < entry.summary->kv_heads.size(); ++head) {
    const std::uint32_t n_kv_heads = entry.sequence->n_kv_heads;
    csv_line(entry, ledger, entry.summary->kv_heads[head], 1,
             fmt::format("{},{}", head / n_kv_heads, head % n_kv_heads), out);
  }
  return fmt::to_string(out);
}

std::string ledger_table_header(std::uint32_t page, bool match_memory) {
  std::string terms;
  if (page > 1) terms += fmt::format("held in pages of {}\n", page);
  if (match_memory) terms += "memory matched: `asked` is memory, `runs at` the budget found for it\n";
  return fmt::format(
      "\nledger, entries per KV head and bytes of all layers\n"
      "{}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>11}{:>11}{:>11}\n",
      terms, "asked", "runs at", "budget", "mean", "steady", "peak", "paged", "bytes", "peak", "q_head");
}

std::string ledger_table_lines(const LedgerEntry& entry) {
  const Ledger ledger(entry);
  const Figures& figures = entry.summary->total;
  const Configuration& configuration = *entry.configuration;
  const Accounts mean = ledger.bytes(figures.paged_mean, ledger.n_heads());
  const Accounts peak = ledger.bytes(figures.paged_peak, ledger.n_heads());
  std::string flags;
  if (entry.unequal_mean) flags += 'm';
  if (entry.unequal_peak) flags += 'p';
  std::string traffic;
  if (!flags.empty()) traffic = fmt::format("{:>9}memory differs from {}\n", "", entry.unequal_to);
  if (configuration.kind == ConfigurationKind::selection) {
    traffic += fmt::format("{:>9}frees nothing, reads{} a step\n", "", size(figures.bytes_read));
  } else if (configuration.kind == ConfigurationKind::offload) {
    traffic += fmt::format("{:>9}keeps the rest elsewhere, moves{} a step\n", "", size(figures.bytes_moved));
  }
  // What never moves between layers has no such figure; a thousandth of an entry is rounding of means.
  if (figures.granted_unused >= 0.001) {
    traffic += fmt::format("{:>9}of the budget{} entries per KV head could not be filled when granted\n", "",
                           number(figures.granted_unused));
  }
  return fmt::format("{}{}\n{:>9}{:>9}{}{}{}{}{}{}{}{}{}\n{}", configuration.strategy,
                     ledger.per_q_head() ? " (a cache per query head)" : "", configuration.budget,
                     figures.solved_budget, number(figures.requested), number(figures.realised_mean),
                     number(figures.realised_steady), number(figures.realised_peak), number(figures.paged_mean),
                     size(mean.kv_head), size(peak.kv_head), size(mean.q_head), last_cell(flags), traffic);
}

std::string ledger_table_legend() {
  return "budget: in force; mean, steady, peak: entries read, left by an eviction, most in one step;\n"
         "paged: the mean in whole pages; bytes, peak: keys and values of the paged mean and peak; q_head: the\n"
         "mean where every query head keeps its own copy; m, p: mean or peak not within 1 % of the baseline's\n";
}

}  // namespace kvwave::replay
