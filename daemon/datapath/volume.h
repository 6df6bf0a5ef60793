// SPDX-License-Identifier: MIT
// An image as a guest may use it: what is the same for every format is done here.
#pragma once

#include <memory>
#include <utility>

#include "daemon/datapath/disk_faults.h"
#include "daemon/datapath/shared_image.h"
#include "formats/image.h"
#include "ring/loop.h"
#include "ring/request.h"
#include "ring/waiting.h"

namespace tapring {

/// For requests that were checked: in range, in whole sectors, no write to a read-only image. After
/// a lost write, every write and flush ends with errc::state_not_recoverable.
class Volume {
 public:
  /// `geometry`: what the guest is offered of the image. `faults`: shared with all volumes on the
  /// same image, on whichever thread.
  Volume(Loop& loop, std::shared_ptr<SharedImage> image, const Geometry& geometry,
         std::shared_ptr<DiskFaults> faults)
      : flush_ended_(loop), image_(std::move(image)), faults_(std::move(faults)),
        limits_{geometry.size_bytes / kSectorBytes, geometry.read_only,
                geometry.discard_granularity > 0, geometry.secure_erase},
        end_(limits_.sectors) {
    image_->add(faults_);
  }
  Volume(const Volume&) = delete;
  Volume& operator=(const Volume&) = delete;
  ~Volume() {
    if (image_) image_->remove(faults_);
  }

  /// The error of requests after a lost write. Not the loss's own, which a policy might wait for,
  /// to believe a retry then.
  static Error lost() noexcept { return std::make_error_code(std::errc::state_not_recoverable); }

  const RequestLimits& limits() const noexcept { return limits_; }

  Task<Error> read(uint64_t sector, Buffers into) {
    return image_->image().read(sector * kSectorBytes, into);
  }
  Task<Error> write(uint64_t sector, Buffers from) {
    if (faults_->data_lost()) return refused();
    if (reaches_past_end(sector, from)) return past_end();
    return image_->image().write(sector * kSectorBytes, from);
  }
  /// All flushes that come while one is under way share the next one, so that a guest never has
  /// more than one at the storage, beside those of other disks. Its errors are those of
  /// Image::flush().
  Task<Error> flush();
  Task<Error> discard(uint64_t sector, uint64_t sectors) {
    if (faults_->data_lost()) return refused();
    return image_->image().discard(sector * kSectorBytes, sectors * kSectorBytes);
  }
  Task<Error> secure_erase(uint64_t sector, uint64_t sectors) {
    if (faults_->data_lost()) return refused();
    return image_->image().secure_erase(sector * kSectorBytes, sectors * kSectorBytes);
  }

  /// Offers what the image has grown by. If it has become smaller, the volume keeps its size and
  /// fails requests past the image's end: a write there would make the file longer again, with
  /// zeros between. The result is the image's present size in sectors.
  Task<Result<uint64_t>> grow();

  /// To be shared with another volume on this loop; null once this one is being closed.
  const std::shared_ptr<SharedImage>& image() const noexcept { return image_; }

  /// The last call, when every other task is done. The last volume closes the image.
  Task<Error> close();

 private:
  static Task<Error> refused();
  static Task<Error> past_end();
  bool reaches_past_end(uint64_t sector, Buffers buffers) const noexcept;

  WaitQueue flush_ended_;
  bool flushing_ = false;
  uint64_t flushes_begun_ = 0;
  uint64_t flushes_ended_ = 0;
  uint64_t flushes_done_ = 0;  ///< the last one that succeeded
  Error flush_error_;          ///< of the last one that ended
  std::shared_ptr<SharedImage> image_;
  std::shared_ptr<DiskFaults> faults_;
  RequestLimits limits_;
  uint64_t end_;  ///< of the image, in sectors, at the last grow()
};

}  // namespace tapring
