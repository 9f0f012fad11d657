// Private to traces/: SHA-256 blocks with the processor's SHA instructions; compiled for them alone.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kvwave::traces {

/// False in builds for other processors and on processors without them; then sha256_blocks_shani must not be called.
bool has_sha_instructions();
/// Advances the eight state words a .. h by `count` blocks of 64 bytes.
void sha256_blocks_shani(std::uint32_t* state, const std::uint8_t* data, std::size_t count);

}  // namespace kvwave::traces
