// SPDX-License-Identifier: MIT
#include "ring/file_lock.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <system_error>
#include <thread>

namespace tapring {
namespace {

// Bytes of the file that stand for QEMU's permissions (BLK_PERM_*), by number.
constexpr off_t kUsedBase = 100;
constexpr off_t kUnsharedBase = 200;
constexpr int kConsistentRead = 0;
constexpr int kWrite = 1;
constexpr int kResize = 3;

constexpr std::array kUsedByWriter{kConsistentRead, kWrite, kResize};
constexpr std::array kUsedByReader{kConsistentRead};
constexpr std::array kUnshared{kWrite, kResize};

struct flock byte_lock(short type, off_t byte) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  return lock;
}

void take(int fd, short type, off_t byte) {
  struct flock lock = byte_lock(type, byte);
  if (::fcntl(fd, F_OFD_SETLK, &lock) != 0) {
    throw std::system_error(errno, std::system_category(), "locking the file");
  }
}

bool held_by_another(int fd, off_t byte) {
  struct flock lock = byte_lock(F_WRLCK, byte);
  if (::fcntl(fd, F_OFD_GETLK, &lock) != 0) {
    throw std::system_error(errno, std::system_category(), "asking for locks on the file");
  }
  return lock.l_type != F_UNLCK;
}

/// Takes the locks first and looks for others after: of two who come at once, neither misses the
/// other.
bool try_lock(int fd, std::span<const int> used) {
  for (int permission : used) take(fd, F_RDLCK, kUsedBase + permission);
  for (int permission : kUnshared) take(fd, F_RDLCK, kUnsharedBase + permission);
  const auto held = [fd](off_t base) {
    return [fd, base](int permission) { return held_by_another(fd, base + permission); };
  };
  if (!std::ranges::any_of(used, held(kUnsharedBase)) &&
      !std::ranges::any_of(kUnshared, held(kUsedBase))) {
    return true;
  }
  for (int permission : used) take(fd, F_UNLCK, kUsedBase + permission);
  for (int permission : kUnshared) take(fd, F_UNLCK, kUnsharedBase + permission);
  return false;
}

}  // namespace

bool lock_file(int fd, Sharing sharing, std::chrono::milliseconds wait) {
  constexpr std::chrono::milliseconds kPause(50);
  if (sharing == Sharing::unlocked) return true;
  const std::span<const int> used = sharing == Sharing::exclusive
                                        ? std::span<const int>(kUsedByWriter)
                                        : std::span<const int>(kUsedByReader);
  const auto deadline = std::chrono::steady_clock::now() + wait;
  while (!try_lock(fd, used)) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kPause);
  }
  return true;
}

}  // namespace tapring
