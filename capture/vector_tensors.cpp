#include "capture/vector_tensors.h"

#include <charconv>
#include <cstring>
#include <limits>
#include <string_view>

#include <fmt/format.h>

#include "capture/import_error.h"
#include "capture/printable.h"
#include "traces/npy_array.h"

namespace kvwave::capture {
namespace {

using kernels::ParamType;

struct Name {
  std::uint32_t layer = 0;
  char which = 0;  // q, k or v; 0 = another name
};

Name parse(std::string_view text) {
  constexpr std::string_view kFront = "layers.";
  if (!text.starts_with(kFront)) return {};
  Name name;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + kFront.size(), end, name.layer);
  const bool whole = error == std::errc() && end - rest == 2 && rest[0] == '.';
  if (whole && std::string_view("qkv").find(rest[1]) != std::string_view::npos) name.which = rest[1];
  return name;
}

}  // namespace

VectorTensors::VectorTensors(const std::filesystem::path& path, const RecordingFacts& facts)
    : file_(path, FileMemory::mapped, "recording"),
      path_(path.string()),
      shape_(facts.shape),
      layers_(facts.shape.n_layers) {
  for (const StoredTensor& tensor : file_.tensors()) add(tensor);
  for (std::uint32_t layer = 0; layer < shape_.n_layers; ++layer) {
    check(layer, 'q', layers_[layer].q);
    check(layer, 'k', layers_[layer].k);
    check(layer, 'v', layers_[layer].v);
  }
}

void VectorTensors::add(const StoredTensor& tensor) {
  const std::string where = fmt::format("{}: tensor {}", path_, printable(tensor.name));
  const Name name = parse(tensor.name);
  if (name.which == 0) throw BadRecording(fmt::format("{} is not expected; names are layers.L.q, .k and .v", where));
  if (name.layer >= shape_.n_layers) {
    throw BadRecording(fmt::format("{}: the model has layers 0 to {}", where, shape_.n_layers - 1));
  }
  std::vector<std::uint64_t> shape = tensor.shape;
  if (shape.size() == 4 && shape[0] == 1) shape.erase(shape.begin());
  const std::uint32_t heads = name.which == 'q' ? shape_.n_q_heads : shape_.n_kv_heads;
  if (n_positions_ == 0 && shape.size() == 3 && shape[1] <= std::numeric_limits<std::int32_t>::max()) {
    n_positions_ = static_cast<std::uint32_t>(shape[1]);
  }
  if (n_positions_ == 0 || shape != std::vector<std::uint64_t>{heads, n_positions_, shape_.head_dim}) {
    throw RecordingShape(fmt::format("{} has shape {}, expected [1, {}, {}, {}]: batch, heads, positions, head_dim",
                                     where, traces::shape_text(tensor.shape), heads,
                                     n_positions_ == 0 ? "P" : fmt::to_string(n_positions_), shape_.head_dim));
  }
  if (tensor.type != ParamType::f16) type_ = traces::FloatType::f32;
  Layer& layer = layers_[name.layer];
  Tensor& place = name.which == 'q' ? layer.q : name.which == 'k' ? layer.k : layer.v;
  if (place.data != nullptr) throw BadRecording(fmt::format("{}: the same tensor under another spelling", where));
  place = {tensor.type, tensor.bytes.data(), heads};
}

void VectorTensors::check(std::uint32_t layer, char which, const Tensor& tensor) const {
  if (tensor.data == nullptr) {
    throw MissingArray(fmt::format("{}: tensor 'layers.{}.{}' is missing; the model has {} layers", path_, layer, which,
                                   shape_.n_layers));
  }
  for (std::uint32_t head = 0; head < tensor.n_heads; ++head) {
    const std::size_t row_bytes = kernels::row_bytes(tensor.type, shape_.head_dim);
    const kernels::ParamMatrix matrix{tensor.data + std::size_t{head} * n_positions_ * row_bytes, tensor.type,
                                      n_positions_, shape_.head_dim};
    if (const auto position = kernels::first_non_finite_row(matrix)) {
      throw RecordingNotFinite(
          fmt::format("{}: layer {}, {} {}, row {}: {} holds NaN or infinity, expected finite "
                      "numbers",
                      path_, layer, which == 'q' ? "q_head" : "kv_head", head, *position, which));
    }
  }
}

void VectorTensors::copy(const Tensor& tensor, std::uint32_t position, std::span<std::byte> out) const {
  const std::size_t row_bytes = kernels::row_bytes(tensor.type, shape_.head_dim);
  const std::size_t out_bytes = shape_.head_dim * byte_size(type_);
  std::vector<float> values(shape_.head_dim);
  for (std::uint32_t head = 0; head < tensor.n_heads; ++head) {
    const std::byte* from = tensor.data + (std::size_t{head} * n_positions_ + position) * row_bytes;
    std::byte* to = out.data() + head * out_bytes;
    if (type_ == traces::FloatType::f16) {
      std::memcpy(to, from, out_bytes);
    } else {
      kernels::dequantise_row(tensor.type, from, values);
      std::memcpy(to, values.data(), out_bytes);
    }
  }
}

void VectorTensors::gather(std::uint32_t layer, std::uint32_t position, std::span<std::byte> q, std::span<std::byte> k,
                           std::span<std::byte> v) const {
  copy(layers_[layer].q, position, q);
  copy(layers_[layer].k, position, k);
  copy(layers_[layer].v, position, v);
}

}  // namespace kvwave::capture
