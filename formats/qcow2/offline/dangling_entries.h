// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "formats/qcow2/bytes/entry.h"
#include "formats/qcow2/bytes/header.h"
#include "formats/qcow2/offline/file_writer.h"
#include "formats/qcow2/offline/l2_tables.h"
#include "ring/open_file.h"

namespace tapring::qcow2 {

/// Clears entries that lead past the end of the file, as an image has that was truncated. The data
/// are lost; but whatever is appended to the file later would seem to be theirs, so a repair begins
/// with these.
class DanglingEntries {
 public:
  DanglingEntries(const OpenFile& file, const Header& header, FileWriter& writer) noexcept
      : file_(file), layout_(header.layout), writer_(writer) {}

  /// In an L1 table: the entries lead to no table then.
  void drop_l1(uint64_t offset, uint64_t entries);
  /// In an L2 table: what was in the lost clusters reads as zeros then, and the other subclusters
  /// as before; in version 2, which has no zero clusters, as the backing file.
  void drop_l2(const L2Table& table);

  /// Makes that durable.
  void sync();

 private:
  bool dangles(uint64_t offset, uint64_t bytes) const noexcept;
  bool dangles(const EntryWords& entry) const noexcept;
  EntryWords without_cluster(const EntryWords& entry) const noexcept;

  const OpenFile& file_;
  const Layout& layout_;
  FileWriter& writer_;
  bool wrote_ = false;
};

}  // namespace tapring::qcow2
