#include "viewer/model/trace_source.h"

#include <algorithm>
#include <atomic>
#include <span>
#include <system_error>

namespace kvwave::viewer {
namespace {

std::unique_ptr<traces::TraceReader>& of(std::array<std::unique_ptr<traces::TraceReader>, kLanes>& readers, Lane lane) {
  return readers[static_cast<std::size_t>(lane)];
}

// The status, and all rows that belong to it. Rows are looked at before the status: a writer may finish between the
// two, and a trace that is said to be complete is not looked at again.
traces::TraceStatus status_after_rows(traces::TraceReader& reader) {
  const traces::TraceStatus status = reader.status();
  if (!status.complete || !reader.swmr()) return status;
  reader.refresh();
  return reader.status();
}

}  // namespace

std::uint64_t next_id() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

TraceSource::TraceSource(const std::filesystem::path& path) : path_(path), id_(next_id()) {
  auto opened = std::make_unique<traces::TraceReader>(path);
  snapshot_ = read(*opened, status_after_rows(*opened), nullptr);
  one_reader_ = snapshot_->growing;
  of(readers_, Lane::quick) = std::move(opened);
}

std::shared_ptr<const TraceSnapshot> TraceSource::snapshot() const {
  const std::lock_guard lock(mutex_);
  return snapshot_;
}

const traces::TraceReader& TraceSource::reader(Lane lane) {
  std::unique_ptr<traces::TraceReader>& reader = of(readers_, one_reader_ ? Lane::quick : lane);
  if (!reader) reader = std::make_unique<traces::TraceReader>(path_);
  if (reader->n_positions() < snapshot()->n_positions) reader->refresh();
  return *reader;
}

bool TraceSource::follow() {
  const std::shared_ptr<const TraceSnapshot> before = snapshot();
  if (!before->growing) return false;
  std::unique_ptr<traces::TraceReader>& reader = of(readers_, Lane::quick);
  reader->refresh();
  const traces::TraceStatus status = status_after_rows(*reader);
  if (reader->n_positions() == before->n_positions && status.complete == before->status.complete) return false;
  std::shared_ptr<const TraceSnapshot> now = read(*reader, status, before.get());
  const std::lock_guard lock(mutex_);
  snapshot_ = std::move(now);
  return true;
}

std::shared_ptr<const TraceSnapshot> TraceSource::read(const traces::TraceReader& reader,
                                                       const traces::TraceStatus& status,
                                                       const TraceSnapshot* before) const {
  auto now = std::make_shared<TraceSnapshot>();
  now->path = path_;
  now->info = reader.info();
  now->status = status;
  now->growing = reader.swmr() && !now->status.complete;
  now->n_positions = reader.n_positions();
  std::error_code error;
  now->file_bytes = std::filesystem::file_size(path_, error);
  if (error) now->file_bytes = 0;
  if (now->info.levels.stats && now->n_rows() > 0) {
    const std::size_t per_row = std::size_t{now->info.shape.n_layers} * now->n_rho();
    std::size_t known = 0;
    if (before != nullptr) {
      now->layer_demand = before->layer_demand;
      known = before->layer_demand.size() / per_row;
    }
    now->layer_demand.resize(now->n_rows() * per_row);
    const auto begin = now->info.first_row + static_cast<std::uint32_t>(known);
    reader.layer_demand(begin, now->n_positions, std::span(now->layer_demand).subspan(known * per_row));
  }
  return now;
}

TraceTokens read_tokens(const traces::TraceReader& reader, std::uint32_t n_positions) {
  reader.require({.tokens = true, .stats = false, .attention = false, .qkv = false});
  TraceTokens tokens;
  tokens.id.resize(n_positions);
  tokens.logprob.resize(n_positions);
  reader.token_ids(0, n_positions, tokens.id);
  reader.token_logprobs(0, n_positions, tokens.logprob);
  tokens.piece = reader.token_bytes(0, n_positions);
  return tokens;
}

}  // namespace kvwave::viewer
