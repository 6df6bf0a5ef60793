// SPDX-License-Identifier: MIT
// Locks on an image file that QEMU and qemu-img understand, so that neither opens what the other
// is using (QEMU block/file-posix.c: one byte for each permission that is used, one for each that
// is not shared with others).
//
// They belong to the open file description (fcntl(2), F_OFD_SETLK): a process that is killed holds
// them until the last request that it gave to io_uring is done. So whoever gets the lock knows that
// nothing of a predecessor will be written any more. All of them are read locks, so that several
// descriptions of one disk can hold them at once; another holder is found by asking for a write
// lock.
#pragma once

#include <cstdint>
#include <optional>
#include <system_error>

namespace tapring {

enum class Sharing : uint8_t {
  exclusive,  ///< we write: others may neither write nor read
  shared,     ///< we read, a backing file too: others may read
  unlocked,   ///< the administrator who attaches it so makes sure of the others
};

/// What to lock of a file.
struct LockRequest {
  Sharing sharing = Sharing::exclusive;
  /// A byte that stands for this disk, from kFirstFence on, which is locked as well: so a disk
  /// without the other locks waits at least for its own predecessor.
  std::optional<uint64_t> fence{};
};

/// Far from QEMU's bytes, which are 100 to 299, and from any byte of data that a program may lock.
inline constexpr uint64_t kFirstFence = uint64_t{1} << 61;

/// Locks the file for as long as the open file description of `fd` lives. False, and nothing is
/// locked, where somebody else holds it. Throws std::system_error where that cannot be known.
bool take_lock(int fd, const LockRequest& request);

/// Has the description of `fd` share the lock that another description of the same file holds: it
/// lasts until both are closed. False where that does not work.
bool join_lock(int fd, const LockRequest& request) noexcept;

/// Whether take_lock() would return false now. Locks nothing, not even for a moment. Throws as that
/// does.
bool lock_is_held(int fd, const LockRequest& request);

/// Whether an error of take_lock() or lock_is_held() means that the file system has no locks at
/// all: Linux says ENOSYS (Lustre mounted without them) or EOPNOTSUPP. ENOLCK may pass: the lock
/// service does not run (NFS), or there is no memory.
bool means_no_locks(const std::error_code& error) noexcept;

}  // namespace tapring
