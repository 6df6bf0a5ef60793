// SPDX-License-Identifier: MIT
// How threads hand work to each other: whoever takes work is an Executor.
#pragma once

#include <functional>

namespace tapring {

using Work = std::move_only_function<void()>;

/// Runs work later, on a thread of its choice.
class Executor {
 public:
  virtual ~Executor() = default;

  /// Queues `work`. May be called from any thread; returns at once.
  virtual void post(Work work) = 0;
};

}  // namespace tapring
