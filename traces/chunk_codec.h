// Private to traces/: one HDF5 chunk as the filters "shuffle, then deflate" store it, made and undone without HDF5's
// own slower filters. Any HDF5 reader with plain gzip support reads the result.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

struct libdeflate_compressor;
struct libdeflate_decompressor;

namespace kvwave::traces {

class ChunkEncoder {
 public:
  ChunkEncoder();
  ~ChunkEncoder();
  ChunkEncoder(const ChunkEncoder&) = delete;
  ChunkEncoder& operator=(const ChunkEncoder&) = delete;
  /// The zlib stream of the shuffled chunk, or an empty span when it would not be smaller than the chunk. Valid until
  /// the next call. Leading byte planes that look like noise (mantissa ends of floats) are stored, not searched.
  std::span<const std::uint8_t> encode(std::span<const std::uint8_t> chunk, std::size_t element_bytes);

 private:
  libdeflate_compressor* compressor_;
  std::vector<std::uint8_t> shuffled_, stream_;
};

class ChunkDecoder {
 public:
  ChunkDecoder();
  ~ChunkDecoder();
  ChunkDecoder(const ChunkDecoder&) = delete;
  ChunkDecoder& operator=(const ChunkDecoder&) = delete;
  /// False unless `stream` is a zlib stream of exactly chunk.size() bytes; chunk.size() is a multiple of element_bytes.
  bool decode(std::span<const std::uint8_t> stream, std::size_t element_bytes, std::span<std::uint8_t> chunk);

 private:
  libdeflate_decompressor* decompressor_;
  std::vector<std::uint8_t> shuffled_;
};

}  // namespace kvwave::traces
