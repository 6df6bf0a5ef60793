// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tapring::qcow2 {

/// An L2 table, and how many entries of L1 tables lead to it: each of them refers to what it maps.
struct L2Table {
  uint64_t offset = 0;
  uint64_t references = 0;
  uint64_t active = 0;    ///< how many of the references are the disk's own, not snapshots'
  uint64_t l1_index = 0;  ///< of the first entry that leads to it
};

/// The L2 tables of an image with its snapshots, each once, however many share it.
class L2Tables {
 public:
  explicit L2Tables(uint64_t max_bytes) : most_(max_bytes / sizeof(L2Table)) {}

  /// Throws TooMuchMemory.
  void add(uint64_t offset, bool active, uint64_t l1_index);

  /// In the order of the file; after the last add().
  std::span<const L2Table> sorted();

 private:
  void merge();

  std::size_t most_;
  std::size_t merge_at_ = 4096;
  std::vector<L2Table> tables_;
};

}  // namespace tapring::qcow2
