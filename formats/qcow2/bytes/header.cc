// SPDX-License-Identifier: MIT
#include "formats/qcow2/bytes/header.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "formats/printable.h"
#include "formats/qcow2/bytes/big_endian.h"
#include "formats/qcow2/bytes/text.h"

namespace tapring::qcow2 {
namespace {

using Bytes = std::span<const std::byte>;
using Refusal = std::optional<std::string>;

constexpr uint32_t kMagic = 0x514649FB;  // "QFI" and 0xFB
constexpr uint32_t kAes = 1;
constexpr uint32_t kLuks = 2;

/// Some writers end a name with zero bytes, as C does.
std::string name_of(Bytes bytes) {
  std::string name = text_of(bytes);
  while (name.ends_with('\0')) name.pop_back();
  return name;
}

std::string hex(uint64_t number) {
  std::string digits;
  for (int shift = std::max(0, (static_cast<int>(std::bit_width(number)) - 1) / 4 * 4); shift >= 0;
       shift -= 4) {
    digits += "0123456789abcdef"[(number >> shift) & 0xF];
  }
  return "0x" + digits;
}

std::string refuse(const std::string& field, uint64_t value, const std::string& reason) {
  return field + " is " + std::to_string(value) + ": " + reason;
}

/// What the image itself calls an incompatible feature (the feature name table).
std::string name_in_table(Bytes table, unsigned bit) {
  constexpr std::size_t kEntryBytes = 48;
  for (std::size_t at = 0; at + kEntryBytes <= table.size(); at += kEntryBytes) {
    const Bytes entry = table.subspan(at, kEntryBytes);
    if (load<uint8_t>(entry, 0) != 0 || load<uint8_t>(entry, 1) != bit) continue;
    std::string name = text_of(entry.subspan(2));
    name.resize(std::min(name.find('\0'), name.size()));
    if (!name.empty()) return " (" + escaped(name) + ")";
  }
  return {};
}

std::string refuse_features(uint64_t unknown, Bytes names) {
  std::string list;
  for (unsigned bit = 0; bit < 64; ++bit) {
    if ((unknown >> bit & 1) == 0) continue;
    list += (list.empty() ? "" : ", ") + std::string("bit ") + std::to_string(bit) +
            name_in_table(names, bit);
  }
  return "incompatible_features has what this version does not know: " + list +
         " (a newer tapring may; or qemu-img convert -O qcow2 makes a plain image of it)";
}

void read_fixed(Bytes bytes, Header& header) {
  header.layout.cluster_bits = load<uint32_t>(bytes, 20);
  header.layout.size_bytes = load<uint64_t>(bytes, 24);
  header.l1_entries = load<uint32_t>(bytes, Header::kL1EntriesAt);
  header.l1_offset = load<uint64_t>(bytes, Header::kL1OffsetAt);
  header.refcount_table_offset = load<uint64_t>(bytes, Header::kRefcountTableAt);
  header.refcount_table_clusters = load<uint32_t>(bytes, Header::kRefcountClustersAt);
  header.snapshots = load<uint32_t>(bytes, Header::kSnapshotsAt);
  header.snapshots_offset = load<uint64_t>(bytes, Header::kSnapshotTableAt);
  if (header.layout.version < 3) return;
  header.incompatible = load<uint64_t>(bytes, Header::kIncompatibleAt);
  header.compatible = load<uint64_t>(bytes, 80);
  header.autoclear = load<uint64_t>(bytes, Header::kAutoclearAt);
  header.layout.refcount_order = load<uint32_t>(bytes, 96);
  header.layout.extended_l2 = (header.incompatible & Feature::kExtendedL2) != 0;
  header.layout.external_data = (header.incompatible & Feature::kExternalData) != 0;
}

Refusal read_compression(Bytes bytes, std::size_t header_bytes, Header& header) {
  const uint8_t type = header_bytes > Header::kV3Bytes ? load<uint8_t>(bytes, Header::kV3Bytes) : 0;
  const bool stated = (header.incompatible & Feature::kCompressionType) != 0;
  if (stated != (type != 0)) {
    return refuse("compression_type", type, "incompatible_features says otherwise (bit 3)");
  }
  if (type > static_cast<uint8_t>(Compression::zstd)) {
    return refuse("compression_type", type, "known are 0 (zlib) and 1 (zstd)");
  }
  header.compression = static_cast<Compression>(type);
  return {};
}

struct Extensions {
  static constexpr uint32_t kEnd = 0, kBackingFormat = 0xE2792ACA, kFeatureNames = 0x6803F857,
                            kBitmaps = 0x23852875, kDataFile = 0x44415441;
  Bytes feature_names;
};

Refusal read_bitmaps(Bytes data, Header& header) {
  constexpr std::size_t kBytes = 24;
  if (data.size() != kBytes) return refuse("the bitmaps extension's length", data.size(), "not 24");
  header.bitmaps = BitmapsExtension{load<uint32_t>(data, 0), load<uint32_t>(data, 4),
                                    load<uint64_t>(data, 8), load<uint64_t>(data, 16)};
  return {};
}

/// Extensions follow the header until the one that ends them, or until the backing file's name.
Refusal read_extensions(Bytes bytes, std::size_t at, std::size_t end, Header& header,
                        Extensions& found) {
  while (at + 8 <= end) {
    const auto type = load<uint32_t>(bytes, at);
    const std::size_t length = load<uint32_t>(bytes, at + 4);
    at += 8;
    if (type == Extensions::kEnd) return {};
    if (length > end - at) {
      return "the length of header extension " + hex(type) + " is " + std::to_string(length) +
             ": more than the first cluster has left";
    }
    const Bytes data = bytes.subspan(at, length);
    if (type == Extensions::kBackingFormat) header.backing_format = name_of(data);
    if (type == Extensions::kDataFile) header.data_file = name_of(data);
    if (type == Extensions::kFeatureNames) found.feature_names = data;
    if (type == Extensions::kBitmaps) {
      if (Refusal refusal = read_bitmaps(data, header)) return refusal;
    }
    at += std::min((length + 7) / 8 * 8, end - at);
  }
  return {};
}

Refusal read_backing_name(Bytes bytes, std::size_t header_bytes, Header& header) {
  const auto offset = load<uint64_t>(bytes, 8);
  const auto length = load<uint32_t>(bytes, 16);
  if (offset == 0) return {};
  if (length > Header::kMaxBackingNameBytes) {
    return refuse("backing_file_size", length, "names have at most 1023 bytes");
  }
  if (offset < header_bytes || offset > bytes.size() || length > bytes.size() - offset) {
    return refuse("backing_file_offset", offset,
                  "the name is not between the header and the end of the first cluster");
  }
  if (length == 0) return {};
  const Bytes name = bytes.subspan(offset, length);
  header.backing_name = name_of(name);
  // One of nothing but zero bytes is refused by whoever opens it, and not taken for none.
  if (header.backing_name->empty()) header.backing_name = text_of(name);
  return {};
}

Refusal check_table(const std::string& field, uint64_t offset, uint64_t bytes,
                    const Layout& layout) {
  if (layout.in_cluster(offset) != 0) {
    return field + " is " + hex(offset) + ": not the beginning of a cluster";
  }
  // Also of a table of nothing: QEMU opens no image whose offset is not one.
  if (offset > INT64_MAX - bytes || (bytes > 0 && offset == 0)) {
    return field + " is " + hex(offset) + ": no place for a table";
  }
  return {};
}

Refusal check_sizes(const Header& header) {
  const Layout& layout = header.layout;
  if (layout.size_bytes > INT64_MAX) return refuse("size", layout.size_bytes, "too large");
  if (uint64_t{header.l1_entries} * 8 > Header::kMaxL1Bytes) {
    return refuse("l1_size", header.l1_entries, "at most 4194304 entries are served");
  }
  if (header.l1_entries < layout.l1_entries_for(layout.size_bytes)) {
    return refuse("l1_size", header.l1_entries,
                  "a size of " + std::to_string(layout.size_bytes) + " bytes needs " +
                      std::to_string(layout.l1_entries_for(layout.size_bytes)));
  }
  return check_table("l1_table_offset", header.l1_offset, uint64_t{header.l1_entries} * 8, layout);
}

Refusal check_features(const Header& header) {
  if (header.layout.refcount_order > 6) {
    return refuse("refcount_order", header.layout.refcount_order, "at most 6");
  }
  constexpr uint32_t kMinExtended = 14;
  if (header.layout.extended_l2 && header.layout.cluster_bits < kMinExtended) {
    return refuse("cluster_bits", header.layout.cluster_bits,
                  "extended L2 entries need at least 14");
  }
  if ((header.autoclear & Feature::kBitmaps) != 0 && !header.bitmaps) {
    return "autoclear_features promises bitmaps (bit 0), and there is no bitmaps extension";
  }
  if (header.layout.external_data && header.snapshots > 0) {
    return refuse("nb_snapshots", header.snapshots, "an external data file cannot have any");
  }
  if (header.raw_external_data() && header.backing_name) {
    return "a raw external data file and a backing file cannot be together";
  }
  return {};
}

}  // namespace

bool begins_as_qcow2(Bytes beginning) {
  return beginning.size() >= Header::kV2Bytes && load<uint32_t>(beginning, 0) == kMagic;
}

std::expected<uint64_t, std::string> cluster_bytes_of(Bytes beginning) {
  if (!begins_as_qcow2(beginning)) {
    return std::unexpected("is no qcow2 image (state its own format; tapring image info tells it)");
  }
  const auto version = load<uint32_t>(beginning, 4);
  if (version != 2 && version != 3) {
    return std::unexpected(refuse("version", version, "known are 2 and 3"));
  }
  const auto bits = load<uint32_t>(beginning, 20);
  if (bits < Header::kMinClusterBits || bits > Header::kMaxClusterBits) {
    return std::unexpected(refuse("cluster_bits", bits, "9 to 21 are served"));
  }
  return uint64_t{1} << bits;
}

std::string crypt_name(uint32_t method) {
  if (method == kAes) return "AES";
  return method == kLuks ? "LUKS" : std::to_string(method);
}

Refusal crypt_fault(uint32_t method) {
  if (method == 0) return {};
  return refuse("crypt_method", method,
                "encrypted images (" + crypt_name(method) +
                    ") are not served (decrypt it into another: qemu-img convert --image-opts "
                    "-O qcow2)");
}

Refusal refcount_table_fault(const Header& header) {
  const uint32_t clusters = header.refcount_table_clusters;
  if (clusters == 0) return refuse("refcount_table_clusters", 0, "there are no refcounts");
  if (clusters > Header::kMaxRefcountTableBytes >> header.layout.cluster_bits) {
    return refuse("refcount_table_clusters", clusters, "at most 8 MiB are served");
  }
  return check_table("refcount_table_offset", header.refcount_table_offset,
                     uint64_t{clusters} << header.layout.cluster_bits, header.layout);
}

Refusal snapshot_table_fault(const Header& header) {
  if (header.snapshots > Header::kMaxSnapshots) {
    return refuse("nb_snapshots", header.snapshots, "at most 65536 are served");
  }
  return check_table("snapshots_offset", header.snapshots_offset, header.snapshots, header.layout);
}

std::expected<Header, std::string> parse_header(Bytes first_cluster) {
  const auto cluster_bytes = cluster_bytes_of(first_cluster);
  if (!cluster_bytes) return std::unexpected(cluster_bytes.error());
  const Bytes bytes = first_cluster.first(std::min(first_cluster.size(), *cluster_bytes));
  Header header;
  header.layout.version = load<uint32_t>(bytes, 4);
  std::size_t header_bytes = Header::kV2Bytes;
  if (header.layout.version >= 3) {
    if (bytes.size() < Header::kV3Bytes) return std::unexpected("ends inside its header");
    header_bytes = load<uint32_t>(bytes, 100);
    if (header_bytes < Header::kV3Bytes || header_bytes % 8 != 0 || header_bytes > bytes.size()) {
      return std::unexpected(refuse("header_length", header_bytes,
                                    "not a multiple of 8 from 104 to the end of the cluster"));
    }
  }
  read_fixed(bytes, header);
  if (Refusal no = read_backing_name(bytes, header_bytes, header)) return std::unexpected(*no);
  const auto name_offset = load<uint64_t>(bytes, 8);
  Extensions extensions;
  const Refusal bad_extension = read_extensions(
      bytes, header_bytes, name_offset == 0 ? bytes.size() : name_offset, header, extensions);
  if (const uint64_t unknown = header.incompatible & ~Feature::kKnownIncompatible) {
    return std::unexpected(refuse_features(unknown, extensions.feature_names));
  }
  if (bad_extension) return std::unexpected(*bad_extension);
  header.crypt_method = load<uint32_t>(bytes, 32);
  if (Refusal no = read_compression(bytes, header_bytes, header)) return std::unexpected(*no);
  if (Refusal no = check_features(header)) return std::unexpected(*no);
  if (Refusal no = check_sizes(header)) return std::unexpected(*no);
  return header;
}

}  // namespace tapring::qcow2
