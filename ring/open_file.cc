// SPDX-License-Identifier: MIT
#include "ring/open_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <system_error>

namespace tapring {
namespace {

[[noreturn]] void refuse(int error, const std::string& what) {
  throw std::system_error(error, std::system_category(), what);
}

std::string remedy_for(int error, bool read_only) {
  switch (error) {
    case ENOENT: return "create it or correct the path";
    case EACCES:
    case EPERM: return read_only ? "chmod it, or give the service CAP_DAC_OVERRIDE"
                                 : "chmod it, attach it with mode r, or give the service "
                                   "CAP_DAC_OVERRIDE";
    case EROFS: return "attach it with mode r, or let the service write there (ReadWritePaths=)";
    case ENXIO:
    case EISDIR: return "name a regular file or a block device";
    default: return read_only ? "check the storage" : "check the storage, or attach it with mode r";
  }
}

UniqueFd open_descriptor(const FileOptions& options) {
  const int access = options.read_only ? O_RDONLY : O_RDWR;
  // O_NONBLOCK so that a FIFO or a drive without a medium cannot hold us; taken off again below.
  UniqueFd fd(::open(options.path.c_str(), access | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd) {
    const int error = errno;
    const char* purpose = options.read_only ? " for reading (" : " for writing (";
    refuse(error, "open " + options.path + purpose + remedy_for(error, options.read_only) + ")");
  }
  return fd;
}

void describe_regular(const struct stat& status, OpenFile& file) {
  file.size_bytes = static_cast<uint64_t>(status.st_size);
  const auto block = std::clamp<blksize_t>(status.st_blksize, 512, 4096);
  file.physical_block_bytes = std::bit_floor(static_cast<uint32_t>(block));
}

void describe_block_device(OpenFile& file) {
  file.block_device = true;
  unsigned int physical = 512;
  if (::ioctl(file.fd.get(), BLKGETSIZE64, &file.size_bytes) != 0 ||
      ::ioctl(file.fd.get(), BLKPBSZGET, &physical) != 0) {
    refuse(errno, "size of " + file.path);
  }
  file.physical_block_bytes = physical;
}

/// Guests do I/O in units of 512 bytes, to memory aligned likewise. Empty if O_DIRECT takes that.
std::string why_not_direct(const OpenFile& file) {
  constexpr std::size_t kUnit = 512;
  if (::fcntl(file.fd.get(), F_SETFL, O_DIRECT) != 0) {
    return "the filesystem refuses O_DIRECT: " + std::system_category().message(errno);
  }
  alignas(4096) std::array<std::byte, 4096> memory;
  const off_t offset = file.size_bytes >= 2 * kUnit ? kUnit : 0;
  if (::pread(file.fd.get(), memory.data() + kUnit, kUnit, offset) < 0) {
    return "the storage refuses O_DIRECT in units of 512 bytes: " +
           std::system_category().message(errno);
  }
  return {};
}

void clear_status_flags(const OpenFile& file) {
  if (::fcntl(file.fd.get(), F_SETFL, 0) != 0) refuse(errno, "fcntl " + file.path);
}

void go_direct(OpenFile& file) {
  const std::string refusal = why_not_direct(file);
  file.direct = refusal.empty();
  if (file.direct) return;
  clear_status_flags(file);
  file.notices.push_back("through the page cache, not O_DIRECT: " + refusal);
}

void lock(const FileOptions& options, OpenFile& file) {
  try {
    if (lock_file(file.fd.get(), options.sharing, options.lock_wait)) return;
  } catch (const std::system_error& error) {
    file.notices.push_back(std::string("not locked against other users: ") + error.what());
    return;
  }
  refuse(EBUSY,
         "lock " + file.path + " (another disk, QEMU or qemu-img uses it: see tapring list)");
}

}  // namespace

OpenFile open_file(const FileOptions& options) {
  OpenFile file;
  file.fd = open_descriptor(options);
  file.path = options.path;
  struct stat status {};
  if (::fstat(file.fd.get(), &status) != 0) refuse(errno, "fstat " + options.path);
  if (S_ISREG(status.st_mode)) {
    describe_regular(status, file);
  } else if (S_ISBLK(status.st_mode)) {
    describe_block_device(file);
  } else if (S_ISDIR(status.st_mode)) {
    refuse(EISDIR, "open " + options.path + " (" + remedy_for(EISDIR, true) + ")");
  } else {
    refuse(EINVAL, options.path + " is no regular file and no block device");
  }
  clear_status_flags(file);
  lock(options, file);
  if (options.caching == Caching::direct) go_direct(file);
  return file;
}

}  // namespace tapring
