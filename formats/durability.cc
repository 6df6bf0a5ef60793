// SPDX-License-Identifier: MIT
#include "formats/durability.h"

namespace tapring {

Task<Error> Durability::sync(File& file) {
  if (lost_) co_return lost_;
  const Error error = sync_result(co_await file.sync());
  if (error == std::errc::state_not_recoverable) lost_ = error;
  // Of two concurrent syncs the kernel fails only one, though the lost write concerns both.
  co_return lost_ ? lost_ : error;
}

Task<Error> Durability::close(File& file) {
  const Error error = co_await file.close();
  if (lost_) co_return lost_;
  co_return written_ ? sync_result(error) : error;
}

}  // namespace tapring
