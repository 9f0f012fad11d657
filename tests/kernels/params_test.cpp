// Parameter blocks against the PyPI package gguf (tests/fixtures/make_dequantise_fixture.py), and the search for values
// that are no numbers.
#include "kernels/params.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace kvwave::kernels {
namespace {

constexpr ParamType kAll[] = {ParamType::f32,  ParamType::f16,  ParamType::bf16, ParamType::q4_0,   ParamType::q4_1,
                              ParamType::q5_0, ParamType::q5_1, ParamType::q8_0, ParamType::q4_k,   ParamType::q5_k,
                              ParamType::q6_k, ParamType::q2_k, ParamType::q3_k, ParamType::iq4_nl, ParamType::mxfp4};

ParamType type_of(const std::string& name) {
  for (const ParamType type : kAll) {
    if (to_string(type) == name) return type;
  }
  throw std::runtime_error("unknown type " + name);
}

std::vector<std::byte> from_hex(const std::string& hex) {
  std::vector<std::byte> bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::byte>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

TEST(Params, row_bytes_follow_the_blocks) {
  EXPECT_EQ(row_bytes(ParamType::f32, 3), 12U);
  EXPECT_EQ(row_bytes(ParamType::q4_1, 576), 360U);
  EXPECT_EQ(row_bytes(ParamType::q8_0, 576), 612U);
  EXPECT_EQ(row_bytes(ParamType::q6_k, 512), 420U);
  EXPECT_EQ(to_string(ParamType::q5_k), "Q5_K");
}

TEST(Params, every_type_expands_exactly_as_the_gguf_package_does) {
  std::ifstream in(std::string(KVWAVE_TEST_DATA) + "/dequantise.json");
  const auto cases = nlohmann::json::parse(in);
  std::set<std::string> seen;
  for (const auto& c : cases) {
    const auto name = c.at("type").get<std::string>();
    const ParamType type = type_of(name);
    seen.insert(name);
    const std::vector<std::byte> raw = from_hex(c.at("raw"));
    const std::vector<std::byte> expected_bytes = from_hex(c.at("values"));
    std::vector<float> expected(expected_bytes.size() / sizeof(float));
    std::memcpy(expected.data(), expected_bytes.data(), expected_bytes.size());
    ASSERT_EQ(row_bytes(type, expected.size()), raw.size()) << name;
    std::vector<float> values(expected.size());
    dequantise_row(type, raw.data(), values);
    EXPECT_EQ(values, expected) << name;
  }
  EXPECT_EQ(seen.size(), std::size(kAll) - 1) << "all but F32, which needs no reference";
}

TEST(Params, plain_floats_come_out_as_they_are_from_any_address) {
  const float in[3] = {1.5F, -0.0F, 3e38F};
  std::vector<std::byte> bytes(sizeof in + 1);
  std::memcpy(bytes.data() + 1, in, sizeof in);
  std::vector<float> out(3);
  dequantise_row(ParamType::f32, bytes.data() + 1, out);
  EXPECT_EQ(std::memcmp(out.data(), in, sizeof in), 0);
}

/// Where the two bytes with a block's exponents lie; plain types: the value itself.
std::vector<std::size_t> scale_fields(ParamType type) {
  switch (type) {
    case ParamType::q4_1:
    case ParamType::q5_1:
    case ParamType::q4_k:
    case ParamType::q5_k:
      return {0, 2};
    case ParamType::q6_k:
      return {208};
    case ParamType::q2_k:
      return {80, 82};
    case ParamType::q3_k:
      return {108};
    case ParamType::f32:
      return {2};  // the upper half of the float
    default:
      return {0};
  }
}

TEST(Params, a_scale_that_is_no_number_is_found_in_any_block) {
  for (const ParamType type : kAll) {
    if (type == ParamType::mxfp4) continue;  // one byte, below
    const auto cols = static_cast<std::uint32_t>(3 * block_values(type));
    for (std::size_t block = 0; block < 6; ++block) {
      for (const std::size_t field : scale_fields(type)) {
        // All payload bits set: quants may look like anything, only scales count.
        std::vector<std::byte> bytes(6 * block_bytes(type), std::byte{0xff});
        for (std::size_t b = 0; b < 6; ++b) {
          for (const std::size_t f : scale_fields(type)) {
            bytes[b * block_bytes(type) + f] = std::byte{0x00};
            bytes[b * block_bytes(type) + f + 1] = std::byte{0x3c};
          }
        }
        const ParamMatrix matrix{bytes.data(), type, 2, cols};
        ASSERT_FALSE(first_non_finite_row(matrix).has_value()) << to_string(type);
        bytes[block * block_bytes(type) + field] = std::byte{0x80};
        bytes[block * block_bytes(type) + field + 1] = std::byte{0x7f};
        EXPECT_EQ(first_non_finite_row(matrix), block / 3) << to_string(type) << " block " << block;
      }
    }
  }
}

TEST(Params, an_mxfp4_scale_that_is_nan_or_may_overflow_is_found) {
  for (const unsigned exponent : {0U, 127U, 252U, 253U, 254U, 255U}) {
    std::vector<std::byte> bytes(6 * block_bytes(ParamType::mxfp4), std::byte{0x77});  // quants of the largest value
    bytes[4 * block_bytes(ParamType::mxfp4)] = static_cast<std::byte>(exponent);
    const auto row = first_non_finite_row({bytes.data(), ParamType::mxfp4, 2, 96});
    EXPECT_EQ(row.has_value(), exponent > 252) << exponent;
    std::vector<float> values(96);
    dequantise_row(ParamType::mxfp4, bytes.data() + 3 * block_bytes(ParamType::mxfp4), values);
    EXPECT_EQ(std::isfinite(values[32]), exponent <= 252) << exponent;
  }
}

}  // namespace
}  // namespace kvwave::kernels
