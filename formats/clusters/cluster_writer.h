// SPDX-License-Identifier: MIT
// Changes of an image: where new data go, and what becomes of the old.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "formats/clusters/cluster_allocator.h"
#include "formats/clusters/cluster_map.h"
#include "formats/clusters/commit.h"
#include "formats/clusters/header_sector.h"
#include "formats/clusters/metadata_regions.h"
#include "formats/clusters/table_writer.h"
#include "formats/image.h"
#include "formats/qcow2/bytes/header.h"
#include "ring/waiting.h"

namespace tapring {

/// What is needed of an image besides its map to write to it.
struct WritableParts {
  AlignedBytes header_sector;
  MetadataRegions metadata;
  std::optional<std::vector<uint64_t>> refcount_table;  ///< nullopt: it counts no references
  std::vector<HostRange> leaks{};                       ///< released as soon as that is safe
};

/// A write to clusters that only the disk refers to goes straight there. For other clusters it
/// locks the run of them, so that two writes to one new cluster come one after the other, and
/// allocates clusters of the file that follow each other. What the write does not cover of them is
/// copied.
class ClusterWriter {
 public:
  /// So many writes may copy at once, each up to a cluster; others wait.
  static constexpr int kMaxCopies = 8;

  struct Context {
    Loop& loop;
    const qcow2::Header& header;
    Image& image;  ///< to read what is copied
    ClusterMap& map;
    GracePeriods& grace_periods;
    HostFile& file;
    std::optional<HostFile>& data_file;
    uint64_t backing_bytes;  ///< 0: there is none
  };

  ClusterWriter(const Context& context, WritableParts parts);

  Task<Error> write(uint64_t offset, Buffers from);
  Task<Error> discard(uint64_t offset, uint64_t bytes);
  Task<Error> flush();

  void report_to(std::shared_ptr<ImageEvents> events) noexcept;

  /// The last call.
  Task<Error> finish() { return commit_.finish(); }

 private:
  /// Clusters of the guest's disk that follow each other, and whose entries a write changes.
  struct Run {
    uint64_t offset;  ///< where on the disk the guest writes, from here to `end`
    uint64_t end;
    uint64_t host;  ///< where in the file the first cluster is
    uint64_t clusters;
    bool allocated;   ///< they were allocated for this write
    bool known_zero;  ///< they were never written, and so read as zeros
    /// What is written of the disk: the guest's bytes, and around them what is copied.
    uint64_t cow_begin = 0;
    uint64_t cow_end = 0;
  };

  std::unique_ptr<ClusterAllocator> allocator_for(const Context& context,
                                                  std::optional<std::vector<uint64_t>> refcounts);

  HostFile& data() noexcept { return data_file_ ? *data_file_ : file_; }
  bool external() const noexcept { return layout_.external_data; }

  Task<Error> begin_change();
  Task<Result<ClusterAllocator::Allocation>> allocate(uint64_t clusters);
  Task<Error> write_parts(uint64_t offset, Buffers from);
  Task<Error> write_data(uint64_t host, Buffers from, uint64_t skip, uint64_t bytes);
  // `generation` is raised to that of the map's change without which the data would not be found.
  Task<Error> write_new(uint64_t offset, Buffers from, uint64_t skip, uint64_t bytes,
                        uint64_t& generation);
  Task<Result<uint64_t>> write_some(uint64_t offset, Buffers from, uint64_t skip, uint64_t bytes,
                                    uint64_t& generation);
  Task<Result<Run>> place(const TableSlice& slice, uint64_t offset, uint64_t bytes);
  void choose_cow(const TableSlice& slice, Run& run) const noexcept;
  Task<Error> copy_and_write(const TableSlice& slice, const Run& run, Buffers from, uint64_t skip);
  Task<Error> read_old(uint64_t offset, AlignedBytes& into);
  void map_run(const SliceRef& slice, const Run& run);

  std::optional<Extent> writable_extent(const TableSlice& slice, uint64_t offset,
                                        uint64_t bytes) const noexcept;
  Error fault_of(const qcow2::Entry& entry) const noexcept;
  bool copies_whole(const qcow2::Entry& old, bool allocated) const noexcept;
  bool reads_as_zeros(const TableSlice& slice, uint64_t begin, uint64_t end) const noexcept;
  void release_old(const qcow2::Entry& old);

  Task<Result<SliceRef>> writable_slice(uint64_t offset);
  Task<Error> make_table(uint64_t l1_index);
  void clear_copied_flags(AlignedBytes& table) const noexcept;

  qcow2::Entry entry_after_discard(uint64_t offset) const noexcept;
  Task<Error> release_backlog();
  Task<Error> discard_clusters(uint64_t offset, uint64_t end, uint64_t& generation);
  Task<Error> end_change(Error error);

  Loop& loop_;
  qcow2::Layout layout_;
  uint64_t autoclear_;
  bool raw_external_;
  Image& image_;
  ClusterMap& map_;
  GracePeriods& grace_periods_;
  HostFile& file_;
  std::optional<HostFile>& data_file_;
  uint64_t backing_bytes_;
  MetadataRegions metadata_;
  TableWriter table_writer_;
  HeaderSector header_;
  std::unique_ptr<ClusterAllocator> allocator_;
  Puncher puncher_;
  Commit commit_;
  RangeLock clusters_;
  RangeLock tables_;
  RangeLock header_changes_;
  /// Held by a write that copies, and counted then.
  class CopyPass {
   public:
    CopyPass(ClusterWriter& writer, bool copies) noexcept : writer_(writer), copies_(copies) {
      if (copies_) ++writer_.copies_;
    }
    CopyPass(const CopyPass&) = delete;
    CopyPass& operator=(const CopyPass&) = delete;
    ~CopyPass() {
      if (!copies_) return;
      --writer_.copies_;
      writer_.copy_ended_.wake_all();
    }

   private:
    ClusterWriter& writer_;
    bool copies_;
  };

  int copies_ = 0;
  WaitQueue copy_ended_;
  bool changed_ = false;
  Error broken_;  ///< the image is corrupt: no more changes
  std::shared_ptr<ImageEvents> events_;
};

}  // namespace tapring
