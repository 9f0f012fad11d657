// Why no CUDA device can be used: each reason in its own words, whatever machine the test runs on.
#include "kernels/device_answers.h"

#include <gtest/gtest.h>

#include "kernels/error.h"

namespace kvwave::kernels {
namespace {

DriverAnswers one_device(int major, int minor) {
  DriverAnswers answers;
  answers.driver_version = 13000;
  answers.runtime_version = 13000;
  answers.oldest_capability = 80;
  answers.devices.push_back({0, "Some GPU", major, minor, 100, 1 << 30, 1 << 20, ""});
  return answers;
}

/// What `--device WORD` says.
std::string refusal(const DriverAnswers& answers, const char* word = "cuda") {
  try {
    choose_device(parse_device_choice(word), describe_devices(answers));
  } catch (const DeviceUnavailable& error) {
    return error.what();
  }
  return "accepted";
}

TEST(DeviceAnswers, a_build_without_cuda_says_so) {
  DriverAnswers answers;
  answers.answer = DriverAnswer::built_without_cuda;
  EXPECT_EQ(refusal(answers), "no CUDA device can be used: this program was built without CUDA");
}

TEST(DeviceAnswers, a_missing_driver_is_named) {
  DriverAnswers answers;
  answers.answer = DriverAnswer::insufficient_driver;  // what the runtime answers without any driver
  answers.runtime_version = 13000;
  EXPECT_EQ(refusal(answers), "no CUDA device can be used: no NVIDIA driver is installed");
}

TEST(DeviceAnswers, an_old_driver_is_named_with_both_versions) {
  DriverAnswers answers;
  answers.answer = DriverAnswer::insufficient_driver;
  answers.driver_version = 12040;
  answers.runtime_version = 13000;
  EXPECT_EQ(refusal(answers),
            "no CUDA device can be used: the NVIDIA driver is too old: it knows CUDA 12.4, this program needs 13.0");
}

TEST(DeviceAnswers, a_driver_without_a_device_is_no_missing_driver) {
  DriverAnswers answers;
  answers.answer = DriverAnswer::no_device;
  answers.driver_version = answers.runtime_version = 13000;
  EXPECT_EQ(refusal(answers), "no CUDA device can be used: the driver finds no CUDA device");
  answers.answer = DriverAnswer::devices;
  EXPECT_EQ(refusal(answers), "no CUDA device can be used: the driver finds no CUDA device");
}

TEST(DeviceAnswers, an_older_architecture_than_the_oldest_machine_code_is_refused) {
  EXPECT_EQ(refusal(one_device(7, 5)),
            "no CUDA device can be used: cuda:0 (Some GPU): its compute capability 7.5 is below 8.0, the lowest this "
            "program was built for");
  EXPECT_EQ(refusal(one_device(7, 5), "cuda:0"),
            "cuda:0 (Some GPU) cannot be used: its compute capability 7.5 is below 8.0, the lowest this program was "
            "built for");
  EXPECT_EQ(refusal(one_device(8, 0)), "accepted");
  EXPECT_EQ(refusal(one_device(12, 1)), "accepted");
}

TEST(DeviceAnswers, an_index_out_of_range_is_told_how_many_there_are) {
  EXPECT_EQ(refusal(one_device(9, 0), "cuda:1"), "there is no device cuda:1: the driver finds 1 CUDA device");
}

TEST(DeviceAnswers, any_other_answer_is_passed_on) {
  DriverAnswers answers;
  answers.answer = DriverAnswer::failure;
  answers.failure = "cudaErrorSystemDriverMismatch: driver and library differ";
  EXPECT_EQ(refusal(answers),
            "no CUDA device can be used: the driver answers cudaErrorSystemDriverMismatch: driver and library differ");
  DriverAnswers unreadable = one_device(0, 0);
  unreadable.devices[0].why_unusable = "its properties cannot be read: cudaErrorUnknown: unknown error";
  EXPECT_EQ(refusal(unreadable, "cuda:0"),
            "cuda:0 (Some GPU) cannot be used: its properties cannot be read: cudaErrorUnknown: unknown error");
}

TEST(DeviceAnswers, automatic_falls_back_to_the_cpu_for_every_reason) {
  for (const DriverAnswer answer : {DriverAnswer::built_without_cuda, DriverAnswer::insufficient_driver,
                                    DriverAnswer::no_device, DriverAnswer::failure}) {
    DriverAnswers answers;
    answers.answer = answer;
    EXPECT_FALSE(choose_device({}, describe_devices(answers)).is_cuda());
  }
  EXPECT_FALSE(choose_device({}, describe_devices(one_device(7, 5))).is_cuda());
  EXPECT_TRUE(choose_device({}, describe_devices(one_device(9, 0))).is_cuda());
}

}  // namespace
}  // namespace kvwave::kernels
