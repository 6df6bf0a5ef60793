// SPDX-License-Identifier: MIT
// Where the bytes of a disk are, as an image's metadata say.
#pragma once

#include <cstdint>

namespace tapring {

enum class ExtentKind : uint8_t {
  unallocated,  ///< read from the backing file
  zero,
  data,
  compressed,
  invalid,  ///< the image contradicts itself there
};

/// A part of the guest's disk of one kind.
struct Extent {
  ExtentKind kind = ExtentKind::unallocated;
  uint64_t bytes = 0;
  uint64_t host = 0;  ///< data: where it begins in the data file. compressed: the entry's word
};

/// Looks up the extents of an image that is not in use: this blocks.
class ExtentReader {
 public:
  virtual ~ExtentReader() = default;

  virtual uint64_t size_bytes() const noexcept = 0;  ///< of the disk

  /// Of `bytes` from `offset`, which lie in the disk, the first that are of one kind. `host` of
  /// what is compressed: where its data begin. Throws std::system_error.
  virtual Extent at(uint64_t offset, uint64_t bytes) = 0;
};

}  // namespace tapring
