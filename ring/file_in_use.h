// SPDX-License-Identifier: MIT
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include "ring/file_id.h"
#include "ring/lock_holders.h"

namespace tapring {

/// A file that cannot be opened because of somebody else's lock. what() names the path and, as far
/// as the kernel tells, who that is.
class FileInUse : public std::runtime_error {
 public:
  FileInUse(std::string path, const FileId& file, LockHolders holders)
      : std::runtime_error(path + " is in use by " + in_words(holders, path)),
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

}  // namespace tapring
