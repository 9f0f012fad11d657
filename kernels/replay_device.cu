#include <string>
#include <utility>

#include "kernels/cuda_stream.cuh"
#include "kernels/device.h"
#include "kernels/error.h"
#include "kernels/layer_stream.cuh"
#include "kernels/refresh_statistics.cuh"
#include "kernels/replay_device.h"
#include "kernels/row_evaluator.cuh"

namespace kvwave::kernels {

namespace {

// Refuses what the kernels cannot hold, then makes `device` the thread's own: members created later live on it.
int checked_device(int device, const ReplayShape& shape) {
  const std::string reason = ReplayDevice::why_refused(shape);
  if (!reason.empty()) throw Error("--device cuda cannot replay this trace: " + reason + "; use --device cpu");
  choose_device({DeviceChoice::Kind::cuda, device}, list_devices());
  KVWAVE_CUDA_CHECK(cudaSetDevice(device));
  return device;
}

}  // namespace

class ReplayDevice::Impl {
 public:
  Impl(int device, const ReplayShape& shape, LayerSource source, const Options& options)
      : device_(checked_device(device, shape)),
        layers_(device, shape, std::move(source), options.prefetch),
        statistics_(shape),
        rows_(shape) {}

  void load(std::uint32_t layer) {
    KVWAVE_CUDA_CHECK(cudaSetDevice(device_));
    layer_ = &layers_.load(layer);
    statistics_.start_layer();
  }

  const DeviceLayer& layer() const {
    if (layer_ == nullptr) throw Error("no layer was loaded on the device");
    return *layer_;
  }
  RefreshStatistics& statistics() { return statistics_; }
  RowEvaluator& rows() { return rows_; }
  cudaStream_t stream() const { return stream_.get(); }

 private:
  int device_;
  Stream stream_;
  LayerStream layers_;
  RefreshStatistics statistics_;
  RowEvaluator rows_;
  const DeviceLayer* layer_ = nullptr;
};

ReplayDevice::ReplayDevice(int device, const ReplayShape& shape, LayerSource source, const Options& options)
    : impl_(std::make_unique<Impl>(device, shape, std::move(source), options)) {}
ReplayDevice::~ReplayDevice() = default;
ReplayDevice::ReplayDevice(ReplayDevice&&) noexcept = default;
ReplayDevice& ReplayDevice::operator=(ReplayDevice&&) noexcept = default;

void ReplayDevice::load(std::uint32_t layer) {
  impl_->load(layer);
}

std::vector<CacheStatistics> ReplayDevice::statistics(std::span<const CacheStatisticsRequest> requests) {
  return impl_->statistics().statistics(impl_->layer(), requests, impl_->stream());
}

std::vector<std::vector<std::uint32_t>> ReplayDevice::select_top(std::span<const SelectionRequest> requests) {
  return impl_->statistics().select_top(requests, impl_->stream());
}

std::vector<double> ReplayDevice::position_mass(std::uint32_t first, std::uint32_t end) {
  return impl_->rows().position_mass(impl_->layer(), first, end, impl_->stream());
}

void ReplayDevice::start_evaluation(const EvaluationColumns& columns) {
  if (columns.recall_count > kMaxRecallCount) throw Error("a device counts recall of at most 32 entries");
  impl_->rows().start(columns, impl_->stream());
}

EvaluatedRows ReplayDevice::evaluate(std::uint32_t begin, std::uint32_t end) {
  return impl_->rows().evaluate(impl_->layer(), begin, end, impl_->stream());
}

std::vector<std::int32_t> ReplayDevice::last_needed() {
  return impl_->rows().last_needed(impl_->stream());
}

}  // namespace kvwave::kernels
