#include "replay/generated_demand.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "alloc/layer_meter.h"
#include "kernels/thread_pool.h"
#include "replay/full_rows.h"
#include "replay/replay_trace.h"
#include "traces/command_line.h"

namespace kvwave::replay {

void for_each_generated_demand(
    const traces::TraceReader& trace, double rho,
    const std::function<void(std::size_t step, std::size_t layer, std::span<const std::uint32_t> demand)>& use) {
  const Sequence sequence = sequence_of(trace);
  kernels::ThreadPool pool(std::max(1U, std::thread::hardware_concurrency()));
  std::vector<std::vector<float>> scratch(pool.size());
  std::vector<std::uint32_t> demand(sequence.n_q_heads);
  for (std::uint32_t layer = 0; layer < sequence.n_layers; ++layer) {
    const LayerTensors tensors(trace, sequence, layer);
    FullRows rows(tensors);
    for (std::uint32_t first = sequence.n_prompt; first < sequence.n_positions; first += FullRows::kBlock) {
      if (traces::InterruptGuard::interrupted()) throw Interrupted();
      const std::uint32_t n = std::min(FullRows::kBlock, sequence.n_positions - first);
      rows.compute(first, n, pool);
      for (std::uint32_t position = first; position < first + n; ++position) {
        pool.parallel_for(sequence.n_q_heads, [&](std::size_t head, unsigned worker) {
          const auto q_head = static_cast<std::uint32_t>(head);
          const std::span<const float> generated = rows.weights(q_head, position).subspan(sequence.n_prompt);
          demand[head] = alloc::row_demand(generated, rho, scratch[worker]);
        });
        use(position - sequence.n_prompt, layer, demand);
      }
    }
  }
}

}  // namespace kvwave::replay
