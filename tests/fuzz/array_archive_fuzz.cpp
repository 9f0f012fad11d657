// Arbitrary bytes as one .npy file or as an .npz archive: reading must end in arrays that lie inside the bytes, or in a
// typed error; memory stays within the limit given to unpack().
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "traces/error.h"
#include "traces/npy_array.h"
#include "traces/zip_file.h"

namespace {

using namespace kvwave::traces;

constexpr std::uint64_t kLargest = std::uint64_t{16} << 20;

void read_array(std::span<const std::byte> bytes) {
  const NpyArray array = parse_npy(bytes);
  if (array.size() * byte_size(array.type) > bytes.size()) std::abort();
  std::vector<float> values(array.size());
  npy_values(array, 0, std::span(values));  // reads every byte
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    read_array(bytes);
  } catch (const BadArrayFile&) {
  }
  try {
    std::vector<std::byte> memory;
    for (const ZipMember& member : zip_members(bytes)) {
      try {
        read_array(unpack(member, memory, kLargest));
      } catch (const BadArrayFile&) {
      }
      if (memory.size() > kLargest) std::abort();
    }
  } catch (const BadArrayFile&) {
  }
  return 0;
}
