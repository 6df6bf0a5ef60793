// SPDX-License-Identifier: MIT
#include "formats/qcow2/offline/check.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>

#include "formats/clusters/blocking_io.h"
#include "formats/qcow2/bytes/big_endian.h"
#include "formats/qcow2/bytes/header.h"
#include "formats/qcow2/offline/copied_flags.h"
#include "formats/qcow2/offline/dangling_entries.h"
#include "formats/qcow2/offline/read_tables.h"
#include "formats/qcow2/offline/refcount_check.h"
#include "formats/qcow2/offline/refcount_repair.h"
#include "formats/qcow2/offline/reference_walk.h"
#include "formats/reject.h"
#include "ring/sizes.h"

namespace tapring::qcow2 {
namespace {

constexpr uint64_t kMarks = Feature::kDirty | Feature::kCorrupt;

class Steps {
 public:
  explicit Steps(const CheckOptions& options) noexcept : options_(options) {}

  void expect(uint64_t steps) noexcept { all_ += steps; }
  void step() {
    ++done_;
    if (options_.progress) options_.progress(done_, all_);
  }

 private:
  const CheckOptions& options_;
  uint64_t done_ = 0;
  uint64_t all_ = 0;
};

bool is_there(uint64_t table) noexcept { return table != 0; }

/// Counts everything that refers to a cluster.
struct Counted {
  Counted(const OpenFile& file, const Header& header, const CheckOptions& options)
      : counts(options.max_bytes),
        walk(file, header, counts, findings, options.max_bytes),
        refcounts(file, header, counts, findings),
        snapshots(read_snapshots(file, header)),
        steps(options) {
    walk.count_tables(snapshots);
    const auto blocks = std::ranges::count_if(refcounts.blocks(), is_there);
    steps.expect(2 * walk.l2_tables().size() + static_cast<uint64_t>(blocks));
    for (const L2Table& table : walk.l2_tables()) {
      walk.count_mapped(table);
      steps.step();
    }
    refcounts.count_tables();
    walk.check_overlaps();
  }

  Findings findings;
  ReferenceCounts counts;
  ReferenceWalk walk;
  RefcountCheck refcounts;
  SnapshotTable snapshots;
  Steps steps;
};

/// Lets `set` change fields in the header's sector, writes that, and makes everything durable.
void change_header(const OpenFile& file, FileWriter& writer,
                   const std::function<void(std::span<std::byte>)>& set) {
  AlignedBytes sector = read_bytes(file, 0, kSectorBytes);
  set(sector.span());
  writer.write(0, sector.span());
  writer.sync();
}

/// Gives up all bitmaps: QEMU opens no image of which one is damaged. As after a write by somebody
/// who knows of none, they are there, and mean nothing; their clusters are leaks.
void drop_bitmaps(const OpenFile& file, Header& header, FileWriter& writer) {
  header.autoclear &= ~Feature::kBitmaps;
  change_header(file, writer, [&header](std::span<std::byte> sector) {
    store(sector, Header::kAutoclearAt, header.autoclear);
  });
}

/// Gives up what is lost. Does not write to tables that share a cluster with something else.
void drop_lost(const OpenFile& file, const Header& header, Counted& counted, FileWriter& writer) {
  ReferenceWalk& walk = counted.walk;
  if (walk.dangling() > 0) {
    DanglingEntries dangling(file, header, writer);
    const auto drop_l1 = [&](uint64_t offset, uint64_t entries) {
      if (walk.may_write_l1(offset)) dangling.drop_l1(offset, entries);
    };
    drop_l1(header.l1_offset, header.l1_entries);
    for (const Snapshot& snapshot : counted.snapshots.snapshots) {
      drop_l1(snapshot.l1_offset, snapshot.l1_entries);
    }
    for (const L2Table& table : walk.l2_tables()) {
      if (walk.may_write(table)) dangling.drop_l2(table);
    }
    dangling.sync();
  }
  if (!counted.snapshots.cut_off) return;
  const uint32_t left = counted.snapshots.entries;
  change_header(file, writer, [left](std::span<std::byte> sector) {
    store(sector, Header::kSnapshotsAt, left);
    if (left == 0) store(sector, Header::kSnapshotTableAt, uint64_t{0});
  });
}

/// Not those of tables that share a cluster with something else: such a table is a finding itself,
/// and its flags could not be repaired. What it maps is allocated all the same.
void check_flags(CopiedFlags& flags, const Header& header, Counted& counted) {
  if (counted.walk.may_write_l1(header.l1_offset)) flags.check_l1();
  for (const L2Table& table : counted.walk.l2_tables()) {
    counted.steps.step();
    if (table.active == 0) continue;
    if (counted.walk.may_write(table)) {
      flags.check_l2(table);
    } else {
      flags.measure_l2(table);
    }
  }
}

void repair_flags(OpenFile& file, const Header& header, Counted& counted, FileWriter& writer) {
  CopiedFlags flags(file, header, counted.counts, counted.findings, &writer);
  check_flags(flags, header, counted);
  if (flags.wrote()) writer.sync();
}

void repair_once(OpenFile& file, Repair repair, FileWriter& writer, const CheckOptions& options) {
  Header header = read_header(file);
  std::optional<Counted> whole(std::in_place, file, header, options);
  if (repair == Repair::all && whole->walk.bitmaps_damaged()) {
    drop_bitmaps(file, header, writer);
    whole.emplace(file, header, options);
  }
  Counted& counted = *whole;
  if (repair == Repair::all) drop_lost(file, header, counted, writer);
  // A dangling entry would lead to the new tables that are appended to the file.
  if (repair == Repair::refcounts && counted.walk.dangling() > 0) return;
  if (!counted.refcounts.has_table()) header.refcount_table_clusters = 0;
  RefcountRepair refcounts(file, header, counted.counts,
                           {counted.refcounts.blocks(), counted.refcounts.table_usable()}, writer,
                           options.max_growth);
  const bool raises = repair != Repair::leaks;
  if (raises) refcounts.rebuild_tables();
  // Clusters that seem leaked may belong to a table that could not be followed.
  const bool right = refcounts.correct(raises, !counted.findings.tables_lost());
  if (right || raises) repair_flags(file, header, counted, writer);
}

void clear_marks(const OpenFile& file, FileWriter& writer) {
  change_header(file, writer, [](std::span<std::byte> sector) {
    const auto incompatible = load<uint64_t>(sector, Header::kIncompatibleAt);
    store(sector, Header::kIncompatibleAt, incompatible & ~kMarks);
  });
}

ImageCheck look_at(const OpenFile& file, const CheckOptions& options) {
  const Header header = read_header(file);
  Counted counted(file, header, options);
  ImageCheck check;
  check.end_bytes = counted.counts.end() << header.layout.cluster_bits;
  for (std::size_t block = 0; block < counted.refcounts.blocks().size(); ++block) {
    counted.refcounts.compare(block);
    if (is_there(counted.refcounts.blocks()[block])) counted.steps.step();
  }
  counted.refcounts.compare_rest();
  CopiedFlags flags(file, header, counted.counts, counted.findings, nullptr);
  check_flags(flags, header, counted);
  check.findings = std::move(counted.findings);
  check.leaked = counted.refcounts.leaked();
  check.guest_clusters =
      header.layout.round_up(header.layout.size_bytes) >> header.layout.cluster_bits;
  check.allocated_clusters = flags.sizes().allocated_clusters;
  check.compressed_clusters = flags.sizes().compressed_clusters;
  check.dirty = (header.incompatible & Feature::kDirty) != 0;
  check.corrupt = (header.incompatible & Feature::kCorrupt) != 0;
  return check;
}

}  // namespace

ImageCheck check_image(const OpenFile& file, const CheckOptions& options) {
  try {
    return look_at(file, options);
  } catch (const TooMuchMemory& error) {
    reject(file.path, error.what());
  }
}

ImageCheck repair_image(OpenFile& file, Repair repair, const CheckOptions& options) {
  FileWriter writer(file);
  return repair_image(file, repair, writer, options);
}

ImageCheck repair_image(OpenFile& file, Repair repair, FileWriter& writer,
                        const CheckOptions& options) {
  try {
    repair_once(file, repair, writer, options);
  } catch (const TooMuchMemory& error) {
    reject(file.path, error.what());
  }
  ImageCheck left = check_image(file, options);
  if (left.findings.corruptions() > 0 || (!left.dirty && !left.corrupt)) return left;
  clear_marks(file, writer);
  left.dirty = left.corrupt = false;
  return left;
}

}  // namespace tapring::qcow2
