// SPDX-License-Identifier: MIT
// Who has locks on a file, as far as the kernel tells. Where it refuses one of the locks that QEMU
// and we use, it does not say whose is in the way (fcntl(2): a pid of -1). /proc/locks lists them,
// and /proc/PID/fdinfo tells those who may look at a process which of them it has.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace tapring {

struct LockHolder {
  pid_t pid = 0;
  std::string name;  ///< of the program, 15 characters of it; empty where nobody tells

  bool operator==(const LockHolder&) const = default;
};

struct LockHolders {
  /// Whether the lock that is in the way is of this host, and not of another host with the same
  /// storage. True where that cannot be found out.
  bool on_this_host = true;
  std::vector<LockHolder> processes;  ///< as many as could be seen
};

/// Holders of the bytes that take_lock() looks at. `fd` is open for reading and holds no such lock
/// itself, though others of this process may. May block for as long as the storage does.
LockHolders lock_holders(int fd);

/// "qemu-img, pid 1234", or what there is to say where none could be seen: `path` is the file's.
std::string describe(const LockHolders& holders, const std::string& path);

}  // namespace tapring
