// SPDX-License-Identifier: MIT
#include "formats/qcow2/check.h"

#include "formats/qcow2/big_endian.h"
#include "formats/qcow2/copied_flags.h"
#include "formats/qcow2/open_file.h"
#include "formats/qcow2/read_tables.h"
#include "formats/qcow2/refcount_check.h"
#include "formats/qcow2/refcount_repair.h"
#include "formats/qcow2/reference_walk.h"

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

/// Everything that refers to a cluster, counted.
struct Counted {
  Counted(const OpenFile& file, const Header& header, const CheckOptions& options)
      : counts(options.max_bytes),
        walk(file, header, counts, findings, options.max_bytes),
        refcounts(file, header, counts, findings),
        steps(options) {
    walk.count_tables(read_snapshots(file, header));
    steps.expect(2 * walk.l2_tables().size() + refcounts.blocks().size());
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
  Steps steps;
};

/// Tables that something else is in are not written.
void mend_flags(OpenFile& file, const Header& header, Counted& counted, FileWriter& writer) {
  if (!counted.walk.l1_found()) return;
  CopiedFlags flags(file, header, counted.counts, counted.findings, &writer);
  flags.check_l1();
  for (const L2Table& table : counted.walk.l2_tables()) {
    const uint64_t cluster = table.offset >> header.layout.cluster_bits;
    if (table.active > 0 && counted.counts.of(cluster) == table.references) flags.check_l2(table);
    counted.steps.step();
  }
  if (flags.wrote()) writer.sync();
}

void mend(OpenFile& file, Repair repair, FileWriter& writer, const CheckOptions& options) {
  Header header = read_header(file);
  Counted counted(file, header, options);
  RefcountRepair refcounts(file, header, counted.counts,
                           {counted.refcounts.blocks(), counted.refcounts.table_usable()}, writer);
  if (repair == Repair::all) refcounts.rebuild_tables();
  // What a lost table refers to may be among what seems to be leaked.
  const bool right = refcounts.mend(repair == Repair::all, !counted.findings.tables_lost());
  if (right || repair == Repair::all) mend_flags(file, header, counted, writer);
}

void clear_marks(const OpenFile& file, FileWriter& writer) {
  AlignedBytes sector = read_bytes(file, 0, kSector);
  const auto incompatible = load<uint64_t>(sector.span(), Header::kIncompatibleAt);
  store(sector.span(), Header::kIncompatibleAt, incompatible & ~kMarks);
  writer.write(0, sector.span());
  writer.sync();
}

ImageCheck look_at(const OpenFile& file, const CheckOptions& options) {
  const Header header = read_header(file);
  Counted counted(file, header, options);
  ImageCheck check;
  check.end_bytes = counted.counts.end() << header.layout.cluster_bits;
  for (std::size_t block = 0; block < counted.refcounts.blocks().size(); ++block) {
    counted.refcounts.compare(block);
    counted.steps.step();
  }
  counted.refcounts.compare_rest();
  CopiedFlags flags(file, header, counted.counts, counted.findings, nullptr);
  flags.check_l1();
  for (const L2Table& table : counted.walk.l2_tables()) {
    if (table.active > 0) flags.check_l2(table);
    counted.steps.step();
  }
  check.findings = std::move(counted.findings);
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
    refuse(file.path, error.what());
  }
}

ImageCheck repair_image(OpenFile& file, Repair repair, FileWriter& writer,
                        const CheckOptions& options) {
  try {
    mend(file, repair, writer, options);
  } catch (const TooMuchMemory& error) {
    refuse(file.path, error.what());
  }
  ImageCheck left = check_image(file, options);
  if (left.findings.corruptions() > 0 || (!left.dirty && !left.corrupt)) return left;
  clear_marks(file, writer);
  left.dirty = left.corrupt = false;
  return left;
}

}  // namespace tapring::qcow2
