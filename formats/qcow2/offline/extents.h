// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <vector>

#include "formats/clusters/aligned_bytes.h"
#include "formats/qcow2/bytes/entry.h"
#include "formats/qcow2/bytes/layout.h"
#include "ring/open_file.h"

namespace tapring::qcow2 {

/// What an image has of its disk, looked up in its file: this blocks.
class Extents {
 public:
  /// `l1`: in the byte order of this machine.
  Extents(OpenFile file, const Layout& layout, std::vector<uint64_t> l1);

  const Layout& layout() const noexcept { return layout_; }

  /// Of `bytes` from `offset`, which lie in the disk, the first that are of one kind. One that
  /// cannot be is of the kind `invalid`. `host` of what is compressed: where its data begin.
  /// Throws std::system_error.
  Extent at(uint64_t offset, uint64_t bytes);

 private:
  OpenFile file_;
  Layout layout_;
  std::vector<uint64_t> l1_;
  uint64_t slice_at_ = 0;  ///< in the file; 0: none is read
  AlignedBytes slice_;
};

/// Of a qcow2 image. Throws std::system_error.
Extents read_extents(OpenFile file);

}  // namespace tapring::qcow2
