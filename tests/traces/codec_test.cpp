// The chunk codec and half-precision widening against their definitions.
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <vector>
#include <zlib.h>

#include <gtest/gtest.h>

#include "traces/chunk_codec.h"
#include "traces/half_float.h"

namespace kvwave::traces {
namespace {

using Bytes = std::vector<std::uint8_t>;

/// What HDF5's own filters would make of the stored chunk: zlib's inflate, then unshuffling by its definition.
Bytes decode_by_definition(std::span<const std::uint8_t> stream, std::size_t element_bytes, std::size_t size) {
  Bytes shuffled(size);
  uLongf got = size;
  EXPECT_EQ(uncompress(shuffled.data(), &got, stream.data(), stream.size()), Z_OK);
  EXPECT_EQ(got, size);
  Bytes chunk(size);
  const std::size_t count = size / element_bytes;
  for (std::size_t i = 0; i < size; ++i) chunk[i] = shuffled[i % element_bytes * count + i / element_bytes];
  return chunk;
}

std::vector<Bytes> example_chunks(std::mt19937& random) {
  std::vector<Bytes> chunks;
  for (const std::size_t size :
       {std::size_t{8}, std::size_t{64}, std::size_t{4096}, std::size_t{70000}, std::size_t{262144}}) {
    Bytes zeros(size), noise(size), mixed(size), runs(size), text(size), ascending(size);
    for (std::size_t i = 0; i < size; ++i) {
      noise[i] = static_cast<std::uint8_t>(random());
      mixed[i] = i % 4 < 2 ? noise[i] : static_cast<std::uint8_t>(random() % 5);
      runs[i] = static_cast<std::uint8_t>(i / 300);
      text[i] = static_cast<std::uint8_t>("abracadabra"[random() % 11]);
      ascending[i] = static_cast<std::uint8_t>(i % 4 == 0 ? i / 4 * 3 : 0);
    }
    for (const Bytes& chunk : {zeros, noise, mixed, runs, text, ascending}) chunks.push_back(chunk);
  }
  return chunks;
}

TEST(ChunkCodec, makes_streams_that_zlib_and_the_own_decoder_read) {
  const unsigned seed = std::random_device{}();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  ChunkEncoder encoder;
  ChunkDecoder decoder;
  for (const Bytes& chunk : example_chunks(random)) {
    for (const std::size_t element_bytes : {1, 2, 4, 8}) {
      const auto stream = encoder.encode(chunk, element_bytes);
      if (stream.empty()) continue;
      EXPECT_LT(stream.size(), chunk.size());
      if (element_bytes == 1 || element_bytes == 2 || element_bytes == 4) {
        EXPECT_EQ(decode_by_definition(stream, element_bytes, chunk.size()), chunk);
      }
      Bytes decoded(chunk.size());
      EXPECT_TRUE(decoder.decode(stream, element_bytes, decoded));
      EXPECT_EQ(decoded, chunk);
    }
  }
}

TEST(ChunkCodec, keeps_noise_uncompressed_and_shrinks_the_rest) {
  std::mt19937 random(1);
  ChunkEncoder encoder;
  Bytes noise(65536);
  for (auto& byte : noise) byte = static_cast<std::uint8_t>(random());
  EXPECT_TRUE(encoder.encode(noise, 1).empty());
  Bytes half_noise(65536);
  for (std::size_t i = 0; i < half_noise.size(); i += 2) half_noise[i] = static_cast<std::uint8_t>(random());
  EXPECT_LT(encoder.encode(half_noise, 2).size(), 33500U);
  EXPECT_GT(encoder.encode(half_noise, 2).size(), 32768U);
}

TEST(ChunkCodec, refuses_streams_that_are_damaged_or_of_another_size) {
  ChunkEncoder encoder;
  ChunkDecoder decoder;
  Bytes chunk(4096);
  for (std::size_t i = 0; i < chunk.size(); ++i) chunk[i] = static_cast<std::uint8_t>(i / 5);
  const auto stream = encoder.encode(chunk, 4);
  const Bytes good(stream.begin(), stream.end());
  Bytes out(chunk.size());
  EXPECT_TRUE(decoder.decode(good, 4, out));
  Bytes shorter(4092);
  EXPECT_FALSE(decoder.decode(good, 4, shorter));
  Bytes longer(4100);
  EXPECT_FALSE(decoder.decode(good, 4, longer));
  for (std::size_t i = 0; i < good.size(); ++i) {
    Bytes bad = good;
    bad[i] ^= 0x10;
    Bytes result(chunk.size());
    const bool accepted = decoder.decode(bad, 4, result);
    EXPECT_TRUE(!accepted || result == chunk) << i;  // some header bits do not matter
  }
  EXPECT_FALSE(decoder.decode({}, 4, out));
}

TEST(HalfFloat, widens_every_half_exactly) {
  std::vector<std::uint16_t> halves(65536);
  for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<std::uint16_t>(i);
  std::vector<float> wide(halves.size());
  widen_halves(halves.data(), halves.size(), wide.data());
  std::vector<float> piecewise(halves.size());  // short arrays take the portable path
  for (std::size_t i = 0; i < halves.size(); i += 4) widen_halves(&halves[i], 4, &piecewise[i]);
  for (std::size_t i = 0; i < halves.size(); ++i) {
    const auto exponent = static_cast<int>((i >> 10) & 31);
    const auto mantissa = static_cast<float>(i & 1023);
    float expected = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(mantissa + 1024, exponent - 25);
    if (exponent == 31) expected = mantissa == 0 ? INFINITY : NAN;
    if (i >= 32768) expected = -expected;
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(wide[i]) && std::isnan(piecewise[i])) << i;
    } else {
      EXPECT_EQ(std::bit_cast<std::uint32_t>(wide[i]), std::bit_cast<std::uint32_t>(expected)) << i;
      EXPECT_EQ(std::bit_cast<std::uint32_t>(piecewise[i]), std::bit_cast<std::uint32_t>(expected)) << i;
    }
  }
}

}  // namespace
}  // namespace kvwave::traces
