// SPDX-License-Identifier: MIT
#include "daemon/host/landlock.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <string>
#include <system_error>

namespace tapring {
namespace {

// Of later kernels than the headers of Debian 12 (linux/landlock.h of Linux 6.12).
constexpr uint64_t kTruncate = 1U << 14U;
constexpr uint64_t kIoctlDevice = 1U << 15U;
constexpr uint64_t kBindTcp = 1U << 0U;
constexpr uint64_t kConnectTcp = 1U << 1U;
constexpr uint64_t kScopeAbstractSockets = 1U << 0U;
constexpr uint64_t kScopeSignals = 1U << 1U;

struct RulesetAttributes {
  uint64_t files;
  uint64_t network;  ///< from version 4 on
  uint64_t scope;    ///< from version 6 on
};

constexpr uint64_t kOfFiles = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                              LANDLOCK_ACCESS_FS_EXECUTE | kTruncate | kIoctlDevice;
constexpr uint64_t kRead = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr uint64_t kWrite = kRead | LANDLOCK_ACCESS_FS_WRITE_FILE | kTruncate | kIoctlDevice;

/// All rights of the first version, and those that each version since then has added.
uint64_t files_of(long version) {
  uint64_t rights = LANDLOCK_ACCESS_FS_REFER - 1;
  if (version >= 2) rights |= LANDLOCK_ACCESS_FS_REFER;
  if (version >= 3) rights |= kTruncate;
  if (version >= 5) rights |= kIoctlDevice;
  return rights;
}

std::size_t size_of(long version) {
  if (version >= 6) return sizeof(RulesetAttributes);
  if (version >= 4) return offsetof(RulesetAttributes, scope);
  return offsetof(RulesetAttributes, network);
}

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error(errno, std::system_category(), what);
}

}  // namespace

std::optional<Landlock> Landlock::make() {
  const long version =
      ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 1) return std::nullopt;
  const RulesetAttributes attributes{files_of(version), kBindTcp | kConnectTcp,
                                     kScopeAbstractSockets | kScopeSignals};
  UniqueFd rules(static_cast<int>(
      ::syscall(SYS_landlock_create_ruleset, &attributes, size_of(version), 0)));
  if (!rules) fail("Landlock");
  return Landlock(std::move(rules), attributes.files);
}

void Landlock::allow(const std::filesystem::path& path, Access access) {
  const UniqueFd place(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (place) allow(place, access);
}

void Landlock::allow(const UniqueFd& place, Access access) {
  struct stat status {};
  if (::fstat(place.get(), &status) != 0) fail("Landlock");
  const uint64_t possible = S_ISDIR(status.st_mode) ? handled_ : handled_ & kOfFiles;
  const uint64_t rights = access == Access::read ? kRead : kWrite;
  const landlock_path_beneath_attr rule{rights & possible, place.get()};
  if (::syscall(SYS_landlock_add_rule, rules_.get(), LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0) {
    fail("Landlock");
  }
}

void Landlock::restrict_thread() const {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("no_new_privs");
  if (::syscall(SYS_landlock_restrict_self, rules_.get(), 0) != 0) fail("Landlock");
}

}  // namespace tapring
