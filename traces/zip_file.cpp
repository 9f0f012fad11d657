#include "traces/zip_file.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>
#include <set>
#include <string_view>

#include <fmt/format.h>
#include <libdeflate.h>

#include "traces/error.h"

namespace kvwave::traces {
namespace {

using Bytes = std::span<const std::byte>;

constexpr std::uint32_t kLocalHeader = 0x04034b50, kCentralHeader = 0x02014b50, kEnd = 0x06054b50;
constexpr std::uint32_t kEnd64 = 0x06064b50, kEnd64Locator = 0x07064b50;
constexpr std::size_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56, kLocatorBytes = 20;
constexpr std::size_t kLongestComment = 65535;
constexpr std::uint32_t kIn64 = 0xffffffff;  // the value stands in the zip64 field
constexpr std::uint16_t kExtra64 = 1;

// Part of the archive with the place it came from; reading past its end is the archive's fault.
class Fields {
 public:
  Fields(Bytes archive, std::uint64_t offset, std::uint64_t size, std::string_view what) : what_(what) {
    if (offset > archive.size() || size > archive.size() - offset) {
      throw BadArrayFile(fmt::format("is damaged: {} at byte {} needs {} bytes, the archive has {}", what, offset, size,
                                     archive.size()));
    }
    bytes_ = archive.subspan(offset, size);
  }

  template <class T>
  T at(std::size_t offset) const {
    T value{};
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  }
  void expect(std::uint32_t signature) const {
    if (at<std::uint32_t>(0) != signature)
      throw BadArrayFile(fmt::format("is damaged: no {} where one should be", what_));
  }

 private:
  Bytes bytes_;
  std::string_view what_;
};

struct Directory {
  std::uint64_t offset = 0, size = 0, count = 0;
};

// The end record lies in front of a comment of unknown length: the last place where it fits is taken.
std::size_t find_end(Bytes archive) {
  if (archive.size() >= kEndBytes) {
    const std::size_t last = archive.size() - kEndBytes;
    const std::size_t first = last - std::min(last, kLongestComment);
    for (std::size_t at = last + 1; at-- > first;) {
      const Fields end(archive, at, kEndBytes, "end record");
      if (end.at<std::uint32_t>(0) == kEnd && end.at<std::uint16_t>(20) == last - at) return at;
    }
  }
  throw BadArrayFile("is no zip archive, or truncated: it has no end record");
}

Directory find_directory(Bytes archive) {
  const std::size_t at = find_end(archive);
  const Fields end(archive, at, kEndBytes, "end record");
  if (end.at<std::uint16_t>(4) != 0 || end.at<std::uint16_t>(6) != 0) {
    throw BadArrayFile("is one part of a split zip archive, expected a whole one");
  }
  Directory directory{end.at<std::uint32_t>(16), end.at<std::uint32_t>(12), end.at<std::uint16_t>(10)};
  const bool beyond = directory.offset == kIn64 || directory.size == kIn64 || directory.count == 0xffff;
  if (beyond && at >= kLocatorBytes) {
    const Fields locator(archive, at - kLocatorBytes, kLocatorBytes, "zip64 locator");
    if (locator.at<std::uint32_t>(0) == kEnd64Locator) {
      const Fields end64(archive, locator.at<std::uint64_t>(8), kEnd64Bytes, "zip64 end record");
      end64.expect(kEnd64);
      directory = {end64.at<std::uint64_t>(48), end64.at<std::uint64_t>(40), end64.at<std::uint64_t>(32)};
    }
  }
  const Fields whole(archive, directory.offset, directory.size, "directory");
  if (directory.count > directory.size / kCentralBytes) {
    throw BadArrayFile(
        fmt::format("is damaged: {} members cannot stand in a directory of {} bytes", directory.count, directory.size));
  }
  return directory;
}

// One entry of the directory, before its local header was looked at.
struct Entry {
  ZipMember member;
  std::uint64_t packed_size = 0, header = 0;
};

// Sizes and offset that did not fit into 32 bits follow one another in the extra field 1, those that did are left out.
void read_extra64(Bytes archive, std::uint64_t offset, std::uint64_t size, Entry& entry) {
  std::uint64_t* const wanted[] = {entry.member.size == kIn64 ? &entry.member.size : nullptr,
                                   entry.packed_size == kIn64 ? &entry.packed_size : nullptr,
                                   entry.header == kIn64 ? &entry.header : nullptr};
  if (std::all_of(std::begin(wanted), std::end(wanted), [](const auto* each) { return each == nullptr; })) return;
  for (const std::uint64_t end = offset + size; end - offset >= 4;) {
    const Fields head(archive, offset, 4, "extra field");
    const std::uint64_t length = head.at<std::uint16_t>(2);
    offset += 4;
    if (length > end - offset) break;
    if (head.at<std::uint16_t>(0) == kExtra64) {
      std::uint64_t used = 0;
      for (std::uint64_t* const value : wanted) {
        if (value == nullptr) continue;
        if (length - used < 8) break;
        *value = Fields(archive, offset + used, 8, "zip64 field").at<std::uint64_t>(0);
        used += 8;
      }
      return;
    }
    offset += length;
  }
}

// Where the member's bytes begin: behind its local header, whose name and extra field have lengths of their own.
Bytes packed_bytes(Bytes archive, const Entry& entry) {
  const Fields local(archive, entry.header, kLocalBytes, "member header");
  local.expect(kLocalHeader);
  const std::uint64_t name = local.at<std::uint16_t>(26), extra = local.at<std::uint16_t>(28);
  const std::uint64_t begin = entry.header + kLocalBytes + name + extra;
  const Fields data(archive, begin, entry.packed_size, "member");
  const std::string_view text(reinterpret_cast<const char*>(archive.data()) + entry.header + kLocalBytes, name);
  if (text != entry.member.name) throw BadArrayFile("is damaged: a member's name differs from the directory's");
  return archive.subspan(begin, entry.packed_size);
}

Entry read_entry(Bytes archive, std::uint64_t& offset, std::uint64_t directory_end) {
  const Fields head(archive, offset, kCentralBytes, "directory entry");
  head.expect(kCentralHeader);
  const std::uint64_t name = head.at<std::uint16_t>(28), extra = head.at<std::uint16_t>(30);
  const std::uint64_t whole = kCentralBytes + name + extra + head.at<std::uint16_t>(32);
  if (whole > directory_end - offset) throw BadArrayFile("is damaged: a directory entry ends behind the directory");
  Entry entry;
  entry.member.name.assign(reinterpret_cast<const char*>(archive.data()) + offset + kCentralBytes, name);
  entry.member.crc32 = head.at<std::uint32_t>(16);
  entry.packed_size = head.at<std::uint32_t>(20);
  entry.member.size = head.at<std::uint32_t>(24);
  entry.header = head.at<std::uint32_t>(42);
  read_extra64(archive, offset + kCentralBytes + name, extra, entry);
  offset += whole;
  if ((head.at<std::uint16_t>(8) & 1U) != 0) throw BadArrayFile("is an encrypted zip archive");
  const auto method = head.at<std::uint16_t>(10);
  if (method != 0 && method != 8) {
    throw BadArrayFile(fmt::format("packs a member by method {}, expected 0 (stored) or 8 (deflate)", method));
  }
  entry.member.deflated = method == 8;
  entry.member.packed = packed_bytes(archive, entry);
  if (!entry.member.deflated && entry.member.size != entry.packed_size) {
    throw BadArrayFile(
        fmt::format("is damaged: a stored member of {} bytes claims {}", entry.packed_size, entry.member.size));
  }
  return entry;
}

void check_sum(const ZipMember& member, Bytes bytes) {
  const std::uint32_t sum = libdeflate_crc32(0, bytes.data(), bytes.size());
  if (sum != member.crc32) {
    throw BadArrayFile(fmt::format("is damaged: checksum {:08x}, expected {:08x}", sum, member.crc32));
  }
}

}  // namespace

std::vector<ZipMember> zip_members(Bytes archive) {
  const Directory directory = find_directory(archive);
  std::vector<Entry> entries;
  std::set<std::string> names;
  std::uint64_t offset = directory.offset;
  for (std::uint64_t i = 0; i < directory.count; ++i) {
    entries.push_back(read_entry(archive, offset, directory.offset + directory.size));
    if (!names.insert(entries.back().member.name).second) {
      throw BadArrayFile("is damaged: two members have the same name");
    }
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.header < b.header; });
  std::vector<ZipMember> members;
  const std::byte* filled = archive.data();
  for (Entry& entry : entries) {
    if (archive.data() + entry.header < filled) throw BadArrayFile("is damaged: two members overlap");
    filled = entry.member.packed.data() + entry.member.packed.size();
    members.push_back(std::move(entry.member));
  }
  return members;
}

Bytes unpack(const ZipMember& member, std::vector<std::byte>& memory, std::uint64_t largest) {
  if (!member.deflated) {
    check_sum(member, member.packed);
    return member.packed;
  }
  if (member.size > largest) {
    throw BadArrayFile(
        fmt::format("would unpack to {} bytes, at most {} are unpacked; numpy.savez stores arrays of any "
                    "size so that they are read in place",
                    member.size, largest));
  }
  if (member.size / kMostDeflateRatio > member.packed.size()) {
    throw BadArrayFile(fmt::format("is damaged: {} bytes cannot come out of {}", member.size, member.packed.size()));
  }
  const std::unique_ptr<libdeflate_decompressor, void (*)(libdeflate_decompressor*)> inflater(
      libdeflate_alloc_decompressor(), libdeflate_free_decompressor);
  if (!inflater) throw std::bad_alloc();
  memory.resize(member.size);
  // Without a place for the actual size, libdeflate takes nothing but a stream of exactly the expected one.
  if (libdeflate_deflate_decompress(inflater.get(), member.packed.data(), member.packed.size(), memory.data(),
                                    memory.size(), nullptr) != LIBDEFLATE_SUCCESS) {
    throw BadArrayFile(fmt::format("is damaged: it does not unpack to the {} bytes it claims", member.size));
  }
  check_sum(member, memory);
  return memory;
}

}  // namespace kvwave::traces
