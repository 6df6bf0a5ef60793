// SPDX-License-Identifier: MIT
// How changes of the map get to the file, so that at any moment the power may go, or the process:
//
//   1. what is dirty of the map is copied; the data that it refers to are in the file already
//   2. refcounts are written
//   3. sync: data, new tables and refcounts are durable, and the entries of the commits before
//   4. the copies are written: L2 entries and L1 entries; guests' writes are done
//
// So an entry in the file never refers to data that is not there, and the worst that a power cut
// leaves behind is leaked clusters. A cluster is released, and may be used again, once a sync has
// made it certain that nothing in the file refers to it any more. A guest's flush is the sync of a
// commit that begins after it: the entries of the writes done by then are in the file already. So
// where there is no room for refcounts or entries a flush still succeeds: they stay in memory to be
// written later, and the sync is done all the same.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "formats/clusters/cluster_allocator.h"
#include "formats/clusters/cluster_map.h"
#include "formats/clusters/grace_periods.h"
#include "formats/clusters/host_file.h"
#include "formats/clusters/puncher.h"
#include "formats/clusters/table_writer.h"
#include "formats/image.h"
#include "ring/waiting.h"

namespace tapring {

class Commit {
 public:
  /// How many slices of the map, and how many ranges to release, may wait. With more, a writer
  /// first commits or releases some.
  static constexpr std::size_t kMaxDirty = 64;
  static constexpr std::size_t kMaxReleases = 4096;
  /// With more bytes than this to release, the file does not grow and a discard does not end.
  static constexpr uint64_t kMaxReleasedBytes = uint64_t{32} << 20;

  struct Context {
    ClusterMap& map;
    ClusterAllocator& allocator;
    GracePeriods& grace_periods;
    TableWriter& tables;
    HostFile& file;
    std::optional<HostFile>& data_file;
    Puncher& puncher;
  };

  Commit(Loop& loop, const Context& context) noexcept
      : loop_(loop),
        map_(context.map),
        allocator_(context.allocator),
        grace_periods_(context.grace_periods),
        tables_(context.tables),
        file_(context.file),
        data_file_(context.data_file),
        puncher_(context.puncher),
        progress_(loop),
        releasing_(loop),
        releases_in_turn_(loop) {}

  /// Makes durable all that was done before the call. Concurrent calls share the work.
  Task<Error> run();

  /// Ends when the changes of this generation of the map, and of those before it, are in the file:
  /// then they survive the death of the process. Concurrent calls share the work.
  Task<Error> wait_written(uint64_t generation);

  /// For a range that the map no longer refers to: releases it once the file does not either.
  void release_later(HostRange range);

  /// Waits until no more is to be written and released than the bounds above allow.
  Task<Error> make_room();

  /// So many clusters wait to be released that the file need not grow: use those instead.
  bool must_release_first() const noexcept { return pending_.bytes > kMaxReleasedBytes; }
  /// Does the next step towards that.
  Task<Error> release_some();

  void report_to(ImageEvents& events) noexcept { events_ = &events; }

  /// Writes everything, makes it durable, and releases every cluster that was to be. Must end
  /// before this is destroyed.
  Task<Error> finish();

 private:
  Task<Error> begin();
  Task<Error> run_once();
  Task<Error> sync();
  Detached release(std::vector<HostRange>& all);
  Task<Error> release_all(std::span<const HostRange> ranges, std::size_t& done);
  void append(std::vector<HostRange>& to, std::span<const HostRange> ranges) noexcept;
  void is_done(const HostRange& range) noexcept {
    --pending_.ranges;
    pending_.bytes -= range.bytes;
  }
  bool must_commit() const noexcept {
    return map_.dirty_slices() >= kMaxDirty || allocator_.must_commit();
  }

  /// What release_later() was given and is not released yet.
  struct Pending {
    std::size_t ranges = 0;
    uint64_t bytes = 0;
  };

  Loop& loop_;
  ClusterMap& map_;
  ClusterAllocator& allocator_;
  GracePeriods& grace_periods_;
  TableWriter& tables_;
  HostFile& file_;
  std::optional<HostFile>& data_file_;
  Puncher& puncher_;
  Pending pending_;
  std::vector<HostRange> releases_;           ///< whose new entries are in memory only
  std::vector<HostRange> unsynced_releases_;  ///< whose new entries are written, and not synced
  uint64_t begun_ = 0;
  uint64_t synced_ = 0;   ///< the last commit that had its sync
  uint64_t written_ = 0;  ///< the last commit whose entries are written
  bool running_ = false;
  ImageEvents* events_ = nullptr;
  WaitQueue progress_;
  TaskGroup releasing_;
  RangeLock releases_in_turn_;
};

}  // namespace tapring
