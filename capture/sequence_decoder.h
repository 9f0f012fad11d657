// What a session needs of a decoder, whatever it runs on.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "capture/decoder.h"
#include "capture/model.h"
#include "capture/recorder.h"
#include "kernels/device.h"
#include "kernels/thread_pool.h"

namespace kvwave::capture {

class SequenceDecoder {
 public:
  virtual ~SequenceDecoder() = default;

  /// Forgets the sequence and makes room for so many positions. From now on every position goes to the recorder (null =
  /// none), which must live until finish() or the next begin().
  virtual void begin(std::uint32_t n_positions, Recorder* recorder) = 0;
  /// How many of the next tokens to feed at once, 1 .. wanted.
  virtual std::uint32_t block_limit(std::uint32_t first, std::uint32_t wanted) const = 0;
  /// Appends the tokens and returns the logits [vocab] of the last one, valid until the next call. Throws as
  /// Decoder::feed does, and kernels::DeviceFailure.
  virtual std::span<const float> feed(std::span<const std::int32_t> tokens) = 0;
  /// After the last token: what was fed has reached the recorder.
  virtual void finish() = 0;

  /// Names for provenance: "cpu", "cuda:0 (NVIDIA H200)"; "cpu-avx512", "cuda-chunks, prompt mma-3xtf32".
  virtual std::string device_name() const = 0;
  virtual std::string attention_kernel() const = 0;
};

/// A decoder on that device. Model and pool must outlive it.
std::unique_ptr<SequenceDecoder> make_sequence_decoder(const Model& model, CacheType cache_type,
                                                       kernels::ThreadPool& pool, const kernels::Device& device);

}  // namespace kvwave::capture
