// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "formats/findings.h"
#include "formats/qcow2/bytes/header.h"
#include "formats/qcow2/offline/reference_counts.h"
#include "ring/open_file.h"

namespace tapring::qcow2 {

/// Past the last cluster that is in the file or that something refers to.
uint64_t counted_end(const OpenFile& file, const Layout& layout,
                     const ReferenceCounts& counts) noexcept;

/// Compares the refcounts of an image with the references that were counted.
class RefcountCheck {
 public:
  /// Reads the refcount table, if it can be. Throws std::system_error.
  RefcountCheck(const OpenFile& file, const Header& header, ReferenceCounts& counts,
                Findings& findings);

  /// Counts the refcount table and its blocks, after everything else was counted; then finds which
  /// of them can be used: those that share their clusters with nothing.
  void count_tables();

  /// After count_tables(), for each block of blocks(). Afterwards the counts of its clusters are
  /// what the refcounts say, as the flags of entries are judged by those.
  void compare(std::size_t block);
  /// For clusters that no block of the table counts.
  void compare_rest();

  /// Whether there is a table that can be followed.
  bool has_table() const noexcept { return !table_fault_; }
  /// Whether it has clusters of its own.
  bool table_usable() const noexcept { return table_usable_; }
  /// Where the blocks are; 0 where there is none, or none that can be used.
  const std::vector<uint64_t>& blocks() const noexcept { return blocks_; }
  /// ImageCheck's.
  const std::vector<uint64_t>& leaked() const noexcept { return leaked_; }

 private:
  /// So many are remembered.
  static constexpr std::size_t kMostLeaked = 65536;

  void compare_without_block(uint64_t begin, uint64_t end);
  void compare_slice(uint64_t first, uint64_t end, std::span<const std::byte> slice);
  void judge(uint64_t cluster, uint64_t refcount);

  const OpenFile& file_;
  const Header& header_;
  const Layout& layout_;
  ReferenceCounts& counts_;
  Findings& findings_;
  std::optional<std::string> table_fault_;
  std::vector<uint64_t> blocks_;
  std::vector<uint64_t> leaked_;
  bool table_usable_ = true;
  uint64_t end_ = 0;
};

}  // namespace tapring::qcow2
