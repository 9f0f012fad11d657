#include "capture/device_memory.h"

#include "capture/cuda_sequence.h"
#include "capture/error.h"
#include "kernels/error.h"
#include "traces/schema.h"

namespace kvwave::capture {

DeviceMemory predict_device_memory(const Model& model, CacheType cache_type, std::uint32_t positions) {
  DeviceMemory result;
  result.positions = cuda_capacity(positions, model.config().context_length);
  kernels::RecordOptions record;
  record.rho = traces::kDefaultRho;
  record.epsilon = traces::kDefaultEpsilon;
  const auto type = cache_type == CacheType::f16 ? kernels::KvType::f16 : kernels::KvType::f32;
  try {
    result.memory = kernels::cuda_decoder_memory(decoder_model(model), {0, type, result.positions}, &record);
  } catch (const kernels::DeviceUnavailable& error) {
    result.why_unknown = error.what();
  } catch (const UnsupportedModel& error) {  // runs on the CPU only
    result.why_unknown = error.what();
  }
  return result;
}

}  // namespace kvwave::capture
