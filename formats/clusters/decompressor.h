// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "formats/qcow2/bytes/header.h"

namespace tapring {

/// Unpacks clusters by zlib (raw deflate) or zstd. Its memory does not depend on what it is given.
class Decompressor {
 public:
  explicit Decompressor(qcow2::Compression compression);
  ~Decompressor();

  /// Fills all of `to`; what follows the compressed data in `from` does not matter. False if they
  /// are damaged.
  bool decompress(std::span<const std::byte> from, std::span<std::byte> to) noexcept;

 private:
  struct Deflate;
  struct Zstd;

  // One of the two.
  std::unique_ptr<Deflate> deflate_;
  std::unique_ptr<Zstd> zstd_;
};

}  // namespace tapring
