// SPDX-License-Identifier: MIT
#include "formats/qcow2/offline/description.h"

#include <system_error>
#include <utility>

#include "formats/clusters/blocking_io.h"
#include "formats/clusters/table_words.h"
#include "formats/qcow2/offline/read_tables.h"
#include "formats/reject.h"

namespace tapring::qcow2 {
namespace {

std::vector<Bitmap> read_bitmaps(const OpenFile& file, const Header& header) {
  const BitmapsExtension& extension = *header.bitmaps;
  if (extension.directory_bytes > kMaxBitmapDirectoryBytes) {
    reject(file.path, "the bitmap directory is too large");
  }
  check_inside(file, header.layout, "the bitmap directory", extension.directory_offset,
               extension.directory_bytes);
  const AlignedBytes bytes =
      read_bytes(file, extension.directory_offset, extension.directory_bytes);
  auto bitmaps = parse_bitmaps(bytes.span(), extension);
  if (!bitmaps) reject(file.path, bitmaps.error());
  return std::move(*bitmaps);
}

}  // namespace

std::vector<std::string> feature_names(const Header& header) {
  std::vector<std::string> names;
  const auto add = [&names](bool has, const char* name) {
    if (has) names.emplace_back(name);
  };
  add((header.incompatible & Feature::kDirty) != 0, "dirty");
  add((header.incompatible & Feature::kCorrupt) != 0, "corrupt");
  add(header.layout.external_data, "external data file");
  add((header.incompatible & Feature::kCompressionType) != 0, "compression type");
  add(header.layout.extended_l2, "extended L2 entries");
  add((header.compatible & Feature::kLazyRefcounts) != 0, "lazy refcounts");
  add((header.autoclear & Feature::kBitmaps) != 0, "bitmaps");
  add(header.raw_external_data(), "raw external data");
  return names;
}

Description describe(const OpenFile& file) {
  Description description;
  description.header = peek_header(file);
  const Header& header = description.header;
  if (auto fault = crypt_fault(header.crypt_method)) {
    description.troubles.push_back(std::move(*fault));
  }
  const auto read = [&](auto act) {
    try {
      act();
    } catch (const std::system_error& error) {
      description.troubles.emplace_back(error.what());
    }
  };
  read([&] {
    SnapshotTable table = read_snapshots(file, header);
    description.snapshots = std::move(table.snapshots);
    for (std::string& fault : table.faults) description.troubles.push_back(std::move(fault));
  });
  if (const auto refcounts = read_refcount_table(file, header); !refcounts) {
    description.troubles.push_back(refcounts.error());
  }
  if (!header.bitmaps) return description;
  description.bitmaps_kept = (header.autoclear & Feature::kBitmaps) != 0;
  if (description.bitmaps_kept) read([&] { description.bitmaps = read_bitmaps(file, header); });
  return description;
}

}  // namespace tapring::qcow2
