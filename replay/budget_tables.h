// Tables over layers and heads as other projects ship them, read with nothing trusted and written so that their own
// loaders take them. TABLES.md says how each looks.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "alloc/allocator.h"

namespace kvwave::replay {

enum class TableFormat {
  duoattention,  ///< full_attention_heads.tsv: gates, a row per layer, a column per KV head
  headkv,        ///< JSON object: "LAYER-HEAD" to a list of scores, per query head
  lukv           ///< NumPy array [99, layers, KV heads]: the part that each head loses
};

/// The word used on command lines; parse_table_format() throws traces::UsageError with the nearest word.
std::string_view to_string(TableFormat format);
TableFormat parse_table_format(std::string_view word);

/// Reads any of the three, told apart by content. A list of scores becomes its mean. At most 64 MiB, 4096 layers, 4096
/// heads and 1024 planes. Throws BadTableFile naming the file and what was expected and found.
alloc::HeadTable read_budget_table(const std::filesystem::path& path);

/// The file's bytes. duoattention and headkv hold one plane: the table's first.
std::string table_bytes(TableFormat format, const alloc::HeadTable& table);

}  // namespace kvwave::replay
