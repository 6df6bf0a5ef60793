// SPDX-License-Identifier: MIT
#include "daemon/xenstore_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>

extern "C" {  // the header does not say so itself
#include <xenstore.h>
}

namespace tapring {
namespace {

constexpr const char* kXenstoreDevice = "/dev/xen/xenbus";

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

}  // namespace

std::filesystem::path place_of_xenstore() {
  const std::filesystem::path directory =
      std::filesystem::path(xs_daemon_socket()).parent_path();
  std::error_code ignored;
  return std::filesystem::is_directory(directory, ignored) ? directory : kXenstoreDevice;
}

XenstoreLock::XenstoreLock(std::filesystem::path place) : place_(std::move(place)) {}

void XenstoreLock::take() {
  if (held_) return;
  UniqueFd fd(::open(place_.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return;
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) {
    held_ = std::move(fd);
    return;
  }
  if (errno != EWOULDBLOCK) return;  // a file system without locks: then run_dir keeps us apart
  throw std::runtime_error(fmt::format(
      "another tapringd ({}) serves the disks of this xenstore ({}): stop it first",
      holder_of(fd.get()), place_.string()));
}

}  // namespace tapring
