// SPDX-License-Identifier: MIT
// A range of the bytes in a request's buffers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "ring/file.h"

namespace tapring {

inline uint64_t bytes_of(Buffers buffers) noexcept {
  uint64_t bytes = 0;
  for (const iovec& buffer : buffers) bytes += buffer.iov_len;
  return bytes;
}

class BufferSlice {
 public:
  /// `bytes` of `all` after the first `skip`. The memory is not copied.
  BufferSlice(Buffers all, uint64_t skip, uint64_t bytes) {
    for (const iovec& buffer : all) {
      if (bytes == 0) break;
      const uint64_t skipped = std::min<uint64_t>(skip, buffer.iov_len);
      const uint64_t taken = std::min<uint64_t>(bytes, buffer.iov_len - skipped);
      skip -= skipped;
      bytes -= taken;
      if (taken > 0) parts_.push_back({static_cast<std::byte*>(buffer.iov_base) + skipped, taken});
    }
  }

  Buffers buffers() const noexcept { return parts_; }

  void fill_zeros() const noexcept {
    for (const iovec& part : parts_) std::memset(part.iov_base, 0, part.iov_len);
  }

  /// From as many bytes as there are in the part.
  void copy_from(const std::byte* from) const noexcept {
    for (const iovec& part : parts_) {
      std::memcpy(part.iov_base, from, part.iov_len);
      from += part.iov_len;
    }
  }

 private:
  std::vector<iovec> parts_;
};

/// The part of `into` that a file or disk of `end` bytes has, where `into` is for what begins at
/// `offset`. The rest, past its end, is filled with zeros.
inline BufferSlice fill_past_end(Buffers into, uint64_t offset, uint64_t end) {
  const uint64_t bytes = bytes_of(into);
  const uint64_t there = offset < end ? std::min(bytes, end - offset) : 0;
  BufferSlice(into, there, bytes - there).fill_zeros();
  return {into, 0, there};
}

}  // namespace tapring
