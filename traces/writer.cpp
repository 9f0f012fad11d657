#include "traces/writer.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include "traces/dataset_table.h"
#include "traces/error.h"
#include "traces/trace_file.h"

namespace kvwave::traces {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kPoolBytes = std::size_t{12} << 20;  ///< rows keep at most this much memory between uses ...
constexpr std::size_t kLeastRows = 4;                      ///< ... unless rows are so large that this few exceed it

std::size_t memory_of(const TraceRow& row) {
  return sizeof(TraceRow) + row.token_bytes.capacity() + row.q.capacity() + row.k.capacity() + row.v.capacity() +
         row.attention_prob.capacity() +
         4 * (row.demand.capacity() + row.entropy.capacity() + row.sink_mass.capacity() + row.recent_mass.capacity() +
              row.max_prob.capacity() + row.attention_count.capacity() + row.attention_residual.capacity() +
              row.attention_position.capacity());
}

/// Says which vector of a row has another size than the trace's levels and shape call for.
class RowCheck {
 public:
  explicit RowCheck(const TraceInfo& info) : info_(info) {}

  void operator()(const TraceRow& row, std::uint64_t expected_position) const {
    if (row.position != expected_position) {
      throw WrongShape(fmt::format("trace row: position is {}, expected {}", row.position, expected_position));
    }
    const ModelShape& shape = info_.shape;
    const bool rows = row.position >= info_.first_row;
    const std::size_t heads = std::size_t{shape.n_layers} * shape.n_q_heads;
    const std::size_t stats = info_.levels.stats && rows ? heads : 0;
    expect("demand", row.demand.size(), stats * info_.rho.size());
    expect("entropy", row.entropy.size(), stats);
    expect("sink_mass", row.sink_mass.size(), stats);
    expect("recent_mass", row.recent_mass.size(), stats);
    expect("max_prob", row.max_prob.size(), stats);
    const std::size_t attention = info_.levels.attention && rows ? heads : 0;
    expect("attention_count", row.attention_count.size(), attention);
    expect("attention_residual", row.attention_residual.size(), attention);
    const std::uint64_t entries =
        std::accumulate(row.attention_count.begin(), row.attention_count.end(), std::uint64_t{0});
    expect("attention_position", row.attention_position.size(), entries);
    expect("attention_prob", row.attention_prob.size(), entries * byte_size(info_.attention_dtype));
    const std::size_t vectors =
        info_.levels.qkv ? std::size_t{shape.n_layers} * shape.head_dim * byte_size(info_.qkv_dtype) : 0;
    expect("q", row.q.size(), vectors * shape.n_q_heads);
    expect("k", row.k.size(), vectors * shape.n_kv_heads);
    expect("v", row.v.size(), vectors * shape.n_kv_heads);
  }

 private:
  static void expect(std::string_view name, std::size_t actual, std::uint64_t expected) {
    if (actual == expected) return;
    throw WrongShape(fmt::format("trace row: {} has {} elements, expected {}", name, actual, expected));
  }
  const TraceInfo& info_;
};

void clear(TraceRow& row) {
  row.position = row.nan_count = 0;
  row.token_id = 0;
  row.logprob = 0;
  row.token_bytes.clear();
  for (auto* values : {&row.demand, &row.attention_count, &row.attention_position}) values->clear();
  for (auto* values : {&row.entropy, &row.sink_mass, &row.recent_mass, &row.max_prob, &row.attention_residual}) {
    values->clear();
  }
  for (auto* bytes : {&row.attention_prob, &row.q, &row.k, &row.v}) bytes->clear();
}

}  // namespace

class TraceWriter::Impl {
 public:
  Impl(const std::filesystem::path& path, const TraceInfo& info, const WriterOptions& options)
      : info_(info),
        options_(options),
        file_(std::make_unique<TraceFile>(path, info, options.overwrite)),
        thread_([this] { run(); }) {}

  ~Impl() {
    if (!thread_.joinable()) return;
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    work_.notify_all();
    thread_.join();
  }

  std::unique_ptr<TraceRow> acquire(bool counted) {
    std::unique_lock lock(mutex_);
    if (!has_row()) {
      if (counted) ++progress_.stalls;
      freed_.wait(lock, [this] { return has_row(); });
    }
    if (error_) std::rethrow_exception(error_);
    if (free_.empty()) {
      ++lent_rows_;
      return std::make_unique<TraceRow>();
    }
    auto row = std::move(free_.back());
    free_.pop_back();
    return row;
  }

  bool has_room() const {
    const std::lock_guard lock(mutex_);
    return has_row();
  }
  void count_stall() {
    const std::lock_guard lock(mutex_);
    ++progress_.stalls;
  }

  void submit(std::unique_ptr<TraceRow> row) {
    std::unique_lock lock(mutex_);
    if (error_) std::rethrow_exception(error_);
    if (ending_) throw std::logic_error("row submitted after finish()");
    const std::uint64_t expected = progress_.rows_submitted;
    lock.unlock();
    RowCheck{info_}(*row, expected);
    lock.lock();
    queue_.push_back(std::move(row));
    ++progress_.rows_submitted;
    lock.unlock();
    work_.notify_one();
  }

  void finish(StopReason reason) {
    {
      const std::lock_guard lock(mutex_);
      if (ending_) throw std::logic_error("finish() called twice");
      ending_ = true;
      reason_ = reason;
      complete_ = true;
    }
    work_.notify_all();
    thread_.join();
    if (error_) std::rethrow_exception(error_);
  }

  WriterProgress progress() const {
    const std::lock_guard lock(mutex_);
    return progress_;
  }

 private:
  /// Whether a row can be had now, or an error thrown instead.
  bool has_row() const { return error_ || !free_.empty() || may_add_row(); }
  bool may_add_row() const {
    return lent_rows_ < kLeastRows || (lent_rows_ < options_.pool_rows && pool_bytes_ < kPoolBytes);
  }

  void run() {
    try {
      prepare_hdf5();
      write_rows();
      file_->close(stalls(), reason_, complete_, options_.sync_on_finish);
      note_flush();
    } catch (...) {
      const std::lock_guard lock(mutex_);
      error_ = std::current_exception();
      queue_.clear();
    }
    freed_.notify_all();
    file_.reset();
  }

  /// Returns when the end was asked for and the queue is empty.
  void write_rows() {
    const auto interval = std::chrono::duration_cast<Clock::duration>(
        std::chrono::duration<double>(std::clamp(options_.flush_seconds, 0.0, 1e8)));
    Clock::time_point flushed_at = Clock::now();
    while (true) {
      std::unique_ptr<TraceRow> row = next_row(flushed_at + interval);
      if (!row && ended()) return;
      if (row) {
        file_->append(*row);
        give_back(std::move(row));
        ++rows_written_;
      }
      // From half the interval on, the flush waits for a moment that leaves no filtered chunk half full.
      const Clock::duration age = Clock::now() - flushed_at;
      if (rows_written_ != rows_flushed_ && (age >= interval || (age >= interval / 2 && file_->on_chunk_boundary()))) {
        file_->flush(stalls());
        note_flush();
        flushed_at = Clock::now();
      } else if (rows_written_ == rows_flushed_) {
        flushed_at = Clock::now();  // the interval counts from the first row that is not flushed
      }
    }
  }

  /// The next row, or null at the deadline or at the end. Without unflushed rows there is no deadline.
  std::unique_ptr<TraceRow> next_row(Clock::time_point deadline) {
    std::unique_lock lock(mutex_);
    const auto ready = [this] { return !queue_.empty() || ending_; };
    if (rows_written_ == rows_flushed_) {
      work_.wait(lock, ready);
    } else {
      work_.wait_until(lock, deadline, ready);
    }
    if (queue_.empty()) return nullptr;
    auto row = std::move(queue_.front());
    queue_.pop_front();
    return row;
  }

  bool ended() const {
    const std::lock_guard lock(mutex_);
    return ending_ && queue_.empty();
  }

  void give_back(std::unique_ptr<TraceRow> row) {
    clear(*row);
    {
      const std::lock_guard lock(mutex_);
      free_.push_back(std::move(row));
      pool_bytes_ = 0;
      for (const auto& held : free_) pool_bytes_ += memory_of(*held);
      pool_bytes_ += memory_of(*free_.back()) * (lent_rows_ - free_.size());  // those out now are much the same size
      // Rows grow with the sequence: what was a small pool at its start must not become a large one.
      while (pool_bytes_ > kPoolBytes && lent_rows_ > kLeastRows && !free_.empty()) {
        pool_bytes_ -= memory_of(*free_.front());
        free_.pop_front();
        --lent_rows_;
      }
    }
    freed_.notify_one();
  }

  std::uint64_t stalls() const {
    const std::lock_guard lock(mutex_);
    return progress_.stalls;
  }

  void note_flush() {
    rows_flushed_ = rows_written_;
    const std::uint64_t size = file_->bytes();
    const std::lock_guard lock(mutex_);
    progress_.rows_flushed = rows_written_;
    progress_.bytes = size;
  }

  const TraceInfo info_;
  const WriterOptions options_;
  std::unique_ptr<TraceFile> file_;  ///< touched by the writer thread alone once that runs

  mutable std::mutex mutex_;
  std::condition_variable work_, freed_;
  std::deque<std::unique_ptr<TraceRow>> queue_, free_;
  std::size_t lent_rows_ = 0;   ///< rows that exist: free, queued or with the caller
  std::size_t pool_bytes_ = 0;  ///< estimate of the memory they hold
  WriterProgress progress_;
  std::exception_ptr error_;
  bool ending_ = false, complete_ = false;
  StopReason reason_ = StopReason::failed;

  std::uint64_t rows_written_ = 0, rows_flushed_ = 0;  ///< writer thread only
  std::thread thread_;                                 ///< last: starts when all else is there
};

TraceWriter::TraceWriter(const std::filesystem::path& path, const TraceInfo& info, const WriterOptions& options)
    : impl_(std::make_unique<Impl>(path, info, options)) {}
TraceWriter::~TraceWriter() = default;
std::unique_ptr<TraceRow> TraceWriter::acquire() {
  return impl_->acquire(true);
}
std::unique_ptr<TraceRow> TraceWriter::acquire_uncounted() {
  return impl_->acquire(false);
}
bool TraceWriter::has_room() const {
  return impl_->has_room();
}
void TraceWriter::count_stall() {
  impl_->count_stall();
}
void TraceWriter::submit(std::unique_ptr<TraceRow> row) {
  impl_->submit(std::move(row));
}
void TraceWriter::finish(StopReason reason) {
  impl_->finish(reason);
}
WriterProgress TraceWriter::progress() const {
  return impl_->progress();
}

LevelBytes estimate_bytes(const TraceInfo& info, std::uint64_t positions, double kept_share) {
  // Shares of the raw size after shuffle + deflate, measured on SmolLM2-135M; indexes and rows are stored as they are.
  constexpr double kStatsShare = 0.6;
  constexpr double kPositionShare = 0.13;
  constexpr double kProbShare = 0.85;
  const double rows = static_cast<double>(positions);
  const double recorded = static_cast<double>(positions - std::min<std::uint64_t>(positions, info.first_row));
  const double heads = static_cast<double>(info.shape.n_layers) * info.shape.n_q_heads;
  LevelBytes bytes;
  for (const DatasetSpec& spec : dataset_table(info)) {
    const auto row = static_cast<double>(spec.row_bytes());
    if (spec.level == &Levels::tokens) {
      bytes.tokens += static_cast<std::uint64_t>(spec.extent == Extent::byte ? rows * 4 : rows * row);
    } else if (spec.level == &Levels::qkv) {
      bytes.qkv += static_cast<std::uint64_t>(rows * row);
    } else if (spec.extent == Extent::entry) {
      const double mean_length = rows - recorded / 2;  // rows run up to their own position
      const double share = spec.column == Column::attention_position ? kPositionShare : kProbShare;
      bytes.attention += static_cast<std::uint64_t>(recorded * heads * mean_length * kept_share * row * share);
    } else {
      std::uint64_t& level = spec.level == &Levels::stats ? bytes.stats : bytes.attention;
      level += static_cast<std::uint64_t>(recorded * row * (spec.filtered ? kStatsShare : 1.0));
    }
  }
  return bytes;
}

}  // namespace kvwave::traces
