#include "capture/mapped_file.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "capture/available_memory.h"
#include "capture/error.h"

namespace kvwave::capture {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

[[noreturn]] void fail(const char* what, const std::filesystem::path& path, int error) {
  throw BadModelFile(fmt::format("cannot open {} {}: {}", what, path.string(), std::strerror(error)));
}

}  // namespace

FileMemory affordable(FileMemory wanted, std::uint64_t bytes) {
  return wanted == FileMemory::copied && bytes <= available_memory() / 2 ? FileMemory::copied : FileMemory::mapped;
}

MappedFile::MappedFile(const std::filesystem::path& path, FileMemory memory, const char* what) {
  // O_NONBLOCK: opening a named pipe must not wait for its writer.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) fail(what, path, errno);
  struct stat info = {};
  if (::fstat(file.get(), &info) != 0) fail(what, path, errno);
  if (S_ISDIR(info.st_mode)) fail(what, path, EISDIR);
  if (!S_ISREG(info.st_mode)) throw BadModelFile(fmt::format("{} {} is not a regular file", what, path.string()));
  if (info.st_size == 0) throw BadModelFile(fmt::format("{} {} is empty", what, path.string()));
  const auto size = static_cast<std::size_t>(info.st_size);
  if (memory == FileMemory::copied && copy(file.get(), size, path, what)) return;
  void* pages = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (pages == MAP_FAILED) fail(what, path, errno);
  region_ = pages;
  region_size_ = size;
  data_ = static_cast<const std::byte*>(pages);
  size_ = size;
}

bool MappedFile::copy(int descriptor, std::size_t size, const std::filesystem::path& path, const char* what) {
  constexpr std::size_t kLargePage = std::size_t{2} << 20;
  if (affordable(FileMemory::copied, size) == FileMemory::mapped) return false;
  const std::size_t region_size = size + kLargePage;  // room to start at a large page
  void* region = ::mmap(nullptr, region_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (region == MAP_FAILED) return false;
  region_ = region;
  region_size_ = region_size;
  void* start = region;
  std::size_t room = region_size;
  std::align(kLargePage, size, start, room);
  ::madvise(start, size, MADV_HUGEPAGE);  // a wish: a kernel without large pages gives small ones
  for (std::size_t done = 0; done < size;) {
    const ssize_t n = ::pread(descriptor, static_cast<char*>(start) + done, size - done, static_cast<off_t>(done));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      const int error = n < 0 ? errno : ENODATA;
      ::munmap(region_, region_size_);
      fail(what, path, error);
    }
    done += static_cast<std::size_t>(n);
  }
  ::mprotect(region, region_size, PROT_READ);
  is_copy_ = true;
  data_ = static_cast<const std::byte*>(start);
  size_ = size;
  return true;
}

MappedFile::~MappedFile() {
  if (region_ != nullptr) ::munmap(region_, region_size_);
}

}  // namespace kvwave::capture
