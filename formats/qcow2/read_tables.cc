// SPDX-License-Identifier: MIT
#include "formats/qcow2/read_tables.h"

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "formats/qcow2/open_file.h"
#include "formats/qcow2/table_words.h"

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

Header look_at_header(const OpenFile& file) {
  constexpr std::size_t kBeginning = 512;
  const AlignedBytes beginning = read_bytes(file, 0, kBeginning);
  if (file.size_bytes < kBeginning) refuse(file.path, "is too short for a qcow2 image");
  const uint64_t cluster_bytes = value_or_refuse(file.path, cluster_bytes_of(beginning.span()));
  const AlignedBytes cluster = read_bytes(file, 0, std::min(cluster_bytes, file.size_bytes));
  return value_or_refuse(file.path, parse_header(cluster.span()));
}

Header read_header(const OpenFile& file) {
  Header header = look_at_header(file);
  if (const auto fault = crypt_fault(header.crypt_method)) refuse(file.path, *fault);
  return header;
}

SnapshotTable read_snapshots(const OpenFile& file, const Header& header) {
  SnapshotTable table;
  if (header.snapshots == 0) return table;
  if (const auto fault = snapshot_table_fault(header)) {
    table.faults.push_back(*fault);
    table.cut_off = header.snapshots <= Header::kMaxSnapshots;
    return table;
  }
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

bool is_inside(const OpenFile& file, const Layout& layout, uint64_t offset,
               uint64_t bytes) noexcept {
  const uint64_t end = layout.round_up(file.size_bytes);
  return bytes == 0 || (offset < end && bytes <= end - offset);
}

void check_inside(const OpenFile& file, const Layout& layout, const std::string& what,
                  uint64_t offset, uint64_t bytes) {
  if (is_inside(file, layout, offset, bytes)) return;
  refuse(file.path, what + " at byte " + std::to_string(offset) + " is outside the file");
}

std::vector<uint64_t> read_table(const OpenFile& file, uint64_t offset, uint64_t entries) {
  std::vector<uint64_t> table(entries);
  for_each_word(file, offset, entries, [&](uint64_t index, uint64_t word) { table[index] = word; });
  return table;
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
