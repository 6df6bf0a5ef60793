// SPDX-License-Identifier: MIT
// The sizes that follow from an image's header. Version 1 is qcow (formats/qcow): its header states
// the size of L2 tables, and it has no refcounts.
#pragma once

#include <algorithm>
#include <cstdint>

namespace tapring::qcow2 {

struct Layout {
  /// Tables are read and kept in pieces of this size, or as large as an L2 table where that is
  /// smaller.
  static constexpr uint64_t kMaxSliceBytes = 16384;
  static constexpr uint32_t kSubclusters = 32;

  uint32_t version = 3;
  uint32_t cluster_bits = 16;
  uint32_t l2_bits = 0;  ///< of an entry's index in its L2 table; version 1 only
  uint32_t refcount_order = 4;
  bool extended_l2 = false;
  bool external_data = false;
  uint64_t size_bytes = 0;  ///< of the guest's disk

  uint64_t cluster_bytes() const noexcept { return uint64_t{1} << cluster_bits; }
  uint64_t in_cluster(uint64_t offset) const noexcept { return offset & (cluster_bytes() - 1); }
  uint64_t cluster_begin(uint64_t offset) const noexcept { return offset - in_cluster(offset); }
  uint64_t round_up(uint64_t bytes) const noexcept {
    return cluster_begin(bytes + cluster_bytes() - 1);
  }

  /// The unit of mapping: a subcluster where there are such, else a cluster.
  uint64_t unit_bytes() const noexcept {
    return extended_l2 ? cluster_bytes() / kSubclusters : cluster_bytes();
  }

  uint32_t l2_entry_bytes() const noexcept { return extended_l2 ? 16 : 8; }
  uint64_t l2_entries() const noexcept {
    return version == 1 ? uint64_t{1} << l2_bits : cluster_bytes() / l2_entry_bytes();
  }
  uint64_t l2_table_bytes() const noexcept { return l2_entries() * l2_entry_bytes(); }
  /// Bytes of the guest's disk that one L2 table maps.
  uint64_t l2_covers() const noexcept { return l2_entries() << cluster_bits; }
  uint64_t l1_entries_for(uint64_t bytes) const noexcept {
    return bytes / l2_covers() + (bytes % l2_covers() == 0 ? 0 : 1);
  }

  uint64_t slice_bytes() const noexcept { return std::min(l2_table_bytes(), kMaxSliceBytes); }
  uint64_t l2_slice_entries() const noexcept { return slice_bytes() / l2_entry_bytes(); }

  uint32_t refcount_bits() const noexcept { return 1U << refcount_order; }
  /// Clusters of the file that one refcount block counts.
  uint64_t refcount_block_entries() const noexcept { return cluster_bytes() * 8 / refcount_bits(); }
  uint64_t refcount_slice_entries() const noexcept { return slice_bytes() * 8 / refcount_bits(); }
  uint64_t max_refcount() const noexcept {
    return refcount_order == 6 ? UINT64_MAX : (uint64_t{1} << refcount_bits()) - 1;
  }
};

}  // namespace tapring::qcow2
