// SPDX-License-Identifier: MIT
#include "formats/qcow2/offline/description.h"

#include <expected>
#include <system_error>
#include <utility>

#include "formats/qcow2/bytes/bitmap_directory.h"
#include "formats/qcow2/bytes/header.h"
#include "formats/qcow2/bytes/snapshot_table.h"
#include "formats/qcow2/offline/read_tables.h"

namespace tapring::qcow2 {
namespace {

/// The features that an image has, as QEMU calls them.
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

ImageDescription::Snapshot description_of(Snapshot snapshot) {
  return {std::move(snapshot.id),  std::move(snapshot.name),   snapshot.date_seconds,
          snapshot.guest_clock_ns, snapshot.guest_state_bytes, snapshot.size_bytes};
}

ImageDescription::Bitmap description_of(Bitmap bitmap) {
  std::vector<std::string> flags;
  if ((bitmap.flags & Bitmap::kInUse) != 0) flags.emplace_back("in use");
  if ((bitmap.flags & Bitmap::kAuto) != 0) flags.emplace_back("auto");
  return {std::move(bitmap.name), uint64_t{1} << bitmap.granularity_bits, std::move(flags)};
}

ImageDescription::Extensions extensions_of(const Header& header) {
  ImageDescription::Extensions extensions;
  extensions.refcount_bits = header.layout.refcount_bits();
  extensions.compression = header.compression == Compression::zstd ? "zstd" : "zlib";
  extensions.features = feature_names(header);
  extensions.dirty = (header.incompatible & Feature::kDirty) != 0;
  extensions.corrupt = (header.incompatible & Feature::kCorrupt) != 0;
  extensions.backing_format = header.backing_format;
  extensions.data_file = header.data_file;
  return extensions;
}

/// Reads the snapshots and the bitmaps, as far as they can be read.
void add_tables(const OpenFile& file, const Header& header, std::vector<std::string>& troubles,
                ImageDescription::Extensions& extensions) {
  const auto read = [&](auto act) {
    try {
      act();
    } catch (const std::system_error& error) {
      troubles.emplace_back(error.what());
    }
  };
  read([&] {
    SnapshotTable table = read_snapshots(file, header);
    for (Snapshot& snapshot : table.snapshots) {
      extensions.snapshots.push_back(description_of(std::move(snapshot)));
    }
    for (std::string& fault : table.faults) troubles.push_back(std::move(fault));
  });
  if (const auto refcounts = read_refcount_table(file, header); !refcounts) {
    troubles.push_back(refcounts.error());
  }
  if (!header.bitmaps) return;
  extensions.bitmaps_kept = (header.autoclear & Feature::kBitmaps) != 0;
  if (!extensions.bitmaps_kept) return;
  read([&] {
    std::expected<std::vector<Bitmap>, std::string> bitmaps = read_bitmaps(file, header);
    if (!bitmaps) {
      troubles.push_back(std::move(bitmaps.error()));
      return;
    }
    for (Bitmap& bitmap : *bitmaps) {
      extensions.bitmaps.push_back(description_of(std::move(bitmap)));
    }
  });
}

}  // namespace

ImageDescription describe(const OpenFile& file) {
  const Header header = peek_header(file);
  ImageDescription::Clusters clusters =
      describe_clusters(header.layout, header.crypt_method, header.backing_name);
  ImageDescription::Extensions extensions = extensions_of(header);
  add_tables(file, header, clusters.troubles, extensions);
  return {header.layout.size_bytes, std::move(clusters), std::move(extensions)};
}

ImageDescription::Clusters describe_clusters(const Layout& layout, uint32_t crypt_method,
                                             std::optional<std::string> backing_file) {
  ImageDescription::Clusters clusters;
  clusters.version = layout.version;
  clusters.cluster_bytes = layout.cluster_bytes();
  clusters.backing_file = std::move(backing_file);
  if (crypt_method != 0) clusters.encryption = crypt_name(crypt_method);
  if (auto fault = crypt_fault(crypt_method)) clusters.troubles.push_back(std::move(*fault));
  return clusters;
}

}  // namespace tapring::qcow2
