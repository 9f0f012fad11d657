// Writes small zip archives for tests, good ones and broken ones, as numpy.savez does: stored, or as a deflate stream
// of stored blocks; with zip64 fields where asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace kvwave {

template <typename T>
std::string zip_number(T number) {
  std::string bytes(sizeof number, '\0');
  std::memcpy(bytes.data(), &number, sizeof number);
  return bytes;
}

inline std::uint32_t zip_crc32(const std::string& bytes) {
  std::uint32_t crc = 0xffffffffU;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? 0xedb88320U : 0U);
  }
  return ~crc;
}

/// A deflate stream (RFC 1951, 3.2.4) of stored blocks.
inline std::string deflate_stored(const std::string& bytes) {
  constexpr std::size_t kBlock = 65535;
  std::string stream;
  std::size_t done = 0;
  do {
    const std::string block = bytes.substr(done, kBlock);
    done += block.size();
    const auto length = static_cast<std::uint16_t>(block.size());
    stream += std::string(1, done == bytes.size() ? '\1' : '\0') + zip_number(length) +
              zip_number(static_cast<std::uint16_t>(~length)) + block;
  } while (done < bytes.size());
  return stream;
}

/// One member; the fields may be changed before finish() to make it contradict itself.
struct ZipPart {
  std::string name, packed;
  std::uint64_t size = 0;
  std::uint32_t crc = 0;
  std::uint16_t method = 0, flags = 0;
  std::string local_name;  ///< in the local header; usually the name
};

class ZipBuilder {
 public:
  explicit ZipBuilder(bool zip64 = false) : zip64_(zip64) {}

  ZipPart& add(const std::string& name, const std::string& bytes, bool deflate = false) {
    return parts_.emplace_back(ZipPart{name, deflate ? deflate_stored(bytes) : bytes, bytes.size(), zip_crc32(bytes),
                                       static_cast<std::uint16_t>(deflate ? 8 : 0), 0, name});
  }

  std::string finish(const std::string& comment = "") const {
    std::string out, directory;
    for (const ZipPart& part : parts_) {
      const std::uint64_t offset = out.size();
      const std::string sizes = zip64_ ? zip_number(0xffffffffU) + zip_number(0xffffffffU)
                                       : zip_number(static_cast<std::uint32_t>(part.packed.size())) +
                                             zip_number(static_cast<std::uint32_t>(part.size));
      const std::string head = zip_number<std::uint16_t>(zip64_ ? 45 : 20) + zip_number(part.flags) +
                               zip_number(part.method) + std::string(4, '\0') + zip_number(part.crc) + sizes;
      const std::string both = zip_number(part.size) + zip_number<std::uint64_t>(part.packed.size());
      const std::string local_extra = zip64_ ? zip_number<std::uint16_t>(1) + zip_number<std::uint16_t>(16) + both : "";
      const std::string extra =
          zip64_ ? zip_number<std::uint16_t>(1) + zip_number<std::uint16_t>(24) + both + zip_number(offset) : "";
      out += "PK\3\4" + head + zip_number(static_cast<std::uint16_t>(part.local_name.size())) +
             zip_number(static_cast<std::uint16_t>(local_extra.size())) + part.local_name + local_extra + part.packed;
      directory += "PK\1\2" + zip_number<std::uint16_t>(45) + head +
                   zip_number(static_cast<std::uint16_t>(part.name.size())) +
                   zip_number(static_cast<std::uint16_t>(extra.size())) + std::string(10, '\0') +
                   zip_number(zip64_ ? 0xffffffffU : static_cast<std::uint32_t>(offset)) + part.name + extra;
    }
    const std::uint64_t start = out.size(), n = parts_.size();
    out += directory;
    if (zip64_) {
      const std::uint64_t end64 = out.size();
      out += "PK\6\6" + zip_number<std::uint64_t>(44) + std::string(12, '\0') + zip_number(n) + zip_number(n) +
             zip_number<std::uint64_t>(directory.size()) + zip_number(start);
      out += "PK\6\7" + std::string(4, '\0') + zip_number(end64) + zip_number<std::uint32_t>(1);
    }
    const auto count = zip_number(static_cast<std::uint16_t>(zip64_ ? 0xffff : n));
    return out + "PK\5\6" + std::string(4, '\0') + count + count +
           zip_number(zip64_ ? 0xffffffffU : static_cast<std::uint32_t>(directory.size())) +
           zip_number(zip64_ ? 0xffffffffU : static_cast<std::uint32_t>(start)) +
           zip_number(static_cast<std::uint16_t>(comment.size())) + comment;
  }

 private:
  bool zip64_;
  std::vector<ZipPart> parts_;
};

}  // namespace kvwave
