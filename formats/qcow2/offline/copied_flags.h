// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include "formats/findings.h"
#include "formats/qcow2/bytes/entry.h"
#include "formats/qcow2/bytes/header.h"
#include "formats/qcow2/offline/file_writer.h"
#include "formats/qcow2/offline/l2_tables.h"
#include "formats/qcow2/offline/reference_counts.h"

namespace tapring::qcow2 {

/// The entries of the disk's tables that say whether their cluster is referred to once, and so may
/// be written in place. (Those of snapshots say nothing.)
class CopiedFlags {
 public:
  struct Sizes {
    uint64_t allocated_clusters = 0;
    uint64_t compressed_clusters = 0;  ///< among those
  };

  /// `counts`: the refcounts. With a `writer` entries are repaired, else told of in `findings`.
  CopiedFlags(const OpenFile& file, const Header& header, const ReferenceCounts& counts,
              Findings& findings, FileWriter* writer)
      : file_(file), header_(header), counts_(counts), findings_(findings), writer_(writer) {}

  void check_l1();
  /// One that the L1 table leads to.
  void check_l2(const L2Table& table);

  const Sizes& sizes() const noexcept { return sizes_; }
  bool wrote() const noexcept { return wrote_; }

 private:
  bool is_wrong(const EntryWords& entry, uint64_t mapped) noexcept;

  const OpenFile& file_;
  const Header& header_;
  const ReferenceCounts& counts_;
  Findings& findings_;
  FileWriter* writer_;
  Sizes sizes_;
  bool wrote_ = false;
};

}  // namespace tapring::qcow2
