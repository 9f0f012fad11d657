// Private to traces/: opening an HDF5 file that may be finished, growing, left by a killed writer, or no trace at all.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>

#include "traces/hdf5_handle.h"

namespace kvwave::traces {

/// What the first bytes of a file say (HDF5 superblock, version 3).
struct Superblock {
  bool writer_flag = false;          ///< a writer has it open, or died with it open
  bool swmr_flag = false;            ///< ... and that writer writes for concurrent readers
  std::uint64_t promised_bytes = 0;  ///< end of file as of the last flush
  std::uint64_t actual_bytes = 0;
};

/// Throws NotATrace when `path` is no regular, readable file that begins as HDF5 of that version, TruncatedTrace when
/// not even the superblock is whole.
Superblock read_superblock(const std::filesystem::path& path);

struct OpenedFile {
  FileHandle file;
  bool swmr = false;
  std::uint64_t short_of = 0;  ///< true length when the header promises more, else 0: storage has to be checked
};
/// Read-only, for SWMR reading when the superblock says so. Throws NotATrace or TruncatedTrace.
OpenedFile open_hdf5(const std::filesystem::path& path);

/// Runs `attempt` until it does not throw Hdf5Failure. Reading beside a live writer can meet a half-changed index for a
/// moment; after `patience` the failure is final and passed on.
void with_patience(std::chrono::milliseconds patience, const std::function<void()>& attempt);

}  // namespace kvwave::traces
