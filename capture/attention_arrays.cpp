#include "capture/attention_arrays.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "capture/import_error.h"
#include "capture/printable.h"

namespace kvwave::capture {
namespace {

constexpr std::string_view kWholeName = "attentions";
constexpr std::uint64_t kMostRows = std::numeric_limits<std::int32_t>::max();

/// Takes `word` and a number off the front of the text.
std::optional<std::uint32_t> take_number(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word)) return std::nullopt;
  std::uint32_t value = 0;
  const char* const begin = text.data() + word.size();
  const auto [end, error] = std::from_chars(begin, text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

struct Place {
  std::uint32_t layer = 0, step = 0;
  bool has_step = false;
};

// What a name like layer_3 or step_0_layer_3 says.
std::optional<Place> place_of(std::string_view name) {
  Place place;
  if (const auto step = take_number(name, "step_")) {
    place.step = *step;
    place.has_step = true;
  }
  const auto layer = take_number(name, place.has_step ? "_layer_" : "layer_");
  if (!layer || !name.empty()) return std::nullopt;
  place.layer = *layer;
  return place;
}

// Without the batch of one: [..., Hq, rows, keys] of `extents` extents.
std::vector<std::uint64_t> without_batch(const traces::NpyArray& array, std::size_t extents) {
  std::vector<std::uint64_t> shape = array.shape;
  const std::size_t batch = extents - 3;
  if (shape.size() == extents + 1 && shape[batch] == 1) shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(batch));
  return shape;
}

}  // namespace

AttentionArrays::AttentionArrays(const std::filesystem::path& path, const RecordingFacts& facts)
    : archive_(path), shape_(facts.shape), type_(facts.type), layers_(facts.shape.n_layers) {
  arrange();
  n_rows_ = layers_[0].back().n_keys();
  for (std::uint32_t layer = 1; layer < shape_.n_layers; ++layer) {
    const Block& last = layers_[layer].back();
    if (last.n_keys() == n_rows_) continue;
    throw RecordingShape(fmt::format("{}: layer {} ends at row {}, expected {} as in layer 0",
                                     archive_.place(last.name), layer, last.n_keys(), n_rows_));
  }
}

void AttentionArrays::arrange() {
  const std::vector<std::string> names = archive_.names();
  const bool only = names.size() == 1;
  if (only && (names[0] == kWholeName || !place_of(names[0]))) return add_whole(names[0]);
  std::vector<std::map<std::uint32_t, std::string>> steps(shape_.n_layers);  // [layer][step]
  std::optional<bool> has_steps;
  for (const std::string& name : names) {
    const auto place = place_of(name);
    if (!place) {
      throw BadRecording(
          fmt::format("{}: array {} is not expected; names are layer_L, step_S_layer_L, or attentions "
                      "alone",
                      archive_.path().string(), printable(name)));
    }
    if (place->layer >= shape_.n_layers) {
      throw BadRecording(fmt::format("{}: layer {}, but the model has layers 0 to {}", archive_.place(name),
                                     place->layer, shape_.n_layers - 1));
    }
    if (has_steps.value_or(place->has_step) != place->has_step) {
      throw BadRecording(fmt::format("{}: arrays of whole layers and of steps are mixed", archive_.place(name)));
    }
    has_steps = place->has_step;
    const auto [other, is_new] = steps[place->layer].emplace(place->step, name);
    if (!is_new) {
      throw BadRecording(fmt::format("{}: the same rows as {}", archive_.place(name), printable(other->second)));
    }
  }
  for (std::uint32_t layer = 0; layer < shape_.n_layers; ++layer) {
    if (steps[layer].empty()) {
      throw MissingArray(fmt::format("{}: layer {} is missing; the model has {} layers", archive_.path().string(),
                                     layer, shape_.n_layers));
    }
    std::uint32_t expected = 0;
    for (const auto& [step, name] : steps[layer]) {
      if (step != expected) {
        throw MissingArray(
            fmt::format("{}: step {} of layer {} is missing", archive_.path().string(), expected, layer));
      }
      ++expected;
      add_block(layer, name);
    }
  }
}

void AttentionArrays::add_whole(const std::string& name) {
  const auto loaded = archive_.load(name);
  const std::vector<std::uint64_t> shape = without_batch(loaded->array, 4);
  const bool fits = shape.size() == 4 && shape[0] == shape_.n_layers && shape[1] == shape_.n_q_heads &&
                    shape[2] == shape[3] && shape[2] <= kMostRows;
  if (!fits) {
    throw RecordingShape(fmt::format("{}: has shape {}, expected [{}, 1, {}, P, P]: layers, batch, q_heads, rows, keys",
                                     archive_.place(name), traces::shape_text(loaded->array.shape), shape_.n_layers,
                                     shape_.n_q_heads));
  }
  for (std::uint32_t layer = 0; layer < shape_.n_layers; ++layer) {
    layers_[layer].push_back({name, 0, static_cast<std::uint32_t>(shape[2]), layer, loaded});
    check_block(layer, layers_[layer].back());
    layers_[layer].back().loaded.reset();
  }
}

void AttentionArrays::add_block(std::uint32_t layer, const std::string& name) {
  std::vector<Block>& blocks = layers_[layer];
  const std::uint32_t first = blocks.empty() ? 0 : blocks.back().n_keys();
  const auto loaded = archive_.load(name);
  const std::vector<std::uint64_t> shape = without_batch(loaded->array, 3);
  const bool fits =
      shape.size() == 3 && shape[0] == shape_.n_q_heads && shape[2] <= kMostRows && shape[2] == first + shape[1];
  if (!fits) {
    throw RecordingShape(fmt::format(
        "{}: has shape {}, expected [1, {}, n, {}n]: batch, q_heads, rows, keys (rows 0 to {} of layer {} come before)",
        archive_.place(name), traces::shape_text(loaded->array.shape), shape_.n_q_heads,
        first == 0 ? "" : fmt::format("{} + ", first), static_cast<std::int64_t>(first) - 1, layer));
  }
  blocks.push_back({name, first, static_cast<std::uint32_t>(shape[1]), 0, loaded});
  check_block(layer, blocks.back());
  blocks.back().loaded.reset();
}

void AttentionArrays::check_block(std::uint32_t layer, const Block& block) const {
  const double bound = row_sum_bound(type_);
  std::vector<float> values(block.n_keys());
  for (std::uint32_t q_head = 0; q_head < shape_.n_q_heads; ++q_head) {
    for (std::uint32_t row = block.first; row < block.n_keys(); ++row) {
      read(block, q_head, row, values);
      const auto where = [&] {
        return fmt::format("{}: layer {}, q_head {}, row {}", archive_.place(block.name), layer, q_head, row);
      };
      double sum = 0;
      for (std::uint32_t i = 0; i < values.size(); ++i) {
        const float value = values[i];
        if (!std::isfinite(value)) {
          throw RecordingNotFinite(fmt::format("{}: position {}: expected a finite number, got {}", where(), i, value));
        }
        if (value < 0) {
          throw NegativeMass(fmt::format("{}: position {}: expected 0 or more, got {}", where(), i, value));
        }
        if (i > row && value > 0) {
          throw MassAhead(
              fmt::format("{}: position {} comes after the row's own: expected 0, got {}", where(), i, value));
        }
        sum += value;
      }
      if (!(std::abs(sum - 1) <= bound)) {
        throw BadRowSum(
            fmt::format("{}: sum {:.8g}, expected 1 within {} ({})", where(), sum, bound, to_string(type_)));
      }
    }
  }
}

void AttentionArrays::read(const Block& block, std::uint32_t q_head, std::uint32_t row, std::span<float> out) const {
  const std::uint64_t n_keys = block.n_keys();
  const std::uint64_t line =
      (std::uint64_t{block.layer} * shape_.n_q_heads + q_head) * block.n_rows + row - block.first;
  traces::npy_values(block.loaded->array, line * n_keys, out);
}

const AttentionArrays::Block& AttentionArrays::block_of(std::uint32_t layer, std::uint32_t row) const {
  const std::vector<Block>& blocks = layers_[layer];
  return *std::prev(std::upper_bound(blocks.begin(), blocks.end(), row,
                                     [](std::uint32_t value, const Block& block) { return value < block.first; }));
}

std::string AttentionArrays::place(std::uint32_t layer, std::uint32_t row) const {
  return archive_.place(block_of(layer, row).name);
}

void AttentionArrays::load(std::uint32_t first, std::uint32_t count) {
  std::map<std::string, std::shared_ptr<const ArrayArchive::Loaded>> held;  // an array of all layers is loaded once
  std::uint64_t bytes = 0;
  for (std::vector<Block>& blocks : layers_) {
    for (Block& block : blocks) {
      const bool wanted = block.first < first + count && first < block.n_keys();
      if (!wanted) {
        block.loaded.reset();
        continue;
      }
      std::shared_ptr<const ArrayArchive::Loaded>& array = held[block.name];
      if (!array) {
        bytes += archive_.unpacked_bytes(block.name);
        if (bytes > kMostUnpackedTogether) {
          throw BadRecording(fmt::format(
              "{}: the packed arrays of rows {} to {} take more than {} bytes, the most that is unpacked at "
              "once; numpy.savez stores arrays so that they are read in place",
              archive_.path().string(), first, first + count - 1, kMostUnpackedTogether));
        }
        array = block.loaded ? block.loaded : archive_.load(block.name);
      }
      block.loaded = array;
    }
  }
}

void AttentionArrays::row(std::uint32_t layer, std::uint32_t q_head, std::uint32_t row, std::span<float> out) const {
  read(block_of(layer, row), q_head, row, out);
}

}  // namespace kvwave::capture
