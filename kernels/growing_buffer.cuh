// Scratch that is kept between calls and only ever grows, in device memory and in pinned host memory.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "kernels/cuda_memory.cuh"

namespace kvwave::kernels {

template <class T>
class GrowingBuffer {
 public:
  explicit GrowingBuffer(const MemoryUse& use) : use_(use) {}

  /// Room for `size` values; what was there before is lost. Earlier work on the buffer must be finished.
  T* reserve(std::size_t size) {
    if (size > buffer_.size()) {
      buffer_ = {};  // frees first, so that both are never there together
      buffer_ = DeviceBuffer<T>(size, use_);
    }
    return buffer_.data();
  }
  /// reserve() and a copy to the device; `from` must stay until the stream has done it.
  T* upload(std::span<const T> from, cudaStream_t stream) {
    reserve(from.size());
    buffer_.upload(from, stream);
    return buffer_.data();
  }
  void download(std::span<T> to, cudaStream_t stream) const { buffer_.download(to, stream); }

  DeviceBuffer<T>& buffer() { return buffer_; }
  T* data() { return buffer_.data(); }

 private:
  MemoryUse use_;
  DeviceBuffer<T> buffer_;
};

/// Page-locked host memory for what travels to or from the device.
template <class T>
class GrowingPinned {
 public:
  /// Room for `size` values; what was there before is lost. Copies from or to it must be finished.
  std::span<T> reserve(std::size_t size) {
    if (size > buffer_.size()) {
      buffer_ = {};
      buffer_ = PinnedBuffer<T>(size + size / 4);
    }
    return buffer_.span().first(size);
  }

 private:
  PinnedBuffer<T> buffer_;
};

}  // namespace kvwave::kernels
