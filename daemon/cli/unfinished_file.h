// SPDX-License-Identifier: MIT
#pragma once

#include <signal.h>

#include <array>
#include <string>

namespace tapring {

/// A file that is being made: it is removed where this ends without keep(), and where SIGINT,
/// SIGTERM or SIGHUP end the process before. At most kMost exist at a time, and the
/// last one made ends first. For one thread.
class UnfinishedFile {
 public:
  static constexpr std::size_t kMost = 4;

  explicit UnfinishedFile(std::string path);
  ~UnfinishedFile();
  UnfinishedFile(const UnfinishedFile&) = delete;
  UnfinishedFile& operator=(const UnfinishedFile&) = delete;

  void keep() noexcept;

 private:
  static constexpr std::array kSignals = {SIGINT, SIGTERM, SIGHUP};

  std::string path_;
  std::size_t place_;  ///< among those that a signal removes
  std::array<struct sigaction, kSignals.size()> before_{};
};

}  // namespace tapring
