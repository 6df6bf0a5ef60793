// SPDX-License-Identifier: MIT
#include "formats/qcow2/offline/read_tables.h"

#include <algorithm>
#include <utility>

#include "formats/clusters/blocking_io.h"
#include "formats/clusters/table_words.h"
#include "formats/reject.h"

namespace tapring::qcow2 {
namespace {

template <typename T>
T value_or_refuse(const std::string& path, std::expected<T, std::string> value) {
  if (!value) reject(path, value.error());
  return std::move(*value);
}

}  // namespace

Header peek_header(const OpenFile& file) {
  constexpr std::size_t kBeginning = 512;
  const AlignedBytes beginning = read_bytes(file, 0, kBeginning);
  if (file.size_bytes < kBeginning && begins_as_qcow2(beginning.span())) {
    reject(file.path, "is too short for a qcow2 image");
  }
  const uint64_t cluster_bytes = value_or_refuse(file.path, cluster_bytes_of(beginning.span()));
  const AlignedBytes cluster = read_bytes(file, 0, std::min(cluster_bytes, file.size_bytes));
  return value_or_refuse(file.path, parse_header(cluster.span()));
}

Header read_header(const OpenFile& file) {
  Header header = peek_header(file);
  if (const auto fault = crypt_fault(header.crypt_method)) reject(file.path, *fault);
  return header;
}

SnapshotTable read_snapshots(const OpenFile& file, const Header& header) {
  SnapshotTable table;
  if (const auto fault = snapshot_table_fault(header)) {
    table.faults.push_back(*fault);
    table.cut_off = header.snapshots <= Header::kMaxSnapshots;
    return table;
  }
  if (header.snapshots == 0) return table;
  if (header.snapshots_offset >= file.size_bytes) {
    table.faults.emplace_back("the snapshot table is outside the file");
    table.cut_off = true;
    return table;
  }
  const uint64_t bytes =
      std::min(kMaxSnapshotTableBytes, file.size_bytes - header.snapshots_offset);
  const AlignedBytes all = read_bytes(file, header.snapshots_offset, bytes);
  return parse_snapshots(all.span(), header);
}

std::expected<std::vector<Bitmap>, std::string> read_bitmaps(const OpenFile& file,
                                                             const Header& header) {
  if (auto fault = bitmap_directory_fault(header)) return std::unexpected(std::move(*fault));
  const BitmapsExtension& extension = *header.bitmaps;
  if (!is_inside(file, header.layout, extension.directory_offset, extension.directory_bytes)) {
    return std::unexpected("the bitmap directory at byte " +
                           std::to_string(extension.directory_offset) + " is outside the file");
  }
  const AlignedBytes bytes =
      read_bytes(file, extension.directory_offset, extension.directory_bytes);
  return parse_bitmaps(bytes.span(), header);
}

std::expected<std::vector<uint64_t>, std::string> read_refcount_table(const OpenFile& file,
                                                                      const Header& header) {
  if (auto fault = refcount_table_fault(header)) return std::unexpected(*fault);
  const uint64_t offset = header.refcount_table_offset;
  const uint64_t bytes = header.refcount_table_clusters * header.layout.cluster_bytes();
  if (!is_inside(file, header.layout, offset, bytes)) {
    return std::unexpected("the refcount table at byte " + std::to_string(offset) +
                           " is outside the file");
  }
  return read_table(file, offset, bytes / 8);
}

}  // namespace tapring::qcow2
