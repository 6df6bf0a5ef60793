// SPDX-License-Identifier: MIT
// Opening a file. That may block for as long as the storage does, so it is never done on a loop or
// on the control thread. The result is handed to the loop that uses it (Loop::file).
#pragma once

#include <sys/stat.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "ring/file.h"
#include "ring/file_lock.h"
#include "ring/lock_holders.h"
#include "ring/sizes.h"
#include "ring/unique_fd.h"

namespace tapring {

enum class Caching : uint8_t {
  page_cache,
  direct,  ///< O_DIRECT where the storage takes that, else the page cache
};

enum class Locking : uint8_t {
  take,
  look,  ///< only find out whether another has it, and write nothing to the file
};

/// Who reads what to do about a file that cannot be opened.
enum class Audience : uint8_t {
  operators,  ///< of a disk that a service is to serve
  shell,      ///< who has typed the path as an argument of a command
};

/// A file that a path leads to, which is not open yet.
struct FoundFile {
  std::string real_path;  ///< its path without links; empty if that cannot be known
  struct stat status {};
};

struct FileOptions {
  std::string path;
  bool read_only = false;
  Caching caching = Caching::page_cache;
  Locking locking = Locking::take;
  LockRequest lock{};
  Audience audience = Audience::operators;
  bool needs_locks = true;  ///< false: a file system without locks is only a notice
  std::chrono::milliseconds lock_patience{3000};  ///< how long an error of locking may last
  /// Throws where the file may not be opened. It is this very file that is opened then, whatever
  /// the path leads to by that time.
  std::function<void(const FoundFile&)> check{};
};

/// A file that cannot be opened because of somebody else's lock. what() names the path and, as far
/// as the kernel tells, the process that has the lock.
class FileInUse : public std::runtime_error {
 public:
  FileInUse(std::string path, const FileId& file, LockHolders holders)
      : std::runtime_error(path + " is in use by " + describe(holders, path)),
        path_(std::move(path)),
        file_(file),
        holders_(std::move(holders)) {}

  const std::string& path() const noexcept { return path_; }
  const FileId& file() const noexcept { return file_; }
  const LockHolders& holders() const noexcept { return holders_; }

 private:
  std::string path_;
  FileId file_;
  LockHolders holders_;
};

/// An open regular file or block device, and what is known of it.
struct OpenFile {
  UniqueFd fd;
  std::string path;
  FileId id;
  std::optional<LockRequest> lock;  ///< the one that was taken
  uint64_t size_bytes = 0;
  uint32_t physical_block_bytes =
      kSectorBytes;  ///< what the storage writes at once, as told to the guest
  bool direct = false;
  uint32_t dio_align = kSectorBytes;  ///< what offsets and lengths of O_DIRECT must be multiples of
  uint32_t discard_granularity = 0;   ///< in bytes; 0: no room can be given back, or unknown
  uint32_t discard_unit = 1;          ///< in bytes; what discards must be multiples of
  bool secure_erase = false;          ///< whether the device can erase for ever
  bool block_device = false;
  std::vector<std::string> notices;  ///< what was not done as asked, and why
  std::string real_path{};           ///< FoundFile's
  uid_t owner = 0;
};

/// The file that a path leads to, with when it was made; nullopt if there is none.
std::optional<FileId> find_file(const std::string& path);

/// The path of an open file or directory without links; empty if that cannot be known.
std::filesystem::path real_path_of(int fd);

/// Takes the lock, or looks at it, before anything is read of the file. Blocks. Throws FileInUse if
/// another has the lock, and std::system_error that names the path, and what to do if that is
/// known.
OpenFile open_file(const FileOptions& options);

/// For who has typed the path: what to do about an errno of opening a file or of its lock.
std::string remedy_for_opening(int error);
std::string remedy_for_locking(const std::error_code& error);

/// The very same file opened once more, whatever its path leads to by now: in the same way, with
/// the same lock, without the notices. Not a duplicate of the descriptor: the kernel reports a lost
/// write once to each open file description, so each loop that syncs the file needs its own.
/// Blocks. nullopt if it cannot be opened.
std::optional<OpenFile> share_file(const OpenFile& file);

/// The very same file opened once more, for reading and without a lock: see WitnessStore. Blocks.
/// No descriptor if it cannot be opened.
UniqueFd open_witness(const OpenFile& file);

}  // namespace tapring
