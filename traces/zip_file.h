// The directory of a zip archive in memory, and its members checked and unpacked: what numpy.savez (stored) and
// numpy.savez_compressed (deflate) write, zip64 included. Nothing of the archive is trusted: every offset and size is
// compared with the bytes that are there, and no memory is taken for more than the stated limits.
// Format: PKWARE's APPNOTE.TXT 6.3, sections 4.3 and 4.5.3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace kvwave::traces {

/// Deflate packs at most 1032 bytes into one: a member that claims more is refused before memory is taken.
inline constexpr std::uint64_t kMostDeflateRatio = 1032;
/// Packed members are unpacked as a whole; larger ones are refused. Stored members are read in place, of any size.
inline constexpr std::uint64_t kLargestUnpacked = std::uint64_t{2} << 30;

struct ZipMember {
  std::string name;
  std::span<const std::byte> packed;  ///< in the archive
  std::uint64_t size = 0;             ///< unpacked
  std::uint32_t crc32 = 0;            ///< of the unpacked bytes
  bool deflated = false;
};

/// The members in the order of their bytes. Throws BadArrayFile (without the archive's name): no archive, truncated,
/// split over several files, encrypted, packed by another method, names that occur twice, members that overlap or
/// contradict their own header.
std::vector<ZipMember> zip_members(std::span<const std::byte> archive);

/// The member's bytes: a stored one's where they lie, a deflated one's unpacked into `memory`. Throws BadArrayFile when
/// it is larger than `largest`, packed beyond kMostDeflateRatio, or fails its checksum.
std::span<const std::byte> unpack(const ZipMember& member, std::vector<std::byte>& memory,
                                  std::uint64_t largest = kLargestUnpacked);

}  // namespace kvwave::traces
