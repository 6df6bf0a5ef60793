// SPDX-License-Identifier: MIT
// The Background of production: a thread for each piece of work, as each may hang on its own.
#pragma once

#include <memory>

#include "daemon/host/work.h"

namespace tapring {

class ThreadBackground final : public Background {
 public:
  /// Pieces of work at once. Where more of them hang, the machine's storage is gone.
  static constexpr std::size_t kMaxThreads = 512;

  /// Pieces of work of one line at once. The others wait for their turn.
  static constexpr std::size_t kMaxThreadsOfALine = 64;

  /// Pieces of work that wait.
  static constexpr std::size_t kMaxWaiting = 8192;

  ThreadBackground();

  /// Work still under way when this is destroyed goes on and must own what it uses.
  void run_few(std::size_t most, const std::string& line, Work work) override;

 private:
  class Lines;
  std::shared_ptr<Lines> lines_;
};

}  // namespace tapring
