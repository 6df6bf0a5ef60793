// SPDX-License-Identifier: MIT
// Finds threads that hang. Storage that hangs holds up none of the threads watched here, so one
// that hangs has met a mistake of ours, and only a new process helps.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "ring/executor.h"

namespace tapring {

/// A thread that watches others, and reports to the service manager as long as all of them work.
class Watchdog {
 public:
  /// From one look to the next, at most.
  static constexpr std::chrono::milliseconds kInterval{2000};

  /// A thread hangs if so many looks in a row find that it has not done the work that it was
  /// posted. Looks are counted, not seconds, as the whole process may have been stopped meanwhile.
  static constexpr unsigned kMostLooks = 5;

  /// `beat` is called at each look that finds no thread hanging, on the watchdog's thread.
  explicit Watchdog(std::function<void()> beat) : beat_(std::move(beat)) {}
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// Watches a thread, which outlives this. It may be slow for as long as `excused`, if given,
  /// returns true. For any thread.
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
  std::mutex mutex_;
  std::vector<WatchedThread> threads_;
  std::jthread thread_;  ///< the last: it uses the others
};

}  // namespace tapring
