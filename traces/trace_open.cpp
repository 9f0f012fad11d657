#include "traces/trace_open.h"

#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <fmt/format.h>

#include "traces/error.h"

namespace kvwave::traces {
namespace {

constexpr std::array<std::uint8_t, 8> kSignature = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
constexpr std::uint64_t kMostAhead = std::uint64_t{64} << 20;  ///< bytes that a flush may promise before they are there
/// Damaged metadata is indistinguishable from metadata being written; the library's default of 100 attempts each would
/// hang on a damaged file.
constexpr unsigned kMetadataAttempts = 8;

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }

 private:
  int value_;
};

}  // namespace

Superblock read_superblock(const std::filesystem::path& path) {
  const auto fail = [&](const std::string& reason) {
    throw NotATrace(fmt::format("{}: cannot be opened: {}", path.string(), reason));
  };
  // O_NONBLOCK: opening a named pipe must not wait for someone to write into it.
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) fail(std::strerror(errno));
  struct stat status {};
  if (fstat(file.get(), &status) != 0) fail(std::strerror(errno));
  if (S_ISDIR(status.st_mode)) fail("is a folder");
  if (!S_ISREG(status.st_mode)) fail("is not a regular file");
  Superblock block;
  block.actual_bytes = static_cast<std::uint64_t>(status.st_size);
  std::array<std::uint8_t, 48> head{};
  const ssize_t got = pread(file.get(), head.data(), head.size(), 0);
  if (got < 0) fail(std::strerror(errno));
  if (got == 0) fail("is empty");
  if (std::memcmp(head.data(), kSignature.data(), kSignature.size()) != 0) {
    throw NotATrace(fmt::format("{}: is not a trace: it does not begin with the HDF5 signature", path.string()));
  }
  if (static_cast<std::size_t>(got) < head.size()) {
    throw TruncatedTrace(fmt::format("{}: is truncated: {} bytes are no whole HDF5 header", path.string(), got));
  }
  // Older layouts carry no checksums, and libhdf5 reads beyond its buffers where their metadata is damaged.
  constexpr std::uint8_t kVersion = 3;
  if (head[8] != kVersion || head[9] != 8) {
    throw NotATrace(
        fmt::format("{}: is not a trace: HDF5 superblock version {}, expected {}", path.string(), head[8], kVersion));
  }
  block.writer_flag = (head[11] & 1U) != 0;
  block.swmr_flag = (head[11] & 4U) != 0;
  static_assert(std::endian::native == std::endian::little);
  std::memcpy(&block.promised_bytes, head.data() + 28, sizeof(block.promised_bytes));
  return block;
}

OpenedFile open_hdf5(const std::filesystem::path& path) {
  const Superblock block = read_superblock(path);
  // A flush promises bytes before they are there, so a killed writer, or one whose disk was full, can leave a file that
  // is short without any row missing. In a closed file it means damage.
  // Data is written as soon as its place is given out, so only little can be missing; HDF5 would read what a larger gap
  // claims as zeros, into memory.
  const bool is_short = block.promised_bytes > block.actual_bytes;
  if (is_short && (!block.swmr_flag || block.promised_bytes - block.actual_bytes > kMostAhead)) {
    throw TruncatedTrace(fmt::format("{}: is truncated: {} bytes, its header promises {}", path.string(),
                                     block.actual_bytes, block.promised_bytes));
  }
  const PropertyHandle access(H5Pcreate(H5P_FILE_ACCESS));
  check_hdf5(H5Pset_metadata_read_attempts(access.get(), kMetadataAttempts));
  const unsigned mode = H5F_ACC_RDONLY | (block.swmr_flag ? H5F_ACC_SWMR_READ : 0U);
  return {FileHandle(H5Fopen(path.c_str(), mode, access.get())), block.swmr_flag, is_short ? block.actual_bytes : 0};
}

void with_patience(std::chrono::milliseconds patience, const std::function<void()>& attempt) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    try {
      return attempt();
    } catch (const Hdf5Failure&) {
      if (std::chrono::steady_clock::now() >= deadline) throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

}  // namespace kvwave::traces
