// SPDX-License-Identifier: MIT
#include "formats/qcow2/open_qcow2.h"

#include <algorithm>
#include <chrono>
#include <expected>
#include <system_error>
#include <utility>

#include "formats/backing_file.h"
#include "formats/clusters/blocking_io.h"
#include "formats/clusters/metadata_regions.h"
#include "formats/clusters/open_mapped_image.h"
#include "formats/clusters/table_words.h"
#include "formats/image_name.h"
#include "formats/qcow2/bytes/header.h"
#include "formats/qcow2/bytes/snapshot_table.h"
#include "formats/qcow2/offline/check.h"
#include "formats/qcow2/offline/leaks_of_kill.h"
#include "formats/qcow2/offline/missing_end.h"
#include "formats/qcow2/offline/read_tables.h"
#include "formats/reject.h"
#include "ring/sizes.h"

namespace tapring {
namespace qcow2 {
namespace {

/// The memory for counting clusters when opening an image repairs it.
constexpr uint64_t kMaxRepairBytes = uint64_t{256} << 20;
/// Such a repair may add as much to the file as that takes already, and so many clusters.
constexpr uint64_t kFewClusters = 16;
/// A directory of bitmaps that takes more is not looked at when opening an image.
constexpr uint64_t kMaxBitmapDirectoryRead = uint64_t{1} << 20;

std::string repair_command(const OpenFile& file) {
  return " (tapring image check --repair all " + file.path + "; or attach it with mode r)";
}

/// For damage that image check cannot repair and that does not matter to a reader.
std::string copy_command(const OpenFile& file) {
  return " (image check cannot repair that: attach it with mode r, or copy its disk: qemu-img "
         "convert -O "
         "qcow2 " +
         file.path + " COPY)";
}

/// For damage that image check cannot repair, where even reading may fail.
std::string rescue_command(const OpenFile& file) {
  return " (image check cannot repair that; what can be read is saved by qemu-img convert "
         "--salvage "
         "-O qcow2 " +
         file.path + " COPY)";
}

/// An L1 table. It may be longer than the disk needs.
struct ReadL1 {
  ClusterMap::L1Table table;
  std::vector<uint64_t> tables;  ///< every L2 table, also of entries past the end of the disk
};

ReadL1 read_l1(const OpenFile& file, const Layout& layout, uint64_t offset, uint64_t entries) {
  check_inside(file, layout, "the L1 table", offset, entries * 8);
  const uint64_t needed = layout.l1_entries_for(layout.size_bytes);
  ReadL1 l1;
  l1.table.offset = offset;
  l1.table.entries = L1Entries(needed);
  for_each_word(file, offset, entries, [&](uint64_t index, uint64_t word) {
    const auto entry = L1Entry::parse(layout, word);
    if (!entry) reject(file.path, "an L1 entry is invalid" + rescue_command(file));
    if (!entry->has_table()) return;
    l1.tables.push_back(entry->table());
    if (index < needed) l1.table.entries.set(index, *entry);
  });
  const uint64_t end = offset + needed * 8;
  if (needed < entries && end % kSectorBytes != 0) {
    l1.table.last_sector = read_bytes(file, end / kSectorBytes * kSectorBytes, kSectorBytes);
  }
  return l1;
}

/// What only a writer needs.
struct Bookkeeping {
  SnapshotTable snapshots;
  std::vector<uint64_t> refcount_table;
};

/// Where the tables of the image are; or why not every table lies in the file, in clusters of its
/// own.
std::expected<MetadataRegions, std::string> map_tables(const OpenFile& file, const Header& header,
                                                       const std::vector<uint64_t>& l2_tables,
                                                       const Bookkeeping& books) {
  using Table = MetadataRegions::Table;
  const Layout& layout = header.layout;
  const uint64_t cluster_bytes = layout.cluster_bytes();
  MetadataRegions tables(layout);
  tables.add(Table::header, 0, cluster_bytes);
  tables.add(Table::l1, header.l1_offset, uint64_t{header.l1_entries} * 8);
  tables.add(Table::refcount_table, header.refcount_table_offset, books.refcount_table.size() * 8);
  tables.add(Table::snapshot_table, header.snapshots_offset, books.snapshots.bytes);
  for (const Snapshot& snapshot : books.snapshots.snapshots) {
    tables.add(Table::snapshot_l1, snapshot.l1_offset, uint64_t{snapshot.l1_entries} * 8);
  }
  for (const uint64_t table : l2_tables) tables.add(Table::l2, table, cluster_bytes);
  for (const uint64_t block : books.refcount_table) {
    if (block == 0) continue;
    if (layout.in_cluster(block) != 0 || block > EntryBits::kOffset) {
      return std::unexpected("a refcount table entry is invalid");
    }
    tables.add(Table::refcount_block, block, cluster_bytes);
  }
  if (auto reason = tables.settle(file.size_bytes)) return std::unexpected(std::move(*reason));
  return tables;
}

/// Repairs the refcounts of an image that QEMU did not close and that nobody else uses. Says in
/// words what was done.
std::string repair_dirty(OpenFile& file, const ImageOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  CheckOptions limits;
  limits.max_bytes = kMaxRepairBytes;
  const uint64_t cluster_bytes = read_header(file).layout.cluster_bytes();
  limits.max_growth = allocated_bytes(file) + kFewClusters * cluster_bytes;
  limits.progress = options.repair_progress;
  FileWriter writer(file);
  const ImageCheck left = repair_image(file, Repair::refcounts, writer, limits);
  if (left.findings.corruptions() > 0) {
    reject(file.path, "was not closed, and cannot be repaired: " + left.findings.texts().front() +
                          repair_command(file));
  }
  const auto took = std::chrono::steady_clock::now() - begin;
  return "was not closed by who had it last: its refcounts were repaired in " +
         std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()) +
         " ms";
}

class OpenQcow2 final : public OpenMappedImage {
 public:
  OpenQcow2(const ImageOptions& options, const std::string& snapshot)
      : OpenMappedImage(open_files(options)) {
    if (!options.read_only) check_state(options);
    const Header& header = image_.header;
    ReadL1 l1 = read_l1(image_.file, header.layout, header.l1_offset, header.l1_entries);
    Bookkeeping books = read_books(options.read_only);
    MetadataRegions tables = check_tables(l1.tables, books, options.read_only);
    image_.l1 = std::move(l1.table);
    note_missing_end(books.refcount_table);
    if (options.read_only) note_damaged_bitmaps();
    if (!options.read_only) {
      image_.writable = WritableParts{read_bytes(image_.file, 0, kSectorBytes), std::move(tables),
                                      std::move(books.refcount_table), leaks_of(options)};
    }
    if (!snapshot.empty()) serve_snapshot(books.snapshots, snapshot);
    describe(options);
  }

 private:
  static OpenedImage open_files(const ImageOptions& options) {
    OpenedImage image;
    image.file = open_host_file(options, options.path);
    image.header = read_header(image.file);
    if (image.header.layout.external_data) {
      image.data_file = open_data_file(options, image);
      if (image.data_file->id == image.file.id) {
        reject(options.path, "its data file is itself (qemu-img amend -o data_file=FILE)");
      }
    }
    if (image.header.backing_name) {
      image.backing = open_backing_file(options, namer_of(image.file), *image.header.backing_name,
                                        image.header.backing_format);
    }
    return image;
  }

  static OpenFile open_data_file(const ImageOptions& options, const OpenedImage& image) {
    const std::string name = image.header.data_file.value_or("");
    if (name.empty()) {
      reject(options.path, "does not name its data file (qemu-img amend -o data_file=FILE)");
    }
    const std::string path = path_named_by(options, name);
    ImageOptions data = options;
    data.named_by = namer_of(image.file);
    try {
      return open_host_file(data, path);
    } catch (const std::system_error& error) {
      throw error_of_named(options, "its data file", error);
    }
  }

  /// Before an image is written to: rejects it if it is marked as corrupt, repairs it if as dirty.
  void check_state(const ImageOptions& options) {
    OpenFile& file = image_.file;
    if ((image_.header.incompatible & Feature::kCorrupt) != 0) {
      reject(file.path, "is marked as corrupt" + repair_command(file));
    }
    if ((image_.header.incompatible & Feature::kDirty) == 0) return;
    if (options.purpose == Purpose::probe) return;
    if (!options.locked) {
      reject(file.path, "was not closed, or is in use, which is not known without its lock" +
                            repair_command(file));
    }
    if (!options.may_repair) throw NeedsRepair(file.path + ": was not closed");
    notices_.push_back(repair_dirty(file, options));
    image_.header = read_header(file);
  }

  /// Where others may be writing, or will before it is served, what nothing refers to is no leak.
  std::vector<HostRange> leaks_of(const ImageOptions& options) const {
    const bool is_ours = options.locked && options.purpose == Purpose::service;
    return options.after_kill && is_ours ? find_leaks_of_kill(image_.file)
                                         : std::vector<HostRange>();
  }

  /// Rejects an image that is to be written to. One that is only read is served with a notice of
  /// what is wrong, so that its data can be saved.
  void fail_writer(bool read_only, const std::string& reason, const std::string& remedy) {
    if (!read_only) reject(image_.file.path, reason + remedy);
    notices_.push_back(image_.file.path + ": " + reason +
                       ": it can be read, and not be written before that is repaired");
  }

  Bookkeeping read_books(bool read_only) {
    const OpenFile& file = image_.file;
    Bookkeeping books{read_snapshots(file, image_.header), {}};
    if (!books.snapshots.faults.empty()) {
      const bool repairable = books.snapshots.cut_off;
      fail_writer(read_only, books.snapshots.faults.front(),
                  repairable ? repair_command(file) : copy_command(file));
    }
    auto refcounts = read_refcount_table(file, image_.header);
    if (!refcounts) {
      fail_writer(read_only, refcounts.error(), repair_command(file));
    } else if (refcounts->front() == 0) {
      fail_writer(read_only, "its refcounts are lost: not even the header is counted",
                  repair_command(file));
    } else {
      books.refcount_table = std::move(*refcounts);
    }
    return books;
  }

  /// For an image that is only read, damaged bookkeeping is dropped.
  MetadataRegions check_tables(const std::vector<uint64_t>& l2_tables, Bookkeeping& books,
                               bool read_only) {
    const OpenFile& file = image_.file;
    auto tables = map_tables(file, image_.header, l2_tables, books);
    if (tables) return std::move(*tables);
    const std::string reason = std::move(tables.error());
    tables = map_tables(file, image_.header, l2_tables, {});
    if (tables) {
      books = {};
      const bool repairable = !reason.contains("snapshot");
      fail_writer(read_only, reason, repairable ? repair_command(file) : copy_command(file));
      return std::move(*tables);
    }
    const bool repairable = tables.error().ends_with("outside the file");
    reject(file.path, tables.error() + (repairable ? repair_command(file) : rescue_command(file)));
  }

  /// Tables that cannot be read are no error here: the guest may never need them.
  void note_missing_end(const std::vector<uint64_t>& refcount_table) try {
    std::vector<uint64_t> l2_tables;
    image_.l1.entries.for_each(
        [&](uint64_t, L1Entry entry) { l2_tables.push_back(entry.table()); });
    const OpenFile& data = image_.data_file ? *image_.data_file : image_.file;
    auto notice = find_missing_end(image_.file, data, image_.header.layout, std::move(l2_tables),
                                   refcount_table);
    if (notice) notices_.push_back(std::move(*notice));
  } catch (const std::system_error& error) {
    notices_.push_back(std::string("not known whether it is cut off: ") + error.what());
  }

  /// QEMU opens no image with damaged bitmaps. With the first write to it there are none any more.
  void note_damaged_bitmaps() try {
    const Header& header = image_.header;
    if (!header.bitmaps || (header.autoclear & Feature::kBitmaps) == 0) return;
    if (header.bitmaps->directory_bytes > kMaxBitmapDirectoryRead) return;
    const auto bitmaps = read_bitmaps(image_.file, header);
    if (bitmaps) return;
    const std::string& path = image_.file.path;
    notices_.push_back(path + ": " + bitmaps.error() +
                       ": QEMU does not open it before its bitmaps are given up (tapring image "
                       "check --repair all " +
                       path + ")");
  } catch (const std::system_error& error) {
    notices_.push_back(std::string("not known whether its bitmaps are damaged: ") + error.what());
  }

  void serve_snapshot(const SnapshotTable& snapshots, const std::string& wanted) {
    const Snapshot* snapshot = find_snapshot(snapshots.snapshots, wanted);
    if (snapshot == nullptr) {
      reject(image_.file.path,
             "has no snapshot " + wanted + " (qemu-img snapshot -l lists what it has)");
    }
    Layout& layout = image_.header.layout;
    layout.size_bytes = snapshot->size_bytes.value_or(layout.size_bytes);
    if (layout.size_bytes > INT64_MAX ||
        snapshot->l1_entries < layout.l1_entries_for(layout.size_bytes)) {
      reject(image_.file.path, "snapshot " + wanted + " has no valid size");
    }
    ReadL1 l1 = read_l1(image_.file, layout, snapshot->l1_offset, snapshot->l1_entries);
    for (const uint64_t table : l1.tables) {
      check_inside(image_.file, layout, "an L2 table", table, layout.cluster_bytes());
    }
    image_.l1 = std::move(l1.table);
  }
};

}  // namespace
}  // namespace qcow2

std::unique_ptr<OpenImage> open_qcow2(const ImageOptions& options) {
  const ImageName name = split_after_file(options.path);
  if (!name.selector.empty() && !options.read_only) {
    reject(options.path, "a snapshot is read-only (attach it with mode r)");
  }
  ImageOptions image = options;
  image.path = name.path;
  return std::make_unique<qcow2::OpenQcow2>(image, name.selector);
}

}  // namespace tapring
