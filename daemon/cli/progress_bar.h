// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

namespace tapring {

/// One line on a terminal that shows progress, and is erased at the end.
class ProgressBar {
 public:
  /// `out`: nullptr if there is no terminal.
  ProgressBar(std::ostream* out, std::string what) : out_(out), what_(std::move(what)) {}
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void show(uint64_t done, uint64_t all);

 private:
  std::ostream* out_;
  std::string what_;
  uint64_t shown_percent_ = UINT64_MAX;
};

}  // namespace tapring
