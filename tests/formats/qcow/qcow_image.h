// SPDX-License-Identifier: MIT
// Images of the format qcow, version 1, by its description: qemu-img makes only two shapes of it,
// and has no check for it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace tapring {

struct QcowShape {
  unsigned cluster_bits = 12;
  unsigned l2_bits = 9;
  uint64_t size_bytes = uint64_t{4} << 20;
  /// As blktap made them: with its extended header, and the L1 table at byte 4096.
  bool by_blktap = false;
  /// As blktap did by default: whoever needs an L2 table fills it, with clusters in line behind it.
  bool first_table_filled = false;
  std::string backing_name{};  ///< empty: there is none

  std::string text() const;
};

void make_qcow(const std::filesystem::path& path, const QcowShape& shape);

/// As the first versions of blktap had it, or back: the L1 table in the other byte order, and
/// blktap's flag for it.
void swap_l1_order(const std::filesystem::path& path);

/// Tables and clusters that overlap, or are not in the file; empty if there are none.
std::string damage_of_qcow(const std::filesystem::path& path);

}  // namespace tapring
