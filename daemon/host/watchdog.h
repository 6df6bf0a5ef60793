// SPDX-License-Identifier: MIT
// Whether our threads still turn. What may hang of itself, as storage does, holds up none of them:
// one that does not turn has met a mistake of ours, and a new process is what helps.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "ring/executor.h"

namespace tapring {

/// A thread that looks after others, and tells the service manager of it for as long as all is
/// well.
class Watchdog {
 public:
  /// From one look to the next, at most.
  static constexpr std::chrono::milliseconds kInterval{2000};

  /// So many looks in a row find that a thread has not done what it was handed: it hangs. Counted,
  /// as the whole process may have been stopped for a while.
  static constexpr unsigned kMostLooks = 5;

  /// `beat` is called at each look that finds no thread hanging, on the watchdog's thread.
  explicit Watchdog(std::function<void()> beat) : beat_(std::move(beat)) {}
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// Looks after a thread, which outlives this. While `excused`, if there is one, says so at a
  /// look, the thread may be slow. Before start().
  void watch(std::string name, Executor& thread, std::function<bool()> excused = {});

  /// Begins to look, after `before_look` each time, at least every `interval`.
  void start(std::chrono::microseconds interval, std::function<void()> before_look = {});

  /// One look.
  void look();

 private:
  struct WatchedThread {
    std::string name;
    Executor* thread;
    std::function<bool()> excused;
    std::shared_ptr<std::atomic<bool>> answered = std::make_shared<std::atomic<bool>>(true);
    unsigned looks = 0;  ///< without an answer
  };

  static bool hangs(WatchedThread& watched);

  const std::function<void()> beat_;
  std::vector<WatchedThread> threads_;
  std::jthread thread_;  ///< the last: it uses the others
};

}  // namespace tapring
