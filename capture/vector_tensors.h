// Post-RoPE q and k, and v, of every layer from a safetensors file: tensors layers.L.q [1, Hq, P, d], layers.L.k and
// layers.L.v [1, Hkv, P, d] as attention used them; the batch of 1 may be left out. F32, F16 or BF16.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "capture/recording_facts.h"
#include "capture/safetensors.h"
#include "traces/schema.h"

namespace kvwave::capture {

class VectorTensors {
 public:
  /// Checks names, types, extents and every value. Throws what SafetensorsFile throws, MissingArray, RecordingShape,
  /// RecordingNotFinite, and BadRecording for tensors that do not belong there.
  VectorTensors(const std::filesystem::path& path, const RecordingFacts& facts);

  std::uint32_t n_positions() const { return n_positions_; }
  /// How they are stored in a trace, always exactly: f16 when all are F16, else f32.
  traces::FloatType type() const { return type_; }

  /// One position of one layer in type(): q [Hq, d], k [Hkv, d], v [Hkv, d].
  void gather(std::uint32_t layer, std::uint32_t position, std::span<std::byte> q, std::span<std::byte> k,
              std::span<std::byte> v) const;

 private:
  struct Tensor {
    kernels::ParamType type = kernels::ParamType::f32;
    const std::byte* data = nullptr;
    std::uint32_t n_heads = 0;
  };
  struct Layer {
    Tensor q, k, v;
  };
  void add(const StoredTensor& tensor);
  void check(std::uint32_t layer, char which, const Tensor& tensor) const;
  void copy(const Tensor& tensor, std::uint32_t position, std::span<std::byte> out) const;

  SafetensorsFile file_;
  std::string path_;
  traces::ModelShape shape_;
  std::vector<Layer> layers_;
  std::uint32_t n_positions_ = 0;
  traces::FloatType type_ = traces::FloatType::f16;
};

}  // namespace kvwave::capture
