// SPDX-License-Identifier: MIT
// Locks on an image file that QEMU and qemu-img understand, so that neither opens what the other
// is using (QEMU block/file-posix.c: one byte for each permission that is used, one for each that
// is not shared with others).
#pragma once

#include <chrono>
#include <cstdint>

namespace tapring {

enum class Sharing : uint8_t {
  exclusive,  ///< we write: others may neither write nor read
  shared,     ///< we read: others may read
  unlocked,   ///< whoever attaches it so knows what they do
};

/// Locks the file for as long as the open file description of `fd` lives. Tries until `wait` is
/// over; blocks. False if somebody else holds it then. Throws std::system_error where the
/// filesystem has no such locks.
bool lock_file(int fd, Sharing sharing, std::chrono::milliseconds wait);

}  // namespace tapring
