// SPDX-License-Identifier: MIT
// How a request of the data path fails: by value. Setting something up throws instead.
#pragma once

#include <expected>
#include <system_error>

namespace tapring {

/// Converts to false on success.
using Error = std::error_code;

template <typename T>
using Result = std::expected<T, Error>;

/// The Error of an errno value or of a negative result of io_uring; 0 is success.
inline Error system_error_code(int number) noexcept {
  return {number < 0 ? -number : number, std::system_category()};
}

/// The Error of data that was written and is now gone: equal to errc::state_not_recoverable, with
/// the errno value that told of it as its value. `cause`: any failure.
Error lost_write(Error cause) noexcept;

/// The name that manual pages have for it, such as "EIO".
const char* errno_name(Error error) noexcept;

/// What the end of an fdatasync says of the data before it. Every failure is a lost_write(): the
/// kernel marks pages clean that it could not write, ENOSPC and EDQUOT included, and says so once.
/// Only a sync that was never carried out lost nothing (EINTR, EAGAIN, ECANCELED).
Error sync_result(Error error) noexcept;

}  // namespace tapring
