// The thread that reads the next layer while one is worked on: order, errors, and an early end.
#include <chrono>
#include <future>
#include <mutex>
#include <stdexcept>
#include <thread>

#include <gtest/gtest.h>

#include "tests/cuda_on_cpu/replay/random_layer.h"

namespace kvwave::testing {
namespace {

using kernels::LayerTensor;
using kernels::ReplayDevice;

constexpr kernels::ReplayShape kShape{
    .n_layers = 4, .n_q_heads = 2, .n_kv_heads = 1, .head_dim = 8, .n_positions = 40, .n_prompt = 5};

/// Layers that differ from one another, and a log of what was read.
class Layers {
 public:
  Layers() {
    for (unsigned i = 0; i < kShape.n_layers; ++i) layers_.push_back(random_layer(kShape, 100 + i));
  }

  /// `before` is called for the first piece of each layer, in the reading thread.
  kernels::LayerSource source(std::function<void(std::uint32_t)> before = {}) {
    return [this, before](LayerTensor tensor, std::uint32_t layer, std::uint32_t begin, std::uint32_t end,
                          std::span<float> out) {
      if (tensor == LayerTensor::q && begin == 0) {
        {
          const std::lock_guard lock(mutex_);
          read_.push_back(layer);
          if (std::this_thread::get_id() != caller_) ++n_ahead_;
        }
        if (before) before(layer);
      }
      layers_[layer].source()(tensor, layer, begin, end, out);
    };
  }

  std::vector<std::uint32_t> read() const {
    const std::lock_guard lock(mutex_);
    return read_;
  }
  unsigned n_ahead() const { return n_ahead_; }

 private:
  const std::thread::id caller_ = std::this_thread::get_id();
  std::vector<RandomLayer> layers_;
  mutable std::mutex mutex_;
  std::vector<std::uint32_t> read_;
  unsigned n_ahead_ = 0;
};

std::vector<double> fingerprint(ReplayDevice& device) {
  return device.position_mass(kShape.n_prompt, kShape.n_positions);
}

TEST_F(ReplayOnDevice, layers_read_ahead_are_those_read_when_needed) {
  Layers ahead, plain;
  ReplayDevice a(0, kShape, ahead.source(), {.prefetch = true});
  ReplayDevice b(0, kShape, plain.source(), {.prefetch = false});
  for (std::uint32_t layer = 0; layer < kShape.n_layers; ++layer) {
    a.load(layer);
    b.load(layer);
    EXPECT_EQ(fingerprint(a), fingerprint(b)) << "layer " << layer;
  }
  EXPECT_EQ(ahead.read(), (std::vector<std::uint32_t>{0, 1, 2, 3}));
  EXPECT_EQ(ahead.n_ahead(), 3U) << "all but the first";
  EXPECT_EQ(plain.n_ahead(), 0U);
}

TEST_F(ReplayOnDevice, a_layer_out_of_order_is_read_when_it_is_asked_for) {
  Layers ahead, plain;
  ReplayDevice a(0, kShape, ahead.source(), {.prefetch = true});
  ReplayDevice b(0, kShape, plain.source(), {.prefetch = false});
  for (const std::uint32_t layer : {2U, 0U, 3U, 3U, 1U}) {
    a.load(layer);
    b.load(layer);
    EXPECT_EQ(fingerprint(a), fingerprint(b)) << "layer " << layer;
  }
}

TEST_F(ReplayOnDevice, what_the_reading_thread_meets_reaches_the_caller_that_wants_the_layer) {
  Layers layers;
  const auto fail = [](std::uint32_t layer) {
    if (layer == 2) throw std::runtime_error("layer 2 cannot be read");
  };
  ReplayDevice device(0, kShape, layers.source(fail), {.prefetch = true});
  device.load(0);
  device.load(1);  // 2 is read meanwhile
  fingerprint(device);
  for (int i = 0; i < 2; ++i) {
    try {
      device.load(2);
      FAIL() << "the error was lost";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "layer 2 cannot be read");
    }
  }
  device.load(1);
  device.load(3);  // nobody asked for 2 this time
  Layers plain;
  ReplayDevice other(0, kShape, plain.source(), {.prefetch = false});
  other.load(3);
  EXPECT_EQ(fingerprint(device), fingerprint(other));
}

TEST_F(ReplayOnDevice, an_early_end_waits_for_the_reading_thread_and_for_nothing_else) {
  Layers layers;
  std::promise<void> reading, go_on;
  std::future<void> started = reading.get_future();
  std::shared_future<void> released = go_on.get_future().share();
  const auto block = [&](std::uint32_t layer) {
    if (layer != 1) return;
    reading.set_value();
    released.wait();
  };
  std::thread releaser;
  {
    ReplayDevice device(0, kShape, layers.source(block), {.prefetch = true});
    device.load(0);
    started.wait();
    releaser = std::thread([&] { go_on.set_value(); });
  }  // ends while layer 1 is being read
  releaser.join();
  EXPECT_EQ(layers.read(), (std::vector<std::uint32_t>{0, 1}));
}

}  // namespace
}  // namespace kvwave::testing
