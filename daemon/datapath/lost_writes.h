// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <mutex>
#include <vector>

#include "ring/error.h"

namespace tapring {

/// Whether acknowledged writes to an image may be lost, known to everybody who serves that image:
/// all shards of a disk, and those of its twin. The kernel tells only one of them, and only once.
/// For any thread.
class LostWrites {
 public:
  class Listener {
   public:
    /// On the thread that found out. Must not call LostWrites.
    virtual void writes_lost(const char* how, Error cause) noexcept = 0;

   protected:
    ~Listener() = default;
  };

  LostWrites() = default;
  LostWrites(const LostWrites&) = delete;
  LostWrites& operator=(const LostWrites&) = delete;

  /// Tells every listener, then returns: whoever answers a request after that may be killed at
  /// once, and all successors know. The first call counts. `how` is a literal.
  void mark(const char* how, Error cause) noexcept;
  bool any() const noexcept { return any_; }

  /// A listener that comes after the loss is told at once.
  void add(Listener& listener);
  void remove(Listener& listener) noexcept;

 private:
  std::atomic<bool> any_ = false;
  std::mutex mutex_;
  std::vector<Listener*> listeners_;
  const char* how_ = "";
  Error cause_;
};

}  // namespace tapring
