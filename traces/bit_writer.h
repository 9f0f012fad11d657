// Private to traces/: bits into bytes, the way deflate packs them (RFC 1951, section 3.1.1).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace kvwave::traces {

/// Fills `out` from its beginning. Once something does not fit, the writer is full and stays so; nothing is written
/// beyond the end.
class BitWriter {
 public:
  explicit BitWriter(std::span<std::uint8_t> out) : out_(out) {}

  /// The lowest `count` bits of `bits`, at most 32; higher ones must be 0.
  void put(std::uint64_t bits, unsigned count) {
    held_ |= bits << held_bits_;
    held_bits_ += count;
    if (held_bits_ < 32) return;
    if (out_.size() - used_ < 4) {
      full_ = true;
    } else {
      const auto word = static_cast<std::uint32_t>(held_);
      std::memcpy(out_.data() + used_, &word, 4);
      used_ += 4;
    }
    held_ >>= 32;
    held_bits_ -= 32;
  }

  /// Zero bits up to the next whole byte.
  void pad_to_byte() {
    for (; held_bits_ > 0; held_ >>= 8) {
      if (used_ == out_.size()) full_ = true;
      if (!full_) out_[used_++] = static_cast<std::uint8_t>(held_);
      held_bits_ -= std::min(held_bits_, 8U);
    }
  }

  /// Whole bytes; only after pad_to_byte().
  void put_bytes(std::span<const std::uint8_t> bytes) {
    if (out_.size() - used_ < bytes.size()) full_ = true;
    if (full_ || bytes.empty()) return;
    std::memcpy(out_.data() + used_, bytes.data(), bytes.size());
    used_ += bytes.size();
  }

  bool full() const { return full_; }
  std::size_t used() const { return used_; }

 private:
  std::span<std::uint8_t> out_;
  std::size_t used_ = 0;
  std::uint64_t held_ = 0;  ///< bits not written yet
  unsigned held_bits_ = 0;
  bool full_ = false;
};

}  // namespace kvwave::traces
