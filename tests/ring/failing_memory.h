// SPDX-License-Identifier: MIT
// A program that has this has no more memory when a test says so.
#pragma once

#include <cstddef>
#include <functional>

namespace tapring {

/// Allocations of this thread that fail: `count` of them, after the first `good`. One at a time.
class FailingMemory {
 public:
  enum class Of {
    everything,
    frames,  ///< those of coroutines, with which no simulated part of the world fails
  };

  explicit FailingMemory(std::size_t good, std::size_t count = 1,
                         Of what = Of::everything) noexcept;
  FailingMemory(const FailingMemory&) = delete;
  FailingMemory& operator=(const FailingMemory&) = delete;
  ~FailingMemory();

  /// Only what is allocated in here counts and fails.
  void during(const std::function<void()>& work);

  /// Whether any has failed.
  bool has_failed() const noexcept;
};

}  // namespace tapring
