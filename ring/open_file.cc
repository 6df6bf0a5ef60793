// SPDX-License-Identifier: MIT
#include "ring/open_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <system_error>
#include <thread>
#include <utility>

#include "ring/direct_io.h"
#include "ring/queue_limit.h"
#include "ring/sizes.h"

namespace tapring {
namespace {

[[noreturn]] void refuse(int error, const std::string& what) {
  throw std::system_error(error, std::system_category(), what);
}

/// Where it is the same for everybody; empty where it is not.
std::string remedy_in_path(int error) {
  switch (error) {
    case ENOENT: return "create it or correct the path";
    case ELOOP: return "its links lead in a circle: correct them";
    case ENAMETOOLONG:
    case ENOTDIR: return "correct the path";
    case ENXIO:
    case EISDIR: return "name a regular file or a block device";
    default: return {};
  }
}

std::string remedy_for_operators(int error, bool read_only) {
  switch (error) {
    case EACCES:
    case EPERM: return read_only ? "chmod it, or give the service CAP_DAC_OVERRIDE"
                                 : "chmod it, attach it with mode r, or give the service "
                                   "CAP_DAC_OVERRIDE";
    case EROFS: return "attach it with mode r, or let the service write there (ReadWritePaths=)";
    default: return read_only ? "check the storage" : "check the storage, or attach it with mode r";
  }
}

std::string remedy_for_shell(int error) {
  switch (error) {
    case EACCES:
    case EPERM: return "chmod it, or do this as a user who may, such as root";
    case EROFS: return "remount its file system rw, or copy it to another";
    default: return "check the storage";
  }
}

std::string remedy_for(int error, const FileOptions& options) {
  if (std::string remedy = remedy_in_path(error); !remedy.empty()) return remedy;
  return options.audience == Audience::shell ? remedy_for_shell(error)
                                             : remedy_for_operators(error, options.read_only);
}

std::string path_of(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

UniqueFd open_descriptor(const FileOptions& options, const std::string& path, int flags) {
  UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC));
  if (!fd) {
    const int error = errno;
    const char* purpose = options.read_only ? " for reading (" : " for writing (";
    refuse(error, "open " + options.path + purpose + remedy_for(error, options) + ")");
  }
  return fd;
}

/// Tries, far past the end: that changes nothing but the times of the file, and cannot hit what
/// somebody else may just be appending. Only for the holder of the lock.
bool punches_holes(const OpenFile& file) {
  constexpr off_t kHole = kPageBytes;
  constexpr off_t kFar = off_t{1} << 30;
  const auto end = static_cast<off_t>((file.size_bytes + kHole - 1) / kHole * kHole);
  return ::fallocate(file.fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, end + kFar,
                     kHole) == 0;
}

void describe_regular(const struct stat& status, bool may_write, OpenFile& file) {
  file.size_bytes = static_cast<uint64_t>(status.st_size);
  const auto block = std::clamp<blksize_t>(status.st_blksize, kSectorBytes, kPageBytes);
  file.physical_block_bytes = std::bit_floor(static_cast<uint32_t>(block));
  if (may_write && punches_holes(file)) file.discard_granularity = file.physical_block_bytes;
}

/// Asks without a range: a device that cannot erase is refused before the range is read (Linux,
/// block/ioctl.c, blk_ioctl_secure_erase). A kernel before 5.19 may say yes and then refuse
/// requests.
bool erases_securely(const OpenFile& file) {
  return ::ioctl(file.fd.get(), BLKSECDISCARD, nullptr) != 0 && errno == EFAULT;
}

void describe_block_device(const struct stat& status, OpenFile& file) {
  file.block_device = true;
  file.secure_erase = erases_securely(file);
  // File::discard() writes zeros, of which the device frees what it can.
  if (queue_limit(status.st_rdev, "write_zeroes_max_bytes") > 0) {
    file.discard_granularity =
        static_cast<uint32_t>(queue_limit(status.st_rdev, "discard_granularity"));
  }
  unsigned int physical = kSectorBytes;
  int logical = kSectorBytes;
  if (::ioctl(file.fd.get(), BLKGETSIZE64, &file.size_bytes) != 0 ||
      ::ioctl(file.fd.get(), BLKPBSZGET, &physical) != 0 ||
      ::ioctl(file.fd.get(), BLKSSZGET, &logical) != 0) {
    refuse(errno, "size of " + file.path);
  }
  file.physical_block_bytes = physical;
  file.discard_unit = static_cast<uint32_t>(logical);
}

void clear_status_flags(const OpenFile& file) {
  if (::fcntl(file.fd.get(), F_SETFL, 0) != 0) refuse(errno, "fcntl " + file.path);
}

/// Whether nobody else has the lock; takes it then, if that is asked for. An error is thrown only
/// when it has lasted for the patience, as storage and lock services come back.
bool is_free(int fd, const FileOptions& options) {
  constexpr std::chrono::milliseconds kPause{100};
  const auto until = std::chrono::steady_clock::now() + options.lock_patience;
  for (;;) {
    try {
      if (options.locking == Locking::take) return take_lock(fd, options.lock);
      return !lock_is_held(fd, options.lock);
    } catch (const std::system_error& error) {
      const bool is_late = std::chrono::steady_clock::now() >= until;
      if (means_no_locks(error.code()) || is_late) throw;
      if (error.code() != std::errc::interrupted) std::this_thread::sleep_for(kPause);
    }
  }
}

std::string remedy_for_lock(const std::error_code& error, Audience audience) {
  if (means_no_locks(error)) {
    return std::string("the file system has no locks: ") +
           (audience == Audience::shell ? "copy it to one that has"
                                        : "attach it with mode w! if nobody else can use it");
  }
  if (error == std::errc::no_lock_available) {
    return "start the lock service of the storage, which for NFS version 3 is rpc.statd";
  }
  return "check the storage";
}

void lock(const FileOptions& options, OpenFile& file) {
  try {
    if (is_free(file.fd.get(), options)) {
      if (options.locking == Locking::take) file.lock = options.lock;
      return;
    }
  } catch (const std::system_error& error) {
    const std::error_code code = error.code();
    if (options.needs_locks || !means_no_locks(code)) {
      const std::string remedy = remedy_for_lock(code, options.audience);
      refuse(code.value(), "lock " + file.path + " (" + remedy + ")");
    }
    file.notices.push_back("not locked against other users, as the file system has no locks: " +
                           code.message());
    return;
  }
  throw FileInUse(file.path, file.id, lock_holders(file.fd.get()));
}

struct stat status_of(int fd, const std::string& path) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) refuse(errno, "fstat " + path);
  return status;
}

void check_type(const struct stat& status, const std::string& path) {
  if (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode)) return;
  if (S_ISDIR(status.st_mode)) {
    refuse(EISDIR, "open " + path + " (" + remedy_in_path(EISDIR) + ")");
  }
  refuse(EINVAL, path + " is no regular file and no block device");
}

FileId with_birth(FileId id, int fd) {
  constexpr uint64_t kNanoseconds = 1'000'000'000;
  struct statx status {};
  const bool known = ::statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &status) == 0 &&
                     (status.stx_mask & STATX_BTIME) != 0;
  if (!known || S_ISBLK(status.stx_mode)) return id;
  const statx_timestamp& born = status.stx_btime;
  id.born = static_cast<uint64_t>(born.tv_sec) * kNanoseconds + born.tv_nsec;
  return id;
}

/// Looks the path up once, so that what is opened is the very file that was checked.
OpenFile open_checked(const FileOptions& options) {
  const UniqueFd place = open_descriptor(options, options.path, O_PATH);
  const FoundFile found{real_path_of(place.get()), status_of(place.get(), options.path)};
  check_type(found.status, options.path);
  if (options.check) options.check(found);
  OpenFile file;
  file.path = options.path;
  file.real_path = found.real_path;
  file.id = with_birth(file_id_of(found.status), place.get());
  file.owner = found.status.st_uid;
  const int access = options.read_only ? O_RDONLY : O_RDWR;
  // With O_NONBLOCK, for now, so that a drive without a medium does not block us.
  file.fd = open_descriptor(options, path_of(place.get()), access | O_NOCTTY | O_NONBLOCK);
  clear_status_flags(file);
  return file;
}

/// The same file with an open file description of its own.
UniqueFd open_again(const OpenFile& file, int flags) {
  return UniqueFd(::open(path_of(file.fd.get()).c_str(), flags | O_CLOEXEC | O_NOCTTY));
}

}  // namespace

std::optional<FileId> find_file(const std::string& path) {
  const UniqueFd place(::open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat status {};
  if (!place || ::fstat(place.get(), &status) != 0) return std::nullopt;
  return with_birth(file_id_of(status), place.get());
}

std::filesystem::path real_path_of(int fd) {
  std::error_code error;
  std::filesystem::path path = std::filesystem::read_symlink(path_of(fd), error);
  if (error || !path.is_absolute()) return {};
  return path;
}

std::string remedy_for_opening(int error) {
  FileOptions options;
  options.audience = Audience::shell;
  return remedy_for(error, options);
}

std::string remedy_for_locking(const std::error_code& error) {
  return remedy_for_lock(error, Audience::shell);
}

OpenFile open_file(const FileOptions& options) {
  OpenFile file = open_checked(options);
  lock(options, file);
  // Again, under the lock: its last holder may have made the file larger.
  const struct stat status = status_of(file.fd.get(), file.path);
  if (S_ISREG(status.st_mode)) {
    describe_regular(status, !options.read_only && options.locking == Locking::take, file);
  } else {
    describe_block_device(status, file);
  }
  if (options.caching == Caching::direct) use_direct(file);
  if (file.direct && options.locking == Locking::take) drop_page_cache(file);
  return file;
}

UniqueFd open_witness(const OpenFile& file) {
  return open_again(file, O_RDONLY);
}

std::optional<OpenFile> share_file(const OpenFile& file) {
  const int flags = ::fcntl(file.fd.get(), F_GETFL);
  if (flags < 0) return std::nullopt;
  UniqueFd fd = open_again(file, flags & (O_ACCMODE | O_DIRECT));
  if (!fd || (file.lock && !join_lock(fd.get(), *file.lock))) return std::nullopt;
  return OpenFile{.fd = std::move(fd),
                  .path = file.path,
                  .id = file.id,
                  .lock = file.lock,
                  .size_bytes = file.size_bytes,
                  .physical_block_bytes = file.physical_block_bytes,
                  .direct = file.direct,
                  .dio_align = file.dio_align,
                  .discard_granularity = file.discard_granularity,
                  .discard_unit = file.discard_unit,
                  .secure_erase = file.secure_erase,
                  .block_device = file.block_device,
                  .notices = {},
                  .real_path = file.real_path,
                  .owner = file.owner};
}

}  // namespace tapring
