// Arbitrary bytes as a safetensors file: reading must end in tensors that lie inside the file or a typed error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "capture/error.h"
#include "capture/safetensors.h"
#include "tests/fuzz/memory_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const kvwave::fuzz::MemoryFile file(data, size);
  try {
    const kvwave::capture::SafetensorsFile model(file.path());
    std::size_t total = 0;
    for (const kvwave::capture::StoredTensor& tensor : model.tensors()) {
      for (const std::byte b : tensor.bytes) total += std::to_integer<std::size_t>(b);  // reads every byte
    }
    if (total > 255 * size) std::abort();
  } catch (const kvwave::capture::Error&) {
  }
  return 0;
}
