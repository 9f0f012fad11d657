#include "traces/chunk_codec.h"

#include <cstring>
#include <new>

#include <libdeflate.h>

#include "traces/deflate_stream.h"

namespace kvwave::traces {
namespace {

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
      for (std::size_t i = 0; i < in.size(); ++i) out[i % element_bytes * count + i / element_bytes] = in[i];
  }
}

}  // namespace

std::span<const std::uint8_t> ChunkEncoder::encode(std::span<const std::uint8_t> chunk, std::size_t element_bytes) {
  constexpr std::size_t kHeader = 2;
  constexpr std::size_t kTrailer = 4;
  constexpr std::size_t kSlack = 4096;  // lets the stream grow past what is worth keeping before it gives up
  shuffled_.resize(chunk.size());
  stream_.resize(chunk.size() + kSlack);
  shuffle(chunk, element_bytes, shuffled_.data());
  stream_[0] = 0x78;  // zlib header: deflate with a 32 KiB window, fastest
  stream_[1] = 0x01;
  DeflateStream stream(std::span<std::uint8_t>(stream_).subspan(kHeader, stream_.size() - kHeader - kTrailer));
  const std::size_t plane = chunk.size() / element_bytes;
  for (std::size_t i = 0; i < element_bytes; ++i) {
    stream.add(std::span<const std::uint8_t>(shuffled_).subspan(i * plane, plane), i + 1 == element_bytes);
  }
  const std::size_t packed = stream.finish();
  const std::size_t size = kHeader + packed + kTrailer;
  if (packed == 0 || size >= chunk.size()) return {};
  const std::uint32_t check = libdeflate_adler32(1, shuffled_.data(), shuffled_.size());
  for (std::size_t i = 0; i < kTrailer; ++i) {
    stream_[kHeader + packed + i] = static_cast<std::uint8_t>(check >> (24 - 8 * i));
  }
  return {stream_.data(), size};
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
      for (std::size_t i = 0; i < chunk.size(); ++i)
        chunk[i] = shuffled_[i % element_bytes * count + i / element_bytes];
  }
  return true;
}

}  // namespace kvwave::traces
