// SPDX-License-Identifier: MIT
#include "ring/file_lock.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <system_error>

namespace tapring {
namespace {

// Bytes of the file that stand for QEMU's permissions (BLK_PERM_*), by number.
constexpr uint64_t kUsedBase = 100;
constexpr uint64_t kUnsharedBase = 200;
constexpr int kConsistentRead = 0;
constexpr int kWrite = 1;
constexpr int kResize = 3;

constexpr std::array kUsedByWriter{kConsistentRead, kWrite, kResize};
constexpr std::array kUsedByReader{kConsistentRead};
constexpr std::array kUnshared{kWrite, kResize};

std::span<const int> used_by(Sharing sharing) {
  if (sharing == Sharing::exclusive) return kUsedByWriter;
  return kUsedByReader;
}

struct flock byte_lock(short type, uint64_t byte) {
  struct flock lock{};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = static_cast<off_t>(byte);
  lock.l_len = 1;
  return lock;
}

/// False if another's lock is in the way.
bool take(int fd, short type, uint64_t byte) {
  struct flock lock = byte_lock(type, byte);
  if (::fcntl(fd, F_OFD_SETLK, &lock) == 0) return true;
  if (errno == EAGAIN || errno == EACCES) return false;
  throw std::system_error(errno, std::system_category(), "locking the file");
}

bool held_by_another(int fd, uint64_t byte) {
  struct flock lock = byte_lock(F_WRLCK, byte);
  if (::fcntl(fd, F_OFD_GETLK, &lock) != 0) {
    throw std::system_error(errno, std::system_category(), "asking for locks on the file");
  }
  return lock.l_type != F_UNLCK;
}

bool take_all(int fd, const LockRequest& request) {
  if (request.fence && !take(fd, F_RDLCK, *request.fence)) return false;
  if (request.sharing == Sharing::unlocked) return true;
  const auto take_from = [fd](uint64_t base) {
    return [fd, base](int permission) {
      return take(fd, F_RDLCK, base + static_cast<uint64_t>(permission));
    };
  };
  return std::ranges::all_of(used_by(request.sharing), take_from(kUsedBase)) &&
         std::ranges::all_of(kUnshared, take_from(kUnsharedBase));
}

/// What cannot be unlocked here is unlocked when the descriptor is closed.
void give_back(int fd, const LockRequest& request) noexcept {
  const auto unlock = [fd](uint64_t first, uint64_t bytes) {
    struct flock lock = byte_lock(F_UNLCK, first);
    lock.l_len = static_cast<off_t>(bytes);
    ::fcntl(fd, F_OFD_SETLK, &lock);
  };
  if (request.fence) unlock(*request.fence, 1);
  if (request.sharing != Sharing::unlocked) unlock(kUsedBase, 2 * (kUnsharedBase - kUsedBase));
}

}  // namespace

bool lock_is_held(int fd, const LockRequest& request) {
  if (request.fence && held_by_another(fd, *request.fence)) return true;
  if (request.sharing == Sharing::unlocked) return false;
  const auto held = [fd](uint64_t base) {
    return [fd, base](int permission) {
      return held_by_another(fd, base + static_cast<uint64_t>(permission));
    };
  };
  return std::ranges::any_of(used_by(request.sharing), held(kUnsharedBase)) ||
         std::ranges::any_of(kUnshared, held(kUsedBase));
}

/// Locks first and looks for others then: of two that try at once, each sees the other.
bool take_lock(int fd, const LockRequest& request) {
  try {
    if (take_all(fd, request) && !lock_is_held(fd, request)) return true;
  } catch (const std::system_error&) {
    give_back(fd, request);
    throw;
  }
  give_back(fd, request);
  return false;
}

bool means_no_locks(const std::error_code& error) noexcept {
  return error == std::errc::function_not_supported ||
         error == std::errc::operation_not_supported;
}

bool join_lock(int fd, const LockRequest& request) noexcept {
  try {
    return take_all(fd, request);
  } catch (const std::system_error&) {
    return false;
  }
}

}  // namespace tapring
