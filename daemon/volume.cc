// SPDX-License-Identifier: MIT
#include "daemon/volume.h"

namespace tapring {

Task<Error> Volume::flush() {
  if (flush_failed_) co_return std::make_error_code(std::errc::io_error);
  const Error error = co_await image_->flush();
  if (error) flush_failed_ = true;
  co_return error;
}

Task<Error> Volume::refused() { co_return std::make_error_code(std::errc::io_error); }

}  // namespace tapring
