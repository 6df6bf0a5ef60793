// SPDX-License-Identifier: MIT
// What a device does later, or in the background because it may block. The results come back on
// the control thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "daemon/host/work.h"
#include "ring/executor.h"

namespace tapring {

/// For the control thread. The device's parts capture a plain `this`: what is in the background
/// keeps the device alive, and what waits for a timer is dropped when the device is destroyed.
class DeviceTasks {
 public:
  using Owner = std::shared_ptr<const void>;

  /// `owner`: the device that the tasks belong to. It is asked when a task begins.
  DeviceTasks(Executor& control, Background& background, Timer& timer, std::function<Owner()> owner)
      : control_(control), background_(background), timer_(timer), owner_(std::move(owner)) {}
  DeviceTasks(const DeviceTasks&) = delete;
  DeviceTasks& operator=(const DeviceTasks&) = delete;

  /// Of a clock that only goes forward.
  std::chrono::milliseconds now() const { return timer_.now(); }

  /// Whoever has this keeps the device alive.
  Owner keep_alive() const { return owner_(); }

  /// Runs `work` after `delay`.
  void after(std::chrono::milliseconds delay, Work work);

  /// A function that any thread may call, any number of times, to have `work` run.
  std::function<void()> poster(std::function<void()> work);

  /// Runs `job` in the background, then `then` with what it returned. At most `most` of that `line`
  /// run at once: see Background. Throws std::system_error, and nothing is run, when too much waits
  /// there.
  template <typename Job, typename Then>
  void run(const std::string& line, Job job, Then then, std::size_t most = SIZE_MAX) {
    background_.run_few(
        most, line,
        [owner = owner_(), &control = control_, job = std::move(job),
         then = std::move(then)]() mutable {
          auto result = job();
          control.post([owner = std::move(owner), then = std::move(then),
                        result = std::move(result)]() mutable { then(std::move(result)); });
        });
  }

  /// Likewise for what must be done in any case: when too much waits, `job` is run at once and
  /// blocks the control thread.
  void run_or_block(const std::string& line, Work job, Work then);

 private:
  Executor& control_;
  Background& background_;
  Timer& timer_;
  const std::function<Owner()> owner_;
};

}  // namespace tapring
