// The safetensors reader on files written here by hand.
#include "capture/safetensors.h"

#include <gtest/gtest.h>

#include "capture/error.h"
#include "tests/capture/safetensors_builder.h"
#include "tests/temporary_folder.h"

namespace kvwave::capture {
namespace {

using testing::safetensors_bytes;
using testing::write_bytes;

constexpr const char* kTwo =
    R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F16","shape":[2,1],"data_offsets":[8,12]},)"
    R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";

template <typename ExpectedError>
void expect_error(const std::string& bytes, const std::string& part) {
  const TemporaryFolder folder;
  write_bytes(folder / "broken.safetensors", bytes);
  try {
    const SafetensorsFile file(folder / "broken.safetensors");
    ADD_FAILURE() << "accepted; expected an error with \"" << part << "\"";
  } catch (const ExpectedError& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find(part), std::string::npos) << text;
    EXPECT_NE(text.find("broken.safetensors"), std::string::npos) << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  }
}

std::string one(const std::string& fields, std::size_t data) {
  return safetensors_bytes("{\"t\":{" + fields + "}}", std::string(data, '\0'));
}

TEST(Safetensors, reads_tensors_in_the_order_of_their_bytes) {
  const TemporaryFolder folder;
  write_bytes(folder / "good.safetensors", safetensors_bytes(kTwo, "01234567abcd"));
  const SafetensorsFile file(folder / "good.safetensors");
  ASSERT_EQ(file.tensors().size(), 2U);
  EXPECT_EQ(file.tensors()[0].name, "a");
  EXPECT_EQ(file.tensors()[0].type, kernels::ParamType::f32);
  EXPECT_EQ(file.tensors()[1].name, "b");
  EXPECT_EQ(file.tensors()[1].shape, (std::vector<std::uint64_t>{2, 1}));
  EXPECT_EQ(static_cast<char>(file.tensors()[1].bytes[0]), 'a');
}

TEST(Safetensors, header_longer_than_the_file_is_its_own_error) {
  const std::string good = safetensors_bytes(kTwo, "01234567abcd");
  for (const std::uint64_t length : {std::uint64_t{good.size()}, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    expect_error<HeaderTooLong>(testing::little_endian(length) + good.substr(8),
                                "the header claims " + std::to_string(length) + " bytes");
  }
  expect_error<HeaderTooLong>(good.substr(0, 20), "truncated");
  expect_error<BadModelFile>("abc", "too few");
}

TEST(Safetensors, duplicate_names_are_their_own_error) {
  const std::string entry = R"({"dtype":"F32","shape":[1],"data_offsets":[0,4]})";
  expect_error<DuplicateName>(safetensors_bytes("{\"t\":" + entry + ",\"t\":" + entry + "}", "0123"),
                              "'t' appears twice");
  expect_error<DuplicateName>(one(R"("dtype":"F32","dtype":"F16","shape":[1],"data_offsets":[0,4])", 4), "'dtype'");
}

TEST(Safetensors, overlapping_offsets_are_their_own_error) {
  const std::string header = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                             R"("b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})";
  expect_error<OverlappingTensors>(safetensors_bytes(header, std::string(12, '\0')),
                                   "'b' begins at data offset 4, inside the tensor before, which ends at 8");
}

TEST(Safetensors, holes_and_wrong_ends_are_refused) {
  expect_error<BadModelFile>(one(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])", 8), "leaves a hole from 0");
  expect_error<BadModelFile>(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])", 4), "truncated");
  expect_error<BadModelFile>(one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])", 8), "the tensors end at 4");
  expect_error<BadModelFile>(one(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])", 4), "its shape needs 4 bytes");
  expect_error<BadModelFile>(one(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])", 8), "its shape needs 12 bytes");
}

TEST(Safetensors, dtypes_it_does_not_know_are_named_with_the_known_ones) {
  for (const std::string dtype : {"F64", "I64", "F8_E4M3", "BOOL", "", "f32"}) {
    expect_error<UnsupportedModel>(one("\"dtype\":\"" + dtype + R"(","shape":[1],"data_offsets":[0,4])", 4),
                                   "dtype '" + dtype + "'; known dtypes are F32, F16, BF16");
  }
}

TEST(Safetensors, headers_of_another_form_are_refused) {
  expect_error<BadModelFile>(safetensors_bytes("[1]", ""), "no JSON object");
  expect_error<BadModelFile>(safetensors_bytes("{\"t\":", ""), "no valid JSON");
  expect_error<BadModelFile>(safetensors_bytes("{\"t\":7}", ""), "described by no object");
  expect_error<BadModelFile>(one(R"("shape":[1],"data_offsets":[0,4])", 4), "'dtype' is missing");
  expect_error<BadModelFile>(one(R"("dtype":"F32","data_offsets":[0,4])", 4), "'shape' is missing");
  expect_error<BadModelFile>(one(R"("dtype":"F32","shape":[1])", 4), "'data_offsets' is missing");
  expect_error<BadModelFile>(one(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])", 4), "whole numbers");
  expect_error<BadModelFile>(one(R"("dtype":"F32","shape":[1.5],"data_offsets":[0,4])", 4), "whole numbers");
  expect_error<BadModelFile>(one(R"("dtype":"F32","shape":[0],"data_offsets":[0,0])", 0), "impossible shape");
  expect_error<BadModelFile>(one(R"("dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,4])", 4),
                             "impossible shape");
  expect_error<BadModelFile>(one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4,8])", 4), "expected 2 data_offsets");
  expect_error<BadModelFile>(safetensors_bytes(std::string(5000, '['), ""), "nested deeper");
}

}  // namespace
}  // namespace kvwave::capture
