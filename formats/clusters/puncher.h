// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/clusters/cluster_allocator.h"
#include "formats/clusters/host_file.h"
#include "formats/image.h"
#include "ring/waiting.h"

namespace tapring {

/// Gives the room of free clusters back to the storage, as holes in the file. They may be used
/// again before: so this is done when nothing else is, and but for one at a time while requests
/// change the image. What fails is tried again once more clusters have become free.
class Puncher {
 public:
  /// At once; while the image is being changed, one.
  static constexpr std::size_t kMaxPunches = 8;
  /// Each one's: clusters that are being punched cannot be used again meanwhile.
  static constexpr uint64_t kMaxPunchBytes = uint64_t{2} << 20;
  /// When the image is closed, so many more; what is still waiting then keeps its room.
  static constexpr std::size_t kMaxPunchesAtClose = 2 * kMaxPunches;
  /// Runs that wait to be punched; then discards wait.
  static constexpr std::size_t kMaxWaiting = 8192;

  /// Held while a request changes the image.
  class Change {
   public:
    explicit Change(Puncher& puncher) noexcept : puncher_(puncher) { ++puncher.changes_; }
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;
    ~Change() {
      if (--puncher_.changes_ == 0) puncher_.start();
    }

   private:
    Puncher& puncher_;
  };

  Puncher(Loop& loop, ClusterAllocator& allocator, HostFile& file) noexcept
      : allocator_(allocator), file_(file), progress_(loop), punching_(loop) {}

  void report_to(ImageEvents& events) noexcept { events_ = &events; }

  /// More clusters are free.
  void retry() {
    failed_ = false;
    start();
  }

  /// Until there is room for more that waits. Within a Change.
  Task<Error> room();

  /// Before this is destroyed, and after the last Change.
  Task<Error> finish();

 private:
  class InWait {
   public:
    explicit InWait(std::size_t& changes) noexcept : changes_(changes) { ++changes_; }
    InWait(const InWait&) = delete;
    InWait& operator=(const InWait&) = delete;
    ~InWait() { --changes_; }

   private:
    std::size_t& changes_;
  };

  HostRange next(std::size_t under_way);
  void start();
  Detached punch(HostRange range);

  ClusterAllocator& allocator_;
  HostFile& file_;
  std::size_t changes_ = 0;
  std::size_t changes_in_wait_ = 0;
  std::size_t left_ = SIZE_MAX;  ///< how many may still be begun
  bool failed_ = false;
  ImageEvents* events_ = nullptr;
  WaitQueue progress_;
  TaskGroup punching_;
};

}  // namespace tapring
