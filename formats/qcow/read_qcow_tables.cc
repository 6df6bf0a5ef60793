// SPDX-License-Identifier: MIT
#include "formats/qcow/read_qcow_tables.h"

#include <bit>
#include <cstring>

#include "formats/clusters/blocking_io.h"
#include "formats/clusters/table_words.h"
#include "formats/qcow2/bytes/header.h"
#include "formats/qcow2/offline/read_tables.h"
#include "formats/reject.h"
#include "ring/sizes.h"

namespace tapring::qcow {

Header peek_header(const OpenFile& file) {
  const AlignedBytes beginning = read_bytes(file, 0, Header::kExtendedBytes);
  if (file.size_bytes < Header::kBytes) reject(file.path, "is too short for a qcow image");
  const auto header = parse_header(beginning.span());
  if (!header) reject(file.path, header.error());
  return *header;
}

Header read_header(const OpenFile& file) {
  const Header header = peek_header(file);
  if (const auto fault = qcow2::crypt_fault(header.crypt_method)) reject(file.path, *fault);
  return header;
}

ClusterMap::L1Table read_l1(const OpenFile& file, const Header& header) {
  const qcow2::Layout& layout = header.layout;
  const uint64_t entries = header.l1_entries();
  const uint64_t end = header.l1_offset + entries * 8;
  check_inside(file, layout, "the L1 table", header.l1_offset, entries * 8);
  ClusterMap::L1Table l1;
  l1.offset = header.l1_offset;
  l1.little_endian = header.little_endian_l1;
  l1.entries = L1Entries(entries);
  for_each_word(file, header.l1_offset, entries, [&](uint64_t index, uint64_t word) {
    const auto entry =
        qcow2::L1Entry::parse(layout, l1.little_endian ? std::byteswap(word) : word);
    if (!entry) reject(file.path, "an L1 entry is invalid");
    if (entry->has_table()) l1.entries.set(index, *entry);
  });
  const auto sector_of = [&](uint64_t at) {
    return read_bytes(file, at / kSectorBytes * kSectorBytes, kSectorBytes);
  };
  if (header.l1_offset % kSectorBytes != 0) l1.first_sector = sector_of(header.l1_offset);
  if (end % kSectorBytes != 0) l1.last_sector = sector_of(end);
  return l1;
}

std::optional<std::string> read_backing_name(const OpenFile& file, const Header& header) {
  if (header.backing_name_bytes == 0) return std::nullopt;
  const AlignedBytes bytes =
      read_bytes(file, header.backing_name_offset, header.backing_name_bytes);
  std::string name(bytes.size(), '\0');
  std::memcpy(name.data(), bytes.data(), name.size());
  return name;
}

}  // namespace tapring::qcow
