// Private to traces/: every dataset of format 1 in one table, used by writer, reader, content hash and the test that
// compares FORMAT.md with the program. A dataset's first dimension grows; `inner` are the fixed ones after it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "traces/hdf5_handle.h"
#include "traces/schema.h"

namespace kvwave::traces {

enum class ElementType : std::uint8_t { u8, i32, u32, u64, f16, f32 };
std::size_t byte_size(ElementType type);
std::string_view to_string(ElementType type);  ///< "uint8", "int32", "uint32", "uint64", "float16", "float32"
/// The type as it stands in the file; memory uses the same one, so HDF5 never converts.
TypeHandle file_type(ElementType type);

/// What a dataset's first dimension counts.
enum class Extent : std::uint8_t {
  position,  ///< one row per position
  byte,      ///< bytes of all token pieces
  entry,     ///< stored attention entries, padded at flushes
};

enum class Column : std::uint8_t {
  token_id,
  token_logprob,
  token_byte_end,
  token_bytes,
  layer_demand,
  demand,
  entropy,
  sink_mass,
  recent_mass,
  max_prob,
  attention_count,
  attention_residual,
  attention_row_start,
  attention_position,
  attention_prob,
  q,
  k,
  v,
};
inline constexpr std::size_t kColumnCount = 18;

struct DatasetSpec {
  Column column;
  const char* name;  ///< absolute path in the file
  bool Levels::*level;
  ElementType type;
  Extent extent;
  std::vector<std::uint64_t> inner;     ///< dimensions after the first
  std::vector<const char*> dimensions;  ///< names of all dimensions, the first included
  bool split_layers;                    ///< a chunk holds one layer (dimension 1), else the whole row
  bool filtered;                        ///< shuffle + deflate
  std::uint32_t chunk_rows;
  double fill;
  const char* unit;

  std::uint64_t row_bytes() const;                                       ///< bytes of one step of the first dimension
  std::uint64_t chunk_bytes() const;                                     ///< bytes of one chunk, uncompressed
  std::uint64_t columns() const { return split_layers ? inner[0] : 1; }  ///< chunks side by side in one block of rows
  std::vector<std::uint8_t> fill_bytes() const;                          ///< one element of the fill value
};

/// Datasets of the trace's levels with the chunk shapes a writer uses, in the order of Column.
std::vector<DatasetSpec> dataset_table(const TraceInfo& info);

}  // namespace kvwave::traces
