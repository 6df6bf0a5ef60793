// SPDX-License-Identifier: MIT
// What an administrator can see of the disks and do to them: the server, as the control socket has
// it.
#pragma once

#include <string>
#include <vector>

#include "daemon/datapath/error_policy.h"
#include "daemon/vbd/report.h"
#include "daemon/xenstore/vbd_name.h"

namespace tapring {

/// For the control thread. A call that changes something returns why it could not be done, or an
/// empty text. Throws std::system_error if xenstore fails.
class Administration {
 public:
  virtual ~Administration() = default;

  virtual std::vector<DiskReport> report() const = 0;

  /// Problems that concern more than one disk, a line each.
  virtual std::vector<std::string> problems() const { return {}; }

  /// Retries the held requests of a paused disk at once.
  virtual std::string resume(const VbdName& disk) = 0;

  /// Changes the fields of the disk's policy that are named, for as long as it is attached.
  virtual std::string set_policy(const VbdName& disk, const PolicyWords& words) = 0;

  // These two begin what takes a while: report() has the state "adopting" or "releasing" until it
  // is over.

  /// Takes a disk from xen-blkback while its guest uses it.
  virtual std::string adopt(const VbdName& disk) = 0;

  /// Gives a disk to xen-blkback, likewise.
  virtual std::string release(const VbdName& disk) = 0;
};

}  // namespace tapring
