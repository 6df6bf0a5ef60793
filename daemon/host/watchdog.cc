// SPDX-License-Identifier: MIT
#include "daemon/host/watchdog.h"

#include <pthread.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <utility>

namespace tapring {

void Watchdog::watch(std::string name, Executor& thread, std::function<bool()> excused) {
  const std::lock_guard lock(mutex_);
  threads_.push_back({.name = std::move(name), .thread = &thread, .excused = std::move(excused)});
}

void Watchdog::start(std::chrono::microseconds interval, std::function<void()> before_look) {
  interval = std::min<std::chrono::microseconds>(interval, kInterval);
  thread_ = std::jthread(
      [this, interval, before_look = std::move(before_look)](const std::stop_token& stop) {
        ::pthread_setname_np(::pthread_self(), "watchdog");
        std::mutex mutex;
        std::unique_lock lock(mutex);
        std::condition_variable_any told;
        while (!stop.stop_requested()) {
          if (before_look) before_look();
          look();
          told.wait_for(lock, stop, interval, [] { return false; });
        }
      });
}

void Watchdog::look() {
  const std::lock_guard lock(mutex_);
  bool well = true;
  for (WatchedThread& watched : threads_) well = !hangs(watched) && well;
  if (well) beat_();
}

bool Watchdog::hangs(WatchedThread& watched) {
  const bool excused = watched.excused && watched.excused();
  if (watched.answered->exchange(false)) {
    if (watched.looks > kMostLooks) spdlog::info("{} goes on", watched.name);
    watched.looks = 0;
    watched.thread->post([answered = watched.answered] { *answered = true; });
    return false;
  }
  if (excused) {
    watched.looks = 0;
    return false;
  }
  if (++watched.looks == kMostLooks + 1) {
    spdlog::critical(
        "{} hangs: it has done nothing of what it was handed, a defect of tapringd; "
        "the service manager is not told any more that all is well",
        watched.name);
  }
  return watched.looks > kMostLooks;
}

}  // namespace tapring
