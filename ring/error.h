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

/// The Error of data that was written and may be gone: compares equal to
/// errc::state_not_recoverable, and has the errno value of `cause`, which is any failure.
Error lost_write(Error cause) noexcept;

/// Its name in manual pages, such as "EIO".
const char* errno_name(Error error) noexcept;

/// What the result of an fdatasync says of the data written before it. Every failure is a
/// lost_write(): the kernel marks pages that it could not write as clean, after ENOSPC and EDQUOT
/// too, and reports that once. Only a sync that was never begun lost nothing (EINTR, EAGAIN,
/// ECANCELED).
Error sync_result(Error error) noexcept;

}  // namespace tapring
