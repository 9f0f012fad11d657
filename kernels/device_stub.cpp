// What a build without CUDA answers. Every public function of the .cu files has its twin here.
#include <utility>

#include "kernels/cuda_decoder.h"
#include "kernels/device_answers.h"
#include "kernels/error.h"

namespace kvwave::kernels {
namespace {

constexpr const char* kWithoutCuda = "this program was built without CUDA";

}  // namespace

DeviceList list_devices() {
  DriverAnswers answers;
  answers.answer = DriverAnswer::built_without_cuda;
  return describe_devices(std::move(answers));
}

class CudaDecoder::Impl {};
CudaDecoder::CudaDecoder(const DecoderModel&, const CudaDecoderOptions&) {
  throw DeviceUnavailable(kWithoutCuda);
}
CudaDecoder::~CudaDecoder() = default;
void CudaDecoder::start_recording(const RecordOptions&, DecodeRecordSink&) {}
std::span<const float> CudaDecoder::feed(std::span<const std::int32_t>) {
  return {};
}
void CudaDecoder::finish() {}
void CudaDecoder::reset() {}
std::uint32_t CudaDecoder::n_positions() const {
  return 0;
}
std::uint64_t CudaDecoder::stall_count() const {
  return 0;
}
CudaDecoderMemory cuda_decoder_memory(const DecoderModel&, const CudaDecoderOptions&, const RecordOptions*) {
  throw DeviceUnavailable(kWithoutCuda);
}

}  // namespace kvwave::kernels
