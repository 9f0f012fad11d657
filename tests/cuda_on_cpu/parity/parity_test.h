// Random values and the skip of device tests.
#pragma once

#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "tests/cuda_on_cpu/parity/device_ops.h"

namespace kvwave::testing {

class DeviceParity : public ::testing::Test {
 protected:
  void SetUp() override {
    if (const std::string why = why_no_device(); !why.empty()) GTEST_SKIP() << "no usable CUDA device: " << why;
  }

  static std::vector<float> normal(std::size_t n, std::uint32_t seed, float spread = 1) {
    std::mt19937 random(seed);
    std::normal_distribution<float> distribution(0, spread);
    std::vector<float> values(n);
    for (float& value : values) value = distribution(random);
    return values;
  }
};

}  // namespace kvwave::testing
