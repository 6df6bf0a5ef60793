// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "formats/clusters/aligned_bytes.h"
#include "formats/extent.h"
#include "formats/qcow2/bytes/entry.h"
#include "formats/qcow2/bytes/layout.h"
#include "ring/open_file.h"

namespace tapring::qcow2 {

/// The extents of an image that maps clusters. Each place of its file is read as one L2 table only,
/// and what else leads there is invalid: so the size of the file bounds how many extents there are.
class Extents final : public ExtentReader {
 public:
  /// `l1`: in the byte order of this machine.
  Extents(OpenFile file, const Layout& layout, std::vector<uint64_t> l1);

  uint64_t size_bytes() const noexcept override { return layout_.size_bytes; }
  Extent at(uint64_t offset, uint64_t bytes) override;

 private:
  bool is_table(uint64_t l1_index, const L1Entry& entry) const noexcept;
  std::vector<bool> find_shared() const;

  OpenFile file_;
  Layout layout_;
  std::vector<uint64_t> l1_;
  std::vector<bool> shared_;  ///< by index in the L1 table: another entry leads to that place, too
  uint64_t slice_at_ = 0;  ///< in the file; 0: none is read
  AlignedBytes slice_;
};

/// Of a qcow2 image. Throws std::system_error.
std::unique_ptr<ExtentReader> read_extents(OpenFile file);

}  // namespace tapring::qcow2
