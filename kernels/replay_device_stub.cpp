// The replay device of a build without CUDA.
#include "kernels/error.h"
#include "kernels/replay_device.h"

namespace kvwave::kernels {

class ReplayDevice::Impl {};

namespace {

[[noreturn]] void refuse() {
  throw DeviceUnavailable("--device cuda: this program was built without CUDA");
}

}  // namespace

ReplayDevice::ReplayDevice(int, const ReplayShape&, LayerSource, const Options&) {
  refuse();
}
ReplayDevice::~ReplayDevice() = default;
ReplayDevice::ReplayDevice(ReplayDevice&&) noexcept = default;
ReplayDevice& ReplayDevice::operator=(ReplayDevice&&) noexcept = default;
void ReplayDevice::load(std::uint32_t) {
  refuse();
}
std::vector<CacheStatistics> ReplayDevice::statistics(std::span<const CacheStatisticsRequest>) {
  refuse();
}
std::vector<std::vector<std::uint32_t>> ReplayDevice::select_top(std::span<const SelectionRequest>) {
  refuse();
}
std::vector<double> ReplayDevice::position_mass(std::uint32_t, std::uint32_t) {
  refuse();
}
void ReplayDevice::start_evaluation(const EvaluationColumns&) {
  refuse();
}
EvaluatedRows ReplayDevice::evaluate(std::uint32_t, std::uint32_t) {
  refuse();
}
std::vector<std::int32_t> ReplayDevice::last_needed() {
  refuse();
}

}  // namespace kvwave::kernels
