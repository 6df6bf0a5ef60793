// SPDX-License-Identifier: MIT
// Locks on an image file that QEMU and qemu-img understand, so that neither opens what the other
// is using (QEMU block/file-posix.c: one byte for each permission that is used, one for each that
// is not shared with others).
//
// They are of the open file description (fcntl(2), F_OFD_SETLK): a process that is killed holds
// them until the last request that it gave to io_uring is done. So who has the lock knows that
// nothing of a predecessor will still be written. All of them are read locks, so that several
// descriptions of one disk can hold them at once; others are found by asking for a write lock.
#pragma once

#include <cstdint>
#include <optional>
#include <system_error>

namespace tapring {

enum class Sharing : uint8_t {
  exclusive,  ///< we write: others may neither write nor read
  shared,     ///< we read, a backing file too: others may read
  unlocked,   ///< whoever attaches it so knows what they do
};

/// What to lock of a file.
struct LockRequest {
  Sharing sharing = Sharing::exclusive;
  /// A byte of this disk alone, one of `first_fence` on, that is locked as well: it keeps a disk
  /// without the other locks from its own predecessor.
  std::optional<uint64_t> fence{};
};

/// Far from QEMU's bytes, which are 100 to 299, and from any that a program locks to keep others
/// from the data there.
inline constexpr uint64_t kFirstFence = uint64_t{1} << 61;

/// Locks the file for as long as the open file description of `fd` lives. False, and nothing is
/// locked, where somebody else holds it. Throws std::system_error where that cannot be known.
bool take_lock(int fd, const LockRequest& request);

/// Gives a lock that another description of the same file holds to that of `fd` as well: it lasts
/// until both are closed. False where that does not work.
bool join_lock(int fd, const LockRequest& request) noexcept;

/// Whether take_lock() would be refused now. Locks nothing, not even for a moment. Throws
/// likewise.
bool lock_is_held(int fd, const LockRequest& request);

/// Whether an error of these means that the file system has no locks at all, and not that they
/// cannot be had now: Linux says ENOSYS (Lustre mounted without them) or EOPNOTSUPP. ENOLCK may be
/// a lock service that is not running (NFS), or memory.
bool means_no_locks(const std::error_code& error) noexcept;

}  // namespace tapring
