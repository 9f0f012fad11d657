// Attention rows as transformers' output_attentions gives them, from any arrangement of arrays:
//   layer_L           [1, Hq, P, P]: all rows of a layer
//   step_S_layer_L    step 0: [1, Hq, P0, P0], the prompt; later steps: [1, Hq, n, first + n], as a cache makes them
//   one array         [L, Hq, P, P] (a lone .npy file, or the array `attentions`)
// The batch of 1 may be left out, in the last also be there: [L, 1, Hq, P, P]. Leading zeros in names are fine.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "capture/array_archive.h"
#include "capture/recording_facts.h"

namespace kvwave::capture {

/// Packed arrays that are needed at once are unpacked into at most so much memory; more is refused.
inline constexpr std::uint64_t kMostUnpackedTogether = std::uint64_t{8} << 30;

class AttentionArrays {
 public:
  /// Reads and checks every row once: extents, finite, not negative, nothing ahead of the row's own position, sum
  /// within row_sum_bound() of 1. Throws what import_error.h lists, each naming the array, layer, q_head and row.
  AttentionArrays(const std::filesystem::path& path, const RecordingFacts& facts);

  std::uint32_t n_rows() const { return n_rows_; }
  std::vector<std::filesystem::path> files() const { return archive_.files(); }
  /// The array that holds a row, for messages.
  std::string place(std::uint32_t layer, std::uint32_t row) const;

  /// Makes rows [first, first + count) of all layers readable and forgets arrays that lie before.
  void load(std::uint32_t first, std::uint32_t count);
  /// The entries for positions 0 .. row of a loaded row as they are; out.size() = row + 1. Safe from several threads.
  void row(std::uint32_t layer, std::uint32_t q_head, std::uint32_t row, std::span<float> out) const;

 private:
  // Rows [first, first + n_rows) of one layer. Of an array of all layers, `layer` says which part.
  struct Block {
    std::string name;
    std::uint32_t first = 0, n_rows = 0;
    std::uint32_t layer = 0;
    std::shared_ptr<const ArrayArchive::Loaded> loaded;
    std::uint32_t n_keys() const { return first + n_rows; }
  };
  void arrange();
  void add_whole(const std::string& name);
  void add_block(std::uint32_t layer, const std::string& name);
  void check_block(std::uint32_t layer, const Block& block) const;
  void read(const Block& block, std::uint32_t q_head, std::uint32_t row, std::span<float> out) const;
  const Block& block_of(std::uint32_t layer, std::uint32_t row) const;

  ArrayArchive archive_;
  traces::ModelShape shape_;
  SourceType type_;
  std::vector<std::vector<Block>> layers_;  // [layer], by first row
  std::uint32_t n_rows_ = 0;
};

}  // namespace kvwave::capture
