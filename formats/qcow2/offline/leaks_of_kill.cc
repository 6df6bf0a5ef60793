// SPDX-License-Identifier: MIT
#include "formats/qcow2/offline/leaks_of_kill.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <stdexcept>

#include "formats/clusters/commit.h"
#include "formats/qcow2/offline/check.h"
#include "formats/qcow2/offline/read_tables.h"

namespace tapring::qcow2 {
namespace {

/// Of L2 tables, each read twice, and refcount blocks together: with clusters of 64 KiB the tables
/// of 28 GiB of data. Small ones take as long as larger ones.
constexpr uint64_t kMostRead = uint64_t{8} << 20;
constexpr uint64_t kMostTables = 1024;

/// The memory for counts, and again for lists.
constexpr uint64_t kMaxBytes = uint64_t{16} << 20;

/// Fewer than a writer would have to wait for.
constexpr std::size_t kMostRanges = Commit::kMaxReleases / 2;

/// Ends when it is known how much there is to read, if that is too much.
CheckOptions bounded_check(uint64_t cluster_bytes) {
  const uint64_t most = std::min(kMostTables, kMostRead / cluster_bytes);
  CheckOptions options;
  options.max_bytes = kMaxBytes;
  options.progress = [most](uint64_t, uint64_t tables) {
    if (tables > most) throw std::length_error("too many tables");
  };
  return options;
}

}  // namespace

std::vector<HostRange> find_leaks_of_kill(const OpenFile& file) noexcept try {
  const uint64_t cluster_bytes = read_header(file).layout.cluster_bytes();
  const ImageCheck check = check_image(file, bounded_check(cluster_bytes));
  if (check.findings.corruptions() > 0) return {};
  std::vector<HostRange> leaks;
  uint64_t bytes = 0;
  for (const uint64_t cluster : check.leaked) {
    if (leaks.size() == kMostRanges || bytes >= Commit::kMaxReleasedBytes) break;
    const uint64_t offset = cluster * cluster_bytes;
    if (!leaks.empty() && leaks.back().offset + leaks.back().bytes == offset) {
      leaks.back().bytes += cluster_bytes;
    } else {
      leaks.push_back({offset, cluster_bytes});
    }
    bytes += cluster_bytes;
  }
  return leaks;
} catch (const std::exception&) {
  return {};  // they stay as they are
}

}  // namespace tapring::qcow2
