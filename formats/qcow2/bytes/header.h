// SPDX-License-Identifier: MIT
// The first cluster of a qcow2 image: its header and header extensions, as values. The format, and
// its names, are those of QEMU's docs/interop/qcow2.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>

#include "formats/qcow2/bytes/layout.h"

namespace tapring::qcow2 {

/// Bits of the header's three feature fields.
struct Feature {
  static constexpr uint64_t kDirty = 1 << 0;
  static constexpr uint64_t kCorrupt = 1 << 1;
  static constexpr uint64_t kExternalData = 1 << 2;
  static constexpr uint64_t kCompressionType = 1 << 3;
  static constexpr uint64_t kExtendedL2 = 1 << 4;
  static constexpr uint64_t kKnownIncompatible =
      kDirty | kCorrupt | kExternalData | kCompressionType | kExtendedL2;

  static constexpr uint64_t kLazyRefcounts = 1 << 0;

  static constexpr uint64_t kBitmaps = 1 << 0;
  static constexpr uint64_t kRawExternalData = 1 << 1;
  static constexpr uint64_t kKnownAutoclear = kBitmaps | kRawExternalData;
};

enum class Compression : uint8_t { zlib = 0, zstd = 1 };

struct BitmapsExtension {
  uint32_t bitmaps = 0;
  uint32_t reserved = 0;
  uint64_t directory_bytes = 0;
  uint64_t directory_offset = 0;
};

struct Header {
  // The smaller of the format's and of QEMU's bounds: they bound the memory that an image can take.
  static constexpr uint32_t kMinClusterBits = 9;
  static constexpr uint32_t kMaxClusterBits = 21;
  static constexpr uint64_t kMaxL1Bytes = uint64_t{32} << 20;
  static constexpr uint64_t kMaxRefcountTableBytes = uint64_t{8} << 20;
  static constexpr uint32_t kMaxSnapshots = 65536;
  static constexpr uint32_t kMaxBackingNameBytes = 1023;

  static constexpr std::size_t kV2Bytes = 72;
  static constexpr std::size_t kV3Bytes = 104;
  /// Offsets of the fields that a writer changes: all in the first sector.
  static constexpr std::size_t kL1EntriesAt = 36, kL1OffsetAt = 40, kRefcountTableAt = 48,
                               kRefcountClustersAt = 56, kSnapshotsAt = 60, kSnapshotTableAt = 64,
                               kIncompatibleAt = 72, kAutoclearAt = 88;

  Layout layout;
  uint32_t l1_entries = 0;
  uint64_t l1_offset = 0;
  uint64_t refcount_table_offset = 0;
  uint32_t refcount_table_clusters = 0;
  uint32_t snapshots = 0;
  uint64_t snapshots_offset = 0;
  uint64_t incompatible = 0;
  uint64_t compatible = 0;
  uint64_t autoclear = 0;
  Compression compression = Compression::zlib;
  uint32_t crypt_method = 0;  ///< 0: not encrypted
  std::optional<std::string> backing_name;
  std::optional<std::string> backing_format;
  std::optional<std::string> data_file;
  std::optional<BitmapsExtension> bitmaps;

  bool raw_external_data() const noexcept {
    return layout.external_data && (autoclear & Feature::kRawExternalData) != 0;
  }
};

/// Whether these bytes are the beginning of a qcow2 image, or of a part of one.
bool begins_as_qcow2(std::span<const std::byte> beginning);

/// The cluster size of an image whose file begins with these bytes, or why it is none.
std::expected<uint64_t, std::string> cluster_bytes_of(std::span<const std::byte> beginning);

/// Why the refcount table, or the snapshot table, cannot be where the header says; nullopt if it
/// can. Reading the disk needs neither. The place counts also where there are no snapshots.
std::optional<std::string> refcount_table_fault(const Header& header);
std::optional<std::string> snapshot_table_fault(const Header& header);

/// AES, LUKS or a number.
std::string crypt_name(uint32_t method);

/// Why an image of this method is not served; nullopt if it is not encrypted.
std::optional<std::string> crypt_fault(uint32_t method);

/// `first_cluster`: all of it, or as much as the file has. The error names the field, its value and
/// the remedy, if there is one; the caller puts the image's name before it.
std::expected<Header, std::string> parse_header(std::span<const std::byte> first_cluster);

}  // namespace tapring::qcow2
