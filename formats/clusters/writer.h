// SPDX-License-Identifier: MIT
// Changes of an image: where new data go, and what becomes of the old.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "formats/clusters/allocator.h"
#include "formats/clusters/commit.h"
#include "formats/clusters/header_sector.h"
#include "formats/clusters/map.h"
#include "formats/clusters/metadata_map.h"
#include "formats/clusters/table_writer.h"
#include "formats/image.h"
#include "formats/qcow2/bytes/header.h"
#include "ring/waiting.h"

namespace tapring {

/// What opening an image for writing finds besides.
struct WritableParts {
  AlignedBytes header_sector;
  MetadataMap metadata;
  std::optional<std::vector<uint64_t>> refcount_table;  ///< nullopt: it counts no references
};

/// Writes to clusters that are the disk's alone go straight there. For others each run of clusters
/// is claimed, so that two writes to one new cluster follow each other, and gets clusters of the
/// file that follow each other. What of them the write does not cover is copied.
class Writer {
 public:
  /// Each copies up to a cluster; others wait.
  static constexpr int kMaxCopies = 8;

  struct Context {
    Loop& loop;
    const qcow2::Header& header;
    Image& image;  ///< to read what is copied
    Map& map;
    Epochs& epochs;
    HostFile& file;
    std::optional<HostFile>& data_file;
    uint64_t backing_bytes;  ///< 0: there is none
  };

  Writer(const Context& context, WritableParts parts);

  Task<Error> write(uint64_t offset, Buffers from);
  Task<Error> discard(uint64_t offset, uint64_t bytes);
  Task<Error> flush();

  void report_to(std::shared_ptr<ImageEvents> events) noexcept;

  /// The last call.
  Task<Error> finish() { return commit_.finish(); }

 private:
  /// Clusters of the guest's disk that are written anew.
  struct Run {
    uint64_t offset;  ///< of the write
    uint64_t end;
    uint64_t host;  ///< of the first cluster
    uint64_t clusters;
    bool moves;  ///< to clusters that were allocated for it
    bool fresh;
    uint64_t fill_begin = 0;  ///< what is written, with what is copied
    uint64_t fill_end = 0;
  };

  std::unique_ptr<Allocator> allocator_for(const Context& context,
                                           std::optional<std::vector<uint64_t>> refcounts);

  HostFile& data() noexcept { return data_file_ ? *data_file_ : file_; }
  bool external() const noexcept { return layout_.external_data; }

  Task<Error> begin_change();
  Task<Result<Allocator::Allocation>> allocate(uint64_t clusters);
  Task<Error> write_parts(uint64_t offset, Buffers from);
  Task<Error> write_data(uint64_t host, Buffers from, uint64_t skip, uint64_t bytes);
  // `change` is raised to the change of the map without which the data would not be found.
  Task<Error> write_new(uint64_t offset, Buffers from, uint64_t skip, uint64_t bytes,
                        uint64_t& change);
  Task<Result<uint64_t>> write_some(uint64_t offset, Buffers from, uint64_t skip, uint64_t bytes,
                                    uint64_t& change);
  Task<Result<Run>> place(const Slice& slice, uint64_t offset, uint64_t bytes);
  void choose_fill(const Slice& slice, Run& run) const noexcept;
  Task<Error> fill_and_write(const Slice& slice, const Run& run, Buffers from, uint64_t skip);
  Task<Error> read_old(uint64_t offset, AlignedBytes& into);
  void map_run(const SliceRef& slice, const Run& run);

  std::optional<qcow2::Extent> writable_extent(const Slice& slice, uint64_t offset,
                                               uint64_t bytes) const noexcept;
  Error fault_of(const qcow2::Entry& entry) const noexcept;
  bool copies_whole(const qcow2::Entry& old, bool moves) const noexcept;
  bool reads_as_zeros(const Slice& slice, uint64_t begin, uint64_t end) const noexcept;
  void release_old(const qcow2::Entry& old);

  Task<Result<SliceRef>> own_slice(uint64_t offset);
  Task<Error> make_table(uint64_t l1_index);
  void disown_all(AlignedBytes& table) const noexcept;

  qcow2::Entry discarded(uint64_t offset) const noexcept;
  Task<Error> release_much();
  Task<Error> discard_clusters(uint64_t offset, uint64_t end, uint64_t& change);
  Task<Error> end_change(Error error);

  Loop& loop_;
  qcow2::Layout layout_;
  uint64_t autoclear_;
  bool raw_external_;
  Image& image_;
  Map& map_;
  Epochs& epochs_;
  HostFile& file_;
  std::optional<HostFile>& data_file_;
  uint64_t backing_bytes_;
  MetadataMap metadata_;
  TableWriter table_writer_;
  HeaderSector header_;
  std::unique_ptr<Allocator> allocator_;
  Puncher puncher_;
  Commit commit_;
  RangeLock clusters_;
  RangeLock tables_;
  RangeLock header_changes_;
  /// Counts one that copies, if it does.
  class CopyPass {
   public:
    CopyPass(Writer& writer, bool copies) noexcept : writer_(writer), copies_(copies) {
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
    Writer& writer_;
    bool copies_;
  };

  int copies_ = 0;
  WaitQueue copy_ended_;
  bool changed_ = false;
  Error broken_;  ///< the image is corrupt: no more changes
  std::shared_ptr<ImageEvents> events_;
};

}  // namespace tapring
