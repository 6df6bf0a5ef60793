// SPDX-License-Identifier: MIT
#include "tests/ring/loop_file_system.h"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <system_error>

namespace tapring {
namespace {

namespace fs = std::filesystem;

/// The smallest that mkfs makes, sparse.
const char* size_of(const std::string& type) {
  if (type == "xfs") return "300M";
  return type == "btrfs" ? "120M" : "16M";
}

/// Mounts of this process from now on are its own.
void leave_mounts_of_others() {
  static const bool done = ::unshare(CLONE_NEWNS) == 0 &&
                           ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  if (!done) throw std::system_error(errno, std::system_category(), "unshare");
}

}  // namespace

std::vector<std::string> LoopFileSystem::types() {
  std::vector<std::string> types;
  if (::geteuid() != 0 || ::access("/dev/loop-control", R_OK | W_OK) != 0) return types;
  for (const char* type : {"xfs", "ext4", "btrfs"}) {
    if (fs::exists(std::string("/usr/sbin/mkfs.") + type) ||
        fs::exists(std::string("/sbin/mkfs.") + type)) {
      types.emplace_back(type);
    }
  }
  return types;
}

LoopFileSystem::LoopFileSystem(const std::string& type, unsigned sector_bytes) {
  leave_mounts_of_others();
  fs::create_directory(path());
  const std::string command =
      "set -e; exec >/dev/null; PATH=$PATH:/usr/sbin:/sbin; cd " + directory_.path().string() +
      "; truncate -s " + size_of(type) + " image; loop=$(losetup --find --show --sector-size " +
      std::to_string(sector_bytes) +
      // The device goes with the mount, or at once if there is none.
      " image); trap 'losetup --detach $loop' EXIT; mkfs." + type +
      " -q $loop; mount $loop mounted";
  const int status = std::system(command.c_str());
  if (status != 0) throw std::runtime_error("no " + type + " on a loop device");
}

LoopFileSystem::~LoopFileSystem() { ::umount2(path().c_str(), MNT_DETACH); }

}  // namespace tapring
