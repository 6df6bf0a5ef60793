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

}  // namespace tapring
