// SPDX-License-Identifier: MIT
#include "formats/qcow2/offline/create.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <expected>
#include <string_view>
#include <system_error>
#include <vector>

#include "formats/clusters/aligned_bytes.h"
#include "formats/qcow2/bytes/big_endian.h"
#include "formats/qcow2/bytes/entry.h"
#include "formats/qcow2/offline/check.h"
#include "formats/qcow2/offline/read_tables.h"
#include "formats/reject.h"
#include "ring/sizes.h"

namespace tapring::qcow2 {
namespace {

constexpr uint32_t kBackingFormat = 0xE2792ACA;
constexpr uint32_t kDataFile = 0x44415441;

/// The beginning of a file, which grows as it is written.
class Beginning {
 public:
  template <std::unsigned_integral Number>
  void put(Number number) {
    bytes_.resize(bytes_.size() + sizeof number);
    store(std::span(bytes_), bytes_.size() - sizeof number, number);
  }
  void put(std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  void put_extension(uint32_t type, std::string_view data) {
    put(type);
    put(static_cast<uint32_t>(data.size()));
    put(data);
    bytes_.resize((bytes_.size() + 7) / 8 * 8);
  }
  std::vector<std::byte>& bytes() noexcept { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

/// The fields that stand in this order in every header; the backing file's place comes later.
void put_fixed(Beginning& out, const Header& header) {
  const Layout& layout = header.layout;
  out.put(uint32_t{0x514649FB});
  out.put(layout.version);
  out.put(uint64_t{0});
  out.put(uint32_t{0});
  out.put(layout.cluster_bits);
  out.put(layout.size_bytes);
  out.put(uint32_t{0});
  out.put(header.l1_entries);
  out.put(header.l1_offset);
  out.put(uint64_t{0});  // the repair makes the refcounts
  out.put(uint32_t{0});
  out.put(uint32_t{0});
  out.put(uint64_t{0});
}

std::vector<std::byte> header_bytes(const Header& header) {
  constexpr uint32_t kLength = 112;
  Beginning out;
  put_fixed(out, header);
  if (header.layout.version >= 3) {
    out.put(header.incompatible);
    out.put(header.compatible);
    out.put(header.autoclear);
    out.put(header.layout.refcount_order);
    out.put(kLength);
    out.put(static_cast<uint8_t>(header.compression));
    out.bytes().resize(kLength);
  }
  if (header.backing_format) out.put_extension(kBackingFormat, *header.backing_format);
  if (header.data_file) out.put_extension(kDataFile, *header.data_file);
  out.put(uint64_t{0});  // ends the extensions
  if (header.backing_name) {
    store(std::span(out.bytes()), 8, uint64_t{out.bytes().size()});
    store(std::span(out.bytes()), 16, static_cast<uint32_t>(header.backing_name->size()));
    out.put(*header.backing_name);
  }
  return std::move(out.bytes());
}

/// With its L1 table behind the first cluster.
Header placed(const NewImage& image) {
  Header header = image.header;
  header.l1_entries = static_cast<uint32_t>(header.layout.l1_entries_for(header.layout.size_bytes));
  header.l1_offset = header.layout.cluster_bytes();
  return header;
}

uint64_t l1_bytes(const Header& header) {
  return header.layout.round_up(uint64_t{header.l1_entries} * 8);
}

/// Makes the file long enough to hold its tables; the new part reads as zeros.
void grow(OpenFile& file, uint64_t bytes) {
  if (bytes <= file.size_bytes) return;
  if (::ftruncate(file.fd.get(), static_cast<off_t>(bytes)) != 0) {
    throw std::system_error(errno, std::system_category(), "ftruncate " + file.path);
  }
  file.size_bytes = bytes;
}

/// Behind the L1 table come all L2 tables, and behind those the clusters of the disk; or these are
/// in the data file, each where it is in the disk.
void preallocate(OpenFile& file, FileWriter& writer, const Header& header,
                 const CreateProgress& progress) {
  const Layout& layout = header.layout;
  const uint64_t first_table = header.l1_offset + l1_bytes(header);
  const uint64_t data =
      layout.external_data ? 0 : first_table + header.l1_entries * layout.cluster_bytes();
  const uint64_t clusters = layout.round_up(layout.size_bytes) >> layout.cluster_bits;
  AlignedBytes l1(l1_bytes(header));
  for (uint64_t table = 0; table < header.l1_entries; ++table) {
    const uint64_t offset = first_table + table * layout.cluster_bytes();
    store(l1.span(), table * 8, offset | EntryBits::kCopied);
    AlignedBytes l2(layout.cluster_bytes());
    const uint64_t first = table * layout.l2_entries();
    for (uint64_t i = 0; i < std::min(layout.l2_entries(), clusters - first); ++i) {
      const uint64_t host = data + ((first + i) << layout.cluster_bits);
      store_words(layout, l2.span(), i, {host | EntryBits::kCopied, UINT32_MAX});
    }
    writer.write(offset, l2.span());
    progress(table + 1, header.l1_entries);
  }
  writer.write(header.l1_offset, l1.span());
  if (!layout.external_data) grow(file, data + (clusters << layout.cluster_bits));
}

std::optional<uint32_t> log2_of(uint64_t number) {
  if (!std::has_single_bit(number)) return std::nullopt;
  return static_cast<uint32_t>(std::countr_zero(number));
}

/// Or why there can be none.
std::expected<NewImage, std::string> image_of(const CreateOptions& options) {
  const auto cluster_bits = log2_of(options.cluster_bytes);
  if (!cluster_bits) return std::unexpected("the cluster size is no power of 2");
  const auto refcount_order = log2_of(options.refcount_bits);
  if (!refcount_order) return std::unexpected("the number of refcount bits is no power of 2");
  NewImage image;
  Header& header = image.header;
  Layout& layout = header.layout;
  layout.version = options.version;
  layout.size_bytes = options.size_bytes;
  layout.cluster_bits = *cluster_bits;
  layout.refcount_order = *refcount_order;
  layout.extended_l2 = options.extended_l2;
  layout.external_data = !options.data_file.empty();
  if (options.compression == "zstd") header.compression = Compression::zstd;
  if (layout.external_data) header.incompatible |= Feature::kExternalData;
  if (layout.extended_l2) header.incompatible |= Feature::kExtendedL2;
  if (options.compression == "zstd") header.incompatible |= Feature::kCompressionType;
  if (options.lazy_refcounts) header.compatible |= Feature::kLazyRefcounts;
  if (options.data_file_raw) header.autoclear |= Feature::kRawExternalData;
  if (layout.version < 3 && (header.incompatible | header.compatible | header.autoclear) != 0) {
    return std::unexpected("version 2 has no such features");
  }
  if (!options.backing.empty()) {
    header.backing_name = options.backing;
    header.backing_format = options.backing_format;
  }
  if (layout.external_data) header.data_file = options.data_file;
  // A raw data file has each cluster where the disk has it, whether the map says so or not.
  image.preallocated = options.preallocate != "off" || options.data_file_raw;
  return image;
}

}  // namespace

std::optional<std::string> why_not(const CreateOptions& options) {
  const auto image = image_of(options);
  return image ? why_not(*image) : image.error();
}

void create(OpenFile& file, const CreateOptions& options, const CreateProgress& progress) {
  const auto image = image_of(options);
  if (!image) reject(file.path, image.error());
  FileWriter writer(file);
  write_new_image(file, writer, *image, progress);
}

std::optional<std::string> why_not(const NewImage& image) {
  const Layout& layout = image.header.layout;
  const auto too_large = [] { return "such a disk is too large for clusters of this size"; };
  if (layout.size_bytes == 0) return "a disk has at least one sector";
  if (layout.size_bytes > INT64_MAX / 2) return too_large();
  if (layout.l1_entries_for(layout.size_bytes) * 8 > Header::kMaxL1Bytes) return too_large();
  if (image.header.layout.version < 3 && layout.refcount_order != 4) {
    return "version 2 has refcounts of 16 bits";
  }
  if (image.preallocated && image.header.backing_name) {
    return "an image that has every cluster would hide its backing file";
  }
  std::vector<std::byte> bytes = header_bytes(placed(image));
  if (bytes.size() > layout.cluster_bytes()) return "the names do not fit into the first cluster";
  bytes.resize(std::max<std::size_t>(bytes.size(), kSectorBytes));
  const auto parsed = parse_header(bytes);
  return parsed ? std::nullopt : std::optional(parsed.error());
}

void write_new_image(OpenFile& file, FileWriter& writer, const NewImage& image,
                     const CreateProgress& progress) {
  const Header header = placed(image);
  std::vector<std::byte> bytes = header_bytes(header);
  bytes.resize((bytes.size() + kSectorBytes - 1) / kSectorBytes * kSectorBytes);
  writer.write(0, bytes);
  grow(file, header.l1_offset + l1_bytes(header));
  if (image.preallocated) preallocate(file, writer, header, progress);
  const ImageCheck left = repair_image(file, Repair::refcounts, writer, {.progress = progress});
  if (left.findings.corruptions() > 0) reject(file.path, left.findings.texts().front());
}

}  // namespace tapring::qcow2
