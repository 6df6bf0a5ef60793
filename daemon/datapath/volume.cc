// SPDX-License-Identifier: MIT
#include "daemon/datapath/volume.h"

#include <algorithm>
#include <utility>

namespace tapring {

Task<Error> Volume::flush() {
  const uint64_t wanted = flushes_begun_ + 1;  // one that is under way may have begun too early
  while (flushes_ended_ < wanted && !faults_->data_lost()) {
    if (flushing_) {
      co_await flush_ended_.wait();
      continue;
    }
    flushing_ = true;
    ++flushes_begun_;
    flush_error_ = co_await image_->image().flush();
    if (flush_error_ == std::errc::state_not_recoverable) {
      faults_->mark_data_lost("a flush failed", flush_error_);
    }
    flushing_ = false;
    flushes_ended_ = flushes_begun_;
    if (!flush_error_) flushes_done_ = flushes_ended_;
    flush_ended_.wake_all();
  }
  // The kernel reports a loss to one flush only, though others were to make the same data durable.
  if (faults_->data_lost()) {
    const bool was_told =
        flushes_ended_ >= wanted && flush_error_ == std::errc::state_not_recoverable;
    co_return was_told ? flush_error_ : lost();
  }
  // All that share a failed flush fail with it, rather than each asking a full storage once more.
  co_return flushes_done_ >= wanted ? Error() : flush_error_;
}

Task<Result<uint64_t>> Volume::grow() {
  const Result<uint64_t> bytes = co_await image_->image().size();
  if (!bytes) co_return bytes;
  end_ = *bytes / kSectorBytes;
  limits_.sectors = std::max(limits_.sectors, end_);
  co_return end_;
}

/// If others still use the image, this volume will not hear of an error when it is closed: so it
/// flushes. The others may have gone while it did.
Task<Error> Volume::close() {
  const std::shared_ptr<SharedImage> image = std::move(image_);
  if (image.use_count() > 1) {
    const Error error = co_await image->image().flush();
    if (image.use_count() > 1) {
      image->remove(faults_);
      co_return error;
    }
  }
  co_return co_await image->image().close();
}

bool Volume::reaches_past_end(uint64_t sector, Buffers buffers) const noexcept {
  if (end_ >= limits_.sectors) return false;
  uint64_t bytes = sector * kSectorBytes;
  for (const iovec& buffer : buffers) bytes += buffer.iov_len;
  return bytes > end_ * kSectorBytes;
}

/// As the error of a read there is.
Task<Error> Volume::past_end() {
  co_return std::make_error_code(std::errc::io_error);
}

Task<Error> Volume::refused() {
  co_return lost();
}

}  // namespace tapring
