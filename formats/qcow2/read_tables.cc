// SPDX-License-Identifier: MIT
#include "formats/qcow2/read_tables.h"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "formats/qcow2/big_endian.h"
#include "formats/qcow2/open_file.h"

namespace tapring::qcow2 {
namespace {

template <typename T>
T value_or_refuse(const std::string& path, std::expected<T, std::string> value) {
  if (!value) refuse(path, value.error());
  return std::move(*value);
}

}  // namespace

void refuse(const std::string& path, const std::string& reason) {
  throw std::system_error(EINVAL, std::system_category(), path + ": " + reason);
}

Header read_header(const OpenFile& file) {
  constexpr std::size_t kBeginning = 512;
  const AlignedBytes beginning = read_bytes(file, 0, kBeginning);
  if (file.size_bytes < kBeginning) refuse(file.path, "is too short for a qcow2 image");
  const uint64_t cluster_bytes = value_or_refuse(file.path, cluster_bytes_of(beginning.span()));
  const AlignedBytes cluster = read_bytes(file, 0, std::min(cluster_bytes, file.size_bytes));
  return value_or_refuse(file.path, parse_header(cluster.span()));
}

SnapshotTable read_snapshots(const OpenFile& file, const Header& header) {
  if (header.snapshots == 0) return {};
  if (header.snapshots_offset >= file.size_bytes) {
    refuse(file.path, "the snapshot table is outside the file");
  }
  const uint64_t bytes =
      std::min(kMaxSnapshotTableBytes, file.size_bytes - header.snapshots_offset);
  const AlignedBytes table = read_bytes(file, header.snapshots_offset, bytes);
  return value_or_refuse(file.path, parse_snapshots(table.span(), header));
}

void check_inside(const OpenFile& file, const Layout& layout, const std::string& what,
                  uint64_t offset, uint64_t bytes) {
  const uint64_t end = layout.round_up(file.size_bytes);
  if (bytes == 0 || (offset < end && bytes <= end - offset)) return;
  refuse(file.path, what + " at byte " + std::to_string(offset) + " is outside the file");
}

std::vector<uint64_t> read_table(const OpenFile& file, uint64_t offset, uint64_t entries) {
  const AlignedBytes bytes = read_bytes(file, offset, entries * 8);
  std::vector<uint64_t> table(entries);
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = load<uint64_t>(bytes.span(), i * 8);
  return table;
}

std::vector<uint64_t> read_refcount_table(const OpenFile& file, const Header& header) {
  const uint64_t bytes = header.refcount_table_clusters * header.layout.cluster_bytes();
  check_inside(file, header.layout, "the refcount table", header.refcount_table_offset, bytes);
  return read_table(file, header.refcount_table_offset, bytes / 8);
}

}  // namespace tapring::qcow2
