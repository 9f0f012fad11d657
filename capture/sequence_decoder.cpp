#include "capture/sequence_decoder.h"

#include <algorithm>

#include "capture/cuda_sequence.h"

namespace kvwave::capture {
namespace {

class CpuSequence final : public SequenceDecoder {
 public:
  CpuSequence(const Model& model, CacheType cache_type, kernels::ThreadPool& pool)
      : decoder_(model, {cache_type, model.config().context_length}, pool) {}

  void begin(std::uint32_t, Recorder* recorder) override {
    decoder_.reset();
    recorder_ = recorder;
  }
  std::uint32_t block_limit(std::uint32_t first, std::uint32_t wanted) const override {
    const std::uint32_t most = std::min(wanted, decoder_.max_block());
    return recorder_ != nullptr ? recorder_->block_limit(first, most) : most;
  }
  std::span<const float> feed(std::span<const std::int32_t> tokens) override {
    return decoder_.feed(tokens, recorder_);
  }
  void finish() override {}
  std::string device_name() const override { return "cpu"; }
  std::string attention_kernel() const override { return decoder_.attention_kernel(); }

 private:
  Decoder decoder_;
  Recorder* recorder_ = nullptr;
};

}  // namespace

std::unique_ptr<SequenceDecoder> make_sequence_decoder(const Model& model, CacheType cache_type,
                                                       kernels::ThreadPool& pool, const kernels::Device& device) {
  if (device.is_cuda()) return std::make_unique<CudaSequence>(model, cache_type, device);
  return std::make_unique<CpuSequence>(model, cache_type, pool);
}

}  // namespace kvwave::capture
