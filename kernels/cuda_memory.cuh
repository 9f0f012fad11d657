// Device memory and pinned host memory that free themselves.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <span>
#include <type_traits>
#include <utility>

#include "kernels/cuda_check.cuh"
#include "kernels/error.h"

namespace kvwave::kernels {

/// What an allocation is for, so that a failure can say what was asked and what lowers it.
struct MemoryUse {
  const char* what;    ///< "the KV cache"
  const char* remedy;  ///< "lower -n"
};

/// cudaMalloc; throws DeviceOutOfMemory.
void* allocate_device_memory(std::size_t bytes, const MemoryUse& use);

/// An array in device memory, not initialised. Empty buffers hold no memory.
template <class T>
class DeviceBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  DeviceBuffer() = default;
  DeviceBuffer(std::size_t size, const MemoryUse& use) : size_(size) {
    if (size == 0) return;
    if (size > static_cast<std::size_t>(-1) / sizeof(T)) throw DeviceOutOfMemory("an allocation overflows");
    data_ = static_cast<T*>(allocate_device_memory(size * sizeof(T), use));
  }
  ~DeviceBuffer() { cudaFree(data_); }
  DeviceBuffer(DeviceBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }

  /// Enqueues a copy; source and target must stay as they are until the stream has done it.
  void upload(std::span<const T> from, cudaStream_t stream, std::size_t at = 0) {
    check_range(at, from.size());
    if (from.empty()) return;
    KVWAVE_CUDA_CHECK(cudaMemcpyAsync(data_ + at, from.data(), from.size_bytes(), cudaMemcpyHostToDevice, stream));
  }
  void download(std::span<T> to, cudaStream_t stream, std::size_t at = 0) const {
    check_range(at, to.size());
    if (to.empty()) return;
    KVWAVE_CUDA_CHECK(cudaMemcpyAsync(to.data(), data_ + at, to.size_bytes(), cudaMemcpyDeviceToHost, stream));
  }
  void fill_bytes(int value, cudaStream_t stream) {
    if (size_ != 0) KVWAVE_CUDA_CHECK(cudaMemsetAsync(data_, value, size_ * sizeof(T), stream));
  }

 private:
  void check_range(std::size_t at, std::size_t count) const {
    if (at > size_ || count > size_ - at) throw Error("a copy would leave a device buffer");
  }

  T* data_ = nullptr;
  std::size_t size_ = 0;
};

/// An array in page-locked host memory: copies to and from it run beside kernels.
template <class T>
class PinnedBuffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  PinnedBuffer() = default;
  explicit PinnedBuffer(std::size_t size) : size_(size) {
    if (size != 0) KVWAVE_CUDA_CHECK(cudaMallocHost(&data_, size * sizeof(T)));
  }
  ~PinnedBuffer() {
    if (data_ != nullptr) cudaFreeHost(data_);
  }
  PinnedBuffer(PinnedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  PinnedBuffer& operator=(PinnedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::span<T> span() { return {data_, size_}; }
  std::span<const T> span() const { return {data_, size_}; }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace kvwave::kernels
