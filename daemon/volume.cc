// SPDX-License-Identifier: MIT
#include "daemon/volume.h"

#include <algorithm>

namespace tapring {
namespace {

/// Not the error that the storage gave: that one might be waited for, and another try believed.
Error lost() noexcept {
  return std::make_error_code(std::errc::state_not_recoverable);
}

}  // namespace

Task<Error> Volume::flush() {
  if (*flush_failed_) co_return lost();
  const Error error = co_await image_->flush();
  if (error) *flush_failed_ = true;
  // Of two flushes at the same time the kernel fails one, for what either was to make durable.
  co_return *flush_failed_ ? lost() : Error();
}

Task<Result<uint64_t>> Volume::grow() {
  const Result<uint64_t> bytes = co_await image_->size();
  if (!bytes) co_return bytes;
  limits_.sectors = std::max(limits_.sectors, *bytes / kSectorBytes);
  co_return *bytes / kSectorBytes;
}

Task<Error> Volume::refused() {
  co_return lost();
}

}  // namespace tapring
