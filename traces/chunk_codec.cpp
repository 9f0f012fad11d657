#include "traces/chunk_codec.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>

#include <libdeflate.h>

namespace kvwave::traces {
namespace {

constexpr int kLevel = 1;
constexpr std::size_t kStoredBlock = 65535;  ///< most bytes of one stored deflate block (RFC 1951, 3.2.4)
constexpr std::size_t kSample = 4096;

template <std::size_t Size>
void shuffle_fixed(const std::uint8_t* in, std::size_t count, std::uint8_t* out) {
  for (std::size_t plane = 0; plane < Size; ++plane) {
    for (std::size_t i = 0; i < count; ++i) out[plane * count + i] = in[i * Size + plane];
  }
}

template <std::size_t Size>
void unshuffle_fixed(const std::uint8_t* in, std::size_t count, std::uint8_t* out) {
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t plane = 0; plane < Size; ++plane) out[i * Size + plane] = in[plane * count + i];
  }
}

void shuffle(std::span<const std::uint8_t> in, std::size_t element_bytes, std::uint8_t* out) {
  const std::size_t count = in.size() / element_bytes;
  switch (element_bytes) {
    case 2:
      return shuffle_fixed<2>(in.data(), count, out);
    case 4:
      return shuffle_fixed<4>(in.data(), count, out);
    default:
      std::memcpy(out, in.data(), in.size());
  }
}

/// Whether the sampled bytes are spread almost evenly: the sum of squared counts of n even bytes is n + n^2 / 256.
bool spread_evenly(const std::array<std::uint32_t, 256>& counts) {
  std::uint64_t squares = 0;
  for (const std::uint64_t count : counts) squares += count * count;
  constexpr std::uint64_t kEven = kSample + kSample * kSample / 256;
  return squares < kEven + kEven / 8;
}

/// Whether deflate would find nothing in this plane: neither its bytes nor the steps between neighbours prefer any
/// value. (Low bytes of ascending positions are spread evenly, but their small steps repeat.) Looks at a sample.
bool looks_like_noise(const std::uint8_t* plane, std::size_t size) {
  if (size < 2 * kSample) return false;
  std::array<std::uint32_t, 256> values{}, steps{};
  const std::size_t stride = size / kSample;
  for (std::size_t i = 0; i < kSample; ++i) {
    const std::uint8_t* at = plane + i * stride;
    ++values[at[0]];
    ++steps[static_cast<std::uint8_t>(at[1] - at[0])];
  }
  return spread_evenly(values) && spread_evenly(steps);
}

}  // namespace

ChunkEncoder::ChunkEncoder() : compressor_(libdeflate_alloc_compressor(kLevel)) {
  if (compressor_ == nullptr) throw std::bad_alloc();
}

ChunkEncoder::~ChunkEncoder() {
  libdeflate_free_compressor(compressor_);
}

std::span<const std::uint8_t> ChunkEncoder::encode(std::span<const std::uint8_t> chunk, std::size_t element_bytes) {
  shuffled_.resize(chunk.size());
  stream_.resize(chunk.size());
  shuffle(chunk, element_bytes, shuffled_.data());
  const std::size_t plane = element_bytes == 2 || element_bytes == 4 ? chunk.size() / element_bytes : chunk.size();
  std::size_t stored = 0;
  while (stored + plane < chunk.size() && looks_like_noise(shuffled_.data() + stored, plane)) stored += plane;

  constexpr std::size_t kTrailer = 4;
  std::size_t used = 2;
  const auto fits = [&](std::size_t more) { return used + more + kTrailer < stream_.size(); };
  if (!fits(0)) return {};
  stream_[0] = 0x78;  // zlib header: deflate with a 32 KiB window, fastest
  stream_[1] = 0x01;
  for (std::size_t done = 0; done < stored;) {
    const std::size_t size = std::min(kStoredBlock, stored - done);
    if (!fits(5 + size)) return {};
    const auto length = static_cast<std::uint16_t>(size);
    const auto inverse = static_cast<std::uint16_t>(~length);
    stream_[used] = 0;  // not the last block, stored; a whole byte because each such block ends on a byte
    std::memcpy(stream_.data() + used + 1, &length, 2);
    std::memcpy(stream_.data() + used + 3, &inverse, 2);
    std::memcpy(stream_.data() + used + 5, shuffled_.data() + done, size);
    used += 5 + size;
    done += size;
  }
  const std::size_t packed =
      libdeflate_deflate_compress(compressor_, shuffled_.data() + stored, shuffled_.size() - stored,
                                  stream_.data() + used, stream_.size() - used - kTrailer);
  if (packed == 0) return {};
  used += packed;
  const std::uint32_t check = libdeflate_adler32(1, shuffled_.data(), shuffled_.size());
  for (std::size_t i = 0; i < kTrailer; ++i) stream_[used + i] = static_cast<std::uint8_t>(check >> (24 - 8 * i));
  return {stream_.data(), used + kTrailer};
}

ChunkDecoder::ChunkDecoder() : decompressor_(libdeflate_alloc_decompressor()) {
  if (decompressor_ == nullptr) throw std::bad_alloc();
}

ChunkDecoder::~ChunkDecoder() {
  libdeflate_free_decompressor(decompressor_);
}

bool ChunkDecoder::decode(std::span<const std::uint8_t> stream, std::size_t element_bytes,
                          std::span<std::uint8_t> chunk) {
  shuffled_.resize(chunk.size());
  // Without a place for the actual size, libdeflate takes nothing but a stream of exactly the expected one.
  if (libdeflate_zlib_decompress(decompressor_, stream.data(), stream.size(), shuffled_.data(), shuffled_.size(),
                                 nullptr) != LIBDEFLATE_SUCCESS) {
    return false;
  }
  const std::size_t count = chunk.size() / element_bytes;
  switch (element_bytes) {
    case 2:
      unshuffle_fixed<2>(shuffled_.data(), count, chunk.data());
      break;
    case 4:
      unshuffle_fixed<4>(shuffled_.data(), count, chunk.data());
      break;
    default:
      std::memcpy(chunk.data(), shuffled_.data(), chunk.size());
  }
  return true;
}

}  // namespace kvwave::traces
