// The content hash of a trace: what was recorded, independent of how the file lays it out. FORMAT.md defines it.
#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "traces/reader_impl.h"
#include "traces/sha256.h"
#include "traces/trace_attributes.h"

namespace kvwave::traces {
namespace {

constexpr std::uint64_t kPieceBytes = std::uint64_t{4} << 20;

void hash_rows(Sha256& hash, ColumnReader& column, std::uint64_t begin, std::uint64_t end) {
  const std::uint64_t row = column.spec().row_bytes();
  const std::uint64_t piece = std::max<std::uint64_t>(1, kPieceBytes / row);
  std::vector<std::byte> bytes;
  while (begin < end) {
    const std::uint64_t stop = std::min(end, begin + piece);
    bytes.resize((stop - begin) * row);
    column.read(begin, stop, bytes.data());
    hash.update(bytes);
    begin = stop;
  }
}

}  // namespace

std::string TraceReader::content_sha256() const {
  Sha256 hash;
  hash.update(fmt::format("{} {}\n", kFormatName, info().format_version));
  for (const auto& [name, value] : describing_attributes(info())) hash.update(fmt::format("{}={}\n", name, value));
  for (const double rho : info().rho) hash.update(fmt::format("rho={:.17g}\n", rho));
  hash.update(fmt::format("rows={}\n", n_positions()));
  impl_->guarded([&] {
    for (auto& held : impl_->columns_) {
      if (!held || held->spec().column == Column::attention_row_start) continue;
      ColumnReader& column = *held;
      hash.update(fmt::format("{} {}\n", column.spec().name, to_string(column.spec().type)));
      if (column.spec().extent == Extent::position) {
        hash_rows(hash, column, 0, n_positions());
      } else if (column.spec().extent == Extent::byte) {
        hash_rows(hash, column, 0,
                  n_positions() == 0 ? 0 : std::min(impl_->byte_end(n_positions() - 1), column.rows()));
      } else {
        std::vector<std::uint32_t> counts;
        for (std::uint32_t row = info().first_row; row < n_positions(); ++row) {
          const std::uint64_t start = impl_->row_start(row);
          const std::uint64_t stop = start + std::min(impl_->entry_counts(row, counts), column.rows());
          hash_rows(hash, column, std::min(start, column.rows()), std::min(stop, column.rows()));
        }
      }
    }
  });
  const TraceStatus state = status();
  hash.update(fmt::format("nan_count={} complete={} stop_reason={}\n", state.nan_count, state.complete ? 1 : 0,
                          to_string(state.stop_reason)));
  return hash.hex();
}

}  // namespace kvwave::traces
