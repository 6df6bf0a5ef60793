// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/clusters/cluster_allocator.h"
#include "formats/clusters/host_file.h"
#include "formats/image.h"
#include "ring/waiting.h"

namespace tapring {

/// Gives the room of free clusters back to the storage by punching holes into the file. A cluster
/// that is used again soon needs no hole, so this happens when nothing else does; while requests
/// change the image, one hole at a time. After a failure it waits until more clusters are free.
class Puncher {
 public:
  /// At once; while the image is being changed, one.
  static constexpr std::size_t kMaxPunches = 8;
  /// The size of a hole: its clusters cannot be used again while it is being punched.
  static constexpr uint64_t kMaxPunchBytes = uint64_t{2} << 20;
  /// So many more are punched when the image is closed; what still waits then keeps its room.
  static constexpr std::size_t kMaxPunchesAtClose = 2 * kMaxPunches;
  /// With so many runs waiting to be punched, discards wait.
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

  /// Waits until fewer runs than kMaxWaiting wait. Called within a Change.
  Task<Error> room();

  /// The last call, after the last Change: ends when no punch is under way any more.
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
