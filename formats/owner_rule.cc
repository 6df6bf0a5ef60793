// SPDX-License-Identifier: MIT
#include "formats/owner_rule.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "ring/unique_fd.h"

namespace tapring {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kRead = 4;
constexpr mode_t kWrite = 2;
constexpr mode_t kSearch = 1;

constexpr uid_t kOverflow = 65534;

/// All users who are not in our user namespace have this number.
uid_t overflow_uid() {
  uid_t uid = kOverflow;
  std::ifstream("/proc/sys/kernel/overflowuid") >> uid;
  return uid;
}

bool permits(uid_t user, const struct stat& status, mode_t wanted) {
  const auto has = [&](unsigned shift) { return ((status.st_mode >> shift) & wanted) == wanted; };
  if (user == status.st_uid && user != overflow_uid()) return has(6);
  // A user of the file's group has only what that has.
  return has(3) && has(0);
}

bool is_same(const struct stat& left, const struct stat& right) {
  return left.st_dev == right.st_dev && left.st_ino == right.st_ino;
}

/// Goes up by descriptors: who renames directories meanwhile cannot have it look at others.
bool could_reach(uid_t user, const FoundFile& file) {
  constexpr int kFlags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  const fs::path path = file.real_path;
  UniqueFd directory(::open(path.parent_path().c_str(), kFlags | O_NOFOLLOW));
  struct stat status {};
  if (!directory || ::fstatat(directory.get(), path.filename().c_str(), &status,
                              AT_SYMLINK_NOFOLLOW) != 0 ||
      !is_same(status, file.status) || ::fstat(directory.get(), &status) != 0) {
    return false;
  }
  for (;;) {
    if (!permits(user, status, kSearch)) return false;
    const struct stat below = status;
    directory = UniqueFd(::openat(directory.get(), "..", kFlags));
    if (!directory || ::fstat(directory.get(), &status) != 0) return false;
    if (is_same(status, below)) return true;
  }
}

}  // namespace

bool owner_could_open(uid_t owner, const FoundFile& file, bool writes) {
  if (owner == 0) return true;
  return permits(owner, file.status, writes ? kRead | kWrite : kRead) && could_reach(owner, file);
}

}  // namespace tapring
