// SPDX-License-Identifier: MIT
#include "daemon/xenstore/xenstore_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>

extern "C" {  // the header does not say so itself
#include <xenstore.h>
}

namespace tapring {
namespace {

constexpr const char* kXenstoreDevice = "/dev/xen/xenbus";
constexpr const char* kRootsLocks = "/run/tapring";

/// "pid 12", or "another process" where /proc/locks does not tell. Its lines are
/// "1: FLOCK ADVISORY WRITE 12 00:19:345 0 EOF" (Linux, fs/locks.c); that of a btrfs has another
/// device than stat(2) says, so the inode has to do.
std::string holder_of(int fd) {
  struct stat status{};
  ::fstat(fd, &status);
  const std::string inode = fmt::format(":{}", status.st_ino);
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    std::istringstream words(line);
    std::string number, type, mode, access, pid, file;
    words >> number >> type >> mode >> access >> pid >> file;
    if (type == "FLOCK" && file.ends_with(inode)) return "pid " + pid;
  }
  return "another process";
}

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& why) {
  throw std::runtime_error(fmt::format(
      "{}: {}: without this lock another tapringd could serve the same disks", path.string(), why));
}

[[noreturn]] void refuse_by_errno(const std::filesystem::path& path) {
  const int error = errno;
  const char* const remedy =
      error == EROFS ? " (its unit needs RuntimeDirectory=tapring)" : "";
  refuse(path, std::generic_category().message(error) + remedy);
}

/// Who else can open it, or put another in its place, could hold the lock.
void check_is_ours(int fd, const std::filesystem::path& path, mode_t others_may_not) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) refuse_by_errno(path);
  if (status.st_uid == ::geteuid() && (status.st_mode & others_may_not) == 0) return;
  refuse(path, fmt::format("belongs to uid {} and has mode {:o} (remove it, no disk needs it)",
                           status.st_uid, status.st_mode & 07777));
}

UniqueFd open_directory(const std::filesystem::path& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) refuse_by_errno(path);
  UniqueFd fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) refuse_by_errno(path);
  check_is_ours(fd.get(), path, S_IWGRP | S_IWOTH);
  return fd;
}

UniqueFd open_lock(const std::filesystem::path& path) {
  const UniqueFd directory = open_directory(path.parent_path());
  // Not for writing: in the sandbox of another unit the directory may be read-only.
  UniqueFd fd(::openat(directory.get(), path.filename().c_str(),
                       O_RDONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
  if (!fd) refuse_by_errno(path);
  check_is_ours(fd.get(), path, S_IRWXG | S_IRWXO);
  return fd;
}

}  // namespace

std::filesystem::path place_of_xenstore() {
  const std::filesystem::path directory =
      std::filesystem::path(xs_daemon_socket()).parent_path();
  std::error_code ignored;
  return std::filesystem::is_directory(directory, ignored) ? directory : kXenstoreDevice;
}

std::filesystem::path place_of_locks(const std::filesystem::path& run_dir) {
  return ::geteuid() == 0 ? kRootsLocks : run_dir;
}

XenstoreLock::XenstoreLock(std::filesystem::path xenstore, std::filesystem::path locks)
    : xenstore_(std::move(xenstore)), locks_(std::move(locks)) {}

void XenstoreLock::take() {
  struct stat xenstore{};
  if (held_ || ::stat(xenstore_.c_str(), &xenstore) != 0) return;
  const std::filesystem::path path =
      locks_ / fmt::format("xenstore-{}-{}.lock", xenstore.st_dev, xenstore.st_ino);
  UniqueFd fd = open_lock(path);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) {
    held_ = std::move(fd);
    return;
  }
  if (errno != EWOULDBLOCK) refuse_by_errno(path);
  throw std::runtime_error(fmt::format(
      "another tapringd ({}) serves the disks of this xenstore ({}): stop it first",
      holder_of(fd.get()), xenstore_.string()));
}

}  // namespace tapring
