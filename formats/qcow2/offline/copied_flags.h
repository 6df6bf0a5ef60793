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

/// Checks the flag COPIED of the entries of the disk's tables: that the cluster has one reference,
/// and so may be written in place. (In a snapshot's tables the flag means nothing.) Where there are
/// more references than a refcount can say, no flag is right: those stay, and are no findings.
class CopiedFlags {
 public:
  struct Sizes {
    uint64_t allocated_clusters = 0;
    uint64_t compressed_clusters = 0;  ///< among those
  };

  /// `counts`: the refcounts. With a `writer`, wrong flags are repaired, else they are findings.
  CopiedFlags(const OpenFile& file, const Header& header, const ReferenceCounts& counts,
              Findings& findings, FileWriter* writer)
      : file_(file), header_(header), counts_(counts), findings_(findings), writer_(writer) {}

  void check_l1();
  /// An L2 table that the disk's L1 table leads to.
  void check_l2(const L2Table& table);
  /// Of such a table only counts what it maps.
  void measure_l2(const L2Table& table);

  const Sizes& sizes() const noexcept { return sizes_; }
  bool wrote() const noexcept { return wrote_; }

 private:
  void measure(const EntryWords& entry, uint64_t mapped) noexcept;
  bool is_wrong(const EntryWords& entry) const noexcept;
  bool maps(const EntryWords& entry) const noexcept;
  bool contradicts(uint64_t offset, bool copied) const noexcept;

  const OpenFile& file_;
  const Header& header_;
  const ReferenceCounts& counts_;
  Findings& findings_;
  FileWriter* writer_;
  Sizes sizes_;
  bool wrote_ = false;
};

}  // namespace tapring::qcow2
