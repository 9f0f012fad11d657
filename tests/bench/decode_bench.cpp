// Speed of the decoder and its kernels. The last argument of a benchmark is the SIMD path (0 baseline, 1 avx2,
// 2 avx512); paths that the CPU lacks are skipped. BM_decode needs KVWAVE_MODEL.
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "capture/decoder.h"
#include "kernels/cpu_features.h"
#include "kernels/decode_attention.h"
#include "kernels/gemv.h"
#include "kernels/half.h"
#include "tests/capture/tiny_llama.h"

namespace kvwave {
namespace {

using kernels::ParamType;
using kernels::SimdPath;

bool choose_path(benchmark::State& state, std::int64_t path) {
  if (static_cast<SimdPath>(path) > kernels::best_simd_path()) {
    state.SkipWithError("not supported by this CPU");
    return false;
  }
  kernels::set_simd_path(static_cast<SimdPath>(path));
  return true;
}

struct RandomMatrix {
  RandomMatrix(ParamType type, std::uint32_t rows, std::uint32_t cols) {
    std::mt19937 random(1);
    bytes = capture::testing::random_params(type, rows, cols, 1.0F, random);
    view = {reinterpret_cast<const std::byte*>(bytes.data()), type, rows, cols};
  }
  std::string bytes;
  kernels::ParamMatrix view;
};

void count_params(benchmark::State& state, const RandomMatrix& w, double positions) {
  const double runs = static_cast<double>(state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(runs * static_cast<double>(w.bytes.size())));
  state.counters["params"] =
      benchmark::Counter(runs * w.view.rows * w.view.cols * positions, benchmark::Counter::kIsRate);
  state.SetLabel(std::string(kernels::to_string(w.view.type)));
}

// One token through a matrix larger than the L2 cache: type, path.
void BM_gemv(benchmark::State& state) {
  if (!choose_path(state, state.range(1))) return;
  const RandomMatrix w(static_cast<ParamType>(state.range(0)), 12288, 768);
  const std::vector<float> x(768, 0.5F);
  std::vector<float> y(w.view.rows);
  for (auto _ : state) {
    kernels::gemv(w.view, x, 0, y);
    benchmark::DoNotOptimize(y.data());
  }
  count_params(state, w, 1);
}
BENCHMARK(BM_gemv)->ArgsProduct({benchmark::CreateDenseRange(0, 14, 1), {0, 1, 2}});

// A block of 32 positions: type, path.
void BM_matmul(benchmark::State& state) {
  if (!choose_path(state, state.range(1))) return;
  const RandomMatrix w(static_cast<ParamType>(state.range(0)), 1536, 576);
  const std::vector<float> x(std::size_t{32} * 576, 0.5F);
  std::vector<float> y(std::size_t{32} * w.view.rows);
  kernels::ActivationTiles tiles;
  tiles.begin({x.data(), 32, 576}, 576);
  for (std::size_t tile = 0; tile < tiles.count(); ++tile) tiles.fill(tile);
  kernels::AlignedVector<float> scratch;
  for (auto _ : state) {
    kernels::matmul(w.view, tiles, 0, w.view.rows, y.data(), w.view.rows, scratch);
    benchmark::DoNotOptimize(y.data());
  }
  count_params(state, w, 32);
}
BENCHMARK(BM_matmul)->ArgsProduct({{0, 4, 7}, {0, 1, 2}});

// Three query heads of one kv_head with head_dim 64 over a cache of halves: positions, path.
void BM_attention(benchmark::State& state) {
  if (!choose_path(state, state.range(1))) return;
  const auto n = static_cast<std::uint32_t>(state.range(0));
  kernels::KvCache cache(kernels::KvType::f16, 1, 1, 64);
  cache.reserve(n);
  std::mt19937 random(1);
  for (std::uint32_t i = 0; i < n; ++i) {
    std::vector<std::uint16_t> k(64), v(64);
    for (auto& half : k) half = kernels::f32_to_f16(static_cast<float>(random()) * 0x1p-32F);
    v = k;
    cache.store(0, i, std::as_bytes(std::span(k)), std::as_bytes(std::span(v)));
  }
  const std::vector<float> q(3 * 64, 0.5F);
  std::vector<float> rows(3 * kernels::attention_row_stride(n)), out(3 * 64);
  for (auto _ : state) {
    kernels::decode_attention(cache, 0, 0, n, q, 3, rows, out);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) * n * 64 * 2 * 2);
}
BENCHMARK(BM_attention)->ArgsProduct({{256, 1024, 4096}, {0, 1, 2}});

// 64 tokens after a prompt of as many as the second argument says: threads, prompt, path. One item = one token.
void BM_decode(benchmark::State& state) {
  const char* path = std::getenv("KVWAVE_MODEL");
  if (path == nullptr) {
    state.SkipWithError("KVWAVE_MODEL is not set");
    return;
  }
  if (!choose_path(state, state.range(2))) return;
  const capture::Model model = capture::Model::load(path, capture::FileMemory::copied);
  kernels::ThreadPool pool(static_cast<unsigned>(state.range(0)));
  const std::vector<std::int32_t> prompt(static_cast<std::size_t>(state.range(1)), 7);
  for (auto _ : state) {
    state.PauseTiming();
    auto decoder = std::make_unique<capture::Decoder>(model, capture::DecoderOptions{}, pool);
    decoder->feed(prompt, nullptr);
    state.ResumeTiming();
    for (std::int32_t token = 100; token < 164; ++token) decoder->feed({&token, 1}, nullptr);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) * 64);
}
BENCHMARK(BM_decode)->ArgsProduct({{1, 2}, {53, 2000}, {0, 1, 2}})->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace kvwave
