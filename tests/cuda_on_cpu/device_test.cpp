// Choosing a device, and what is said when it cannot be had.
#include "kernels/device.h"

#include <gtest/gtest.h>

#include "control.h"
#include "kernels/error.h"

namespace kvwave::kernels {
namespace {

std::string refusal(const char* choice, const DeviceList& list) {
  try {
    choose_device(parse_device_choice(choice), list);
  } catch (const DeviceUnavailable& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Device, words_are_parsed_strictly) {
  EXPECT_EQ(parse_device_choice("auto").kind, DeviceChoice::Kind::automatic);
  EXPECT_EQ(parse_device_choice("cpu").kind, DeviceChoice::Kind::cpu);
  EXPECT_EQ(parse_device_choice("cuda").index, -1);
  EXPECT_EQ(parse_device_choice("cuda:3").index, 3);
  for (const char* bad : {"", "gpu", "cuda:", "cuda:-1", "cuda:1x", "CUDA", "cuda:99999999999"}) {
    EXPECT_THROW(parse_device_choice(bad), Error) << bad;
  }
}

TEST(Device, automatic_takes_the_first_usable_device_or_the_cpu) {
  DeviceList list;
  EXPECT_EQ(choose_device({}, list).name, "cpu");
  list.cuda.push_back({0, "Old", 7, 5, 1, 1, 1, "too old"});
  EXPECT_FALSE(choose_device({}, list).is_cuda());
  list.cuda.push_back({1, "New", 9, 0, 1, 1, 1, ""});
  EXPECT_EQ(choose_device({}, list).name, "cuda:1 (New)");
  EXPECT_EQ(choose_device(parse_device_choice("cuda"), list).index, 1);
  EXPECT_EQ(choose_device(parse_device_choice("cpu"), list).name, "cpu");
}

TEST(Device, an_explicit_choice_is_refused_with_the_reason) {
  DeviceList list;
  EXPECT_EQ(refusal("cuda", list), "no CUDA device can be used: the driver finds no CUDA device");
  EXPECT_EQ(refusal("cuda:2", list), "there is no device cuda:2: the driver finds 0 CUDA devices");
  list.cuda.push_back({0, "Old", 7, 5, 1, 1, 1, "too old"});
  EXPECT_EQ(refusal("cuda:0", list), "cuda:0 (Old) cannot be used: too old");
  EXPECT_EQ(refusal("cuda", list), "no CUDA device can be used: cuda:0 (Old): too old");
  list.why_none = "this program was built without CUDA";
  EXPECT_EQ(refusal("cuda", list), "no CUDA device can be used: this program was built without CUDA");
}

TEST(Device, the_list_says_why_it_is_empty) {
  constexpr int kInsufficientDriver = 35;
  constexpr int kNoDevice = 100;
  cudasim::set_device_error(kInsufficientDriver);
  EXPECT_EQ(list_devices().why_none, "the NVIDIA driver is too old: it knows CUDA 12.4, this program needs 13.0");
  cudasim::set_device_error(kNoDevice);
  EXPECT_EQ(list_devices().why_none, "the driver finds no CUDA device");
  cudasim::set_device_error(0);
  const DeviceList list = list_devices();
  EXPECT_EQ(list.why_none, "");
  ASSERT_EQ(list.cuda.size(), 1U);
  EXPECT_EQ(list.cuda[0].why_unusable, "");
}

}  // namespace
}  // namespace kvwave::kernels
