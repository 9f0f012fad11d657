#include "kernels/cuda_matrix.cuh"
#include "kernels/head_rotation.cuh"
#include "kernels/transformer_ops_cuda.cuh"

namespace kvwave::kernels {
namespace {

constexpr unsigned kThreads = 128;

/// Grid: positions. Each thread expands slices and writes the columns they hold.
template <ParamType kType>
__global__ void __launch_bounds__(kThreads)
    embed_kernel(DeviceMatrix embedding, const StepInput* input, float* x, unsigned stride) {
  using F = Format<kType>;
  const auto token = static_cast<std::size_t>(input->token[blockIdx.x]);
  float* out = x + std::size_t{blockIdx.x} * stride;
  for (unsigned slice = threadIdx.x; slice < embedding.slices; slice += kThreads) {
    float w[F::kValues];
    expand_slice<kType>(embedding, token, slice, w);
#pragma unroll
    for (unsigned i = 0; i < F::kValues; ++i) {
      const unsigned column = F::column_of(slice, i / 4) + i % 4;
      if (column < embedding.cols) out[column] = w[i];
    }
  }
}

/// Grid: (heads of q, then of k, then of v, a warp each; positions).
template <class T>
__global__ void __launch_bounds__(kThreads) store_qkv_kernel(QkvTask task, const StepInput* input) {
  const unsigned index = blockIdx.x * (kThreads / kWarp) + threadIdx.x / kWarp;
  const unsigned p = blockIdx.y;
  if (index >= task.n_q_heads + 2 * task.n_kv_heads) return;  // the whole warp
  const HeadKind kind = index < task.n_q_heads                     ? HeadKind::q
                        : index < task.n_q_heads + task.n_kv_heads ? HeadKind::k
                                                                   : HeadKind::v;
  const unsigned head = kind == HeadKind::q ? index : (index - task.n_q_heads) % task.n_kv_heads;
  T* record = record_of<T>(task, input, kind, head, p);
  T* cache = kind == HeadKind::q ? nullptr : cached_head<T>(task, input, kind, head, p);
  float* q = task.q + std::size_t{p} * task.q_stride + std::size_t{head} * task.head_dim;
  rotate_head<T>(task, input, kind, head, p, [&](unsigned i, T value) {
    if (record != nullptr) record[i] = value;
    if (kind == HeadKind::q) {
      q[i] = as_float(value);
    } else {
      cache[i] = value;
    }
  });
}

}  // namespace

void embed_cuda(const DeviceMatrix& embedding, const StepInput* input, unsigned n_positions, float* x, unsigned stride,
                cudaStream_t stream) {
  with_param_type(embedding.type, [&]<ParamType kType>() {
    launch(embed_kernel<kType>, {n_positions, kThreads}, stream, embedding, input, x, stride);
  });
}

void store_qkv_cuda(const QkvTask& task, const StepInput* input, unsigned n_positions, cudaStream_t stream) {
  const LaunchShape shape{dim3(ceil_div(task.n_q_heads + 2 * task.n_kv_heads, kThreads / kWarp), n_positions),
                          kThreads};
  if (task.type == KvType::f16) {
    launch(store_qkv_kernel<__half>, shape, stream, task, input);
  } else {
    launch(store_qkv_kernel<float>, shape, stream, task, input);
  }
}

}  // namespace kvwave::kernels
