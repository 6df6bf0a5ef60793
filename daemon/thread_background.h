// SPDX-License-Identifier: MIT
// The Background of production: a thread for each piece of work, as each may hang on its own.
#pragma once

#include <atomic>
#include <memory>

#include "daemon/background.h"

namespace tapring {

class ThreadBackground final : public Background {
 public:
  /// More than this many pieces of work hanging at once is a machine whose storage is gone.
  static constexpr int kMaxThreads = 512;

  /// Work still under way when this is destroyed goes on and must own what it uses.
  void run(Work work) override;

 private:
  std::shared_ptr<std::atomic<int>> running_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace tapring
