// How much memory decoding and recording take on a CUDA device, before there is one.
#pragma once

#include <cstdint>
#include <string>

#include "capture/decoder.h"
#include "capture/model.h"
#include "kernels/cuda_decoder.h"

namespace kvwave::capture {

struct DeviceMemory {
  std::uint32_t positions = 0;  ///< room of the KV cache: what was asked, rounded up as decoding does
  kernels::CudaDecoderMemory memory;
  std::string why_unknown;  ///< empty = predicted
};

/// For a sequence of `positions` with every level recorded at the defaults. Asks no driver.
DeviceMemory predict_device_memory(const Model& model, CacheType cache_type, std::uint32_t positions);

}  // namespace kvwave::capture
