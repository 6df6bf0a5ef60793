// SPDX-License-Identifier: MIT
// What `tapring holder` says: who has an image locked. The command finds that out itself, as the
// daemon cannot see other processes from its sandbox.
#pragma once

#include <boost/json/object.hpp>
#include <iosfwd>
#include <string>
#include <vector>

#include "daemon/vbd/report.h"
#include "ring/lock_holders.h"

namespace tapring {

struct ImageHolders {
  bool locked = false;
  LockHolders who;                 ///< if it is
  std::vector<std::string> disks;  ///< of tapringd, if that is a holder: "3/xvda"
};

/// `disks`: what tapringd serves. Throws std::system_error where the image cannot be opened.
ImageHolders image_holders(const std::string& path, const std::vector<DiskReport>& disks);

/// For who must have an image alone, besides taking its lock: throws FileInUse where a process of
/// this host has it, a disk of mode w! too, whose fence is in the way of no lock.
void check_unused(const std::string& path);

boost::json::object to_json(const ImageHolders& holders);

/// A line for each.
void print(const ImageHolders& holders, std::ostream& out);

}  // namespace tapring
