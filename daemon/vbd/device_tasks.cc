// SPDX-License-Identifier: MIT
#include "daemon/vbd/device_tasks.h"

#include <system_error>

namespace tapring {

void DeviceTasks::after(std::chrono::milliseconds delay, Work work) {
  const std::weak_ptr<const void> device = owner_();
  timer_.after(delay, [device, &control = control_, work = std::move(work)]() mutable {
    auto owner = device.lock();
    if (!owner) return;
    // A timer's work may not throw; the control thread's may.
    control.post([owner = std::move(owner), work = std::move(work)]() mutable { work(); });
  });
}

std::function<void()> DeviceTasks::poster(std::function<void()> work) {
  const std::weak_ptr<const void> device = owner_();
  return [device, &control = control_, work = std::move(work)] {
    control.post([device, work] {
      if (const auto owner = device.lock()) work();
    });
  };
}

void DeviceTasks::run_or_block(const std::string& line, Work job, Work then) {
  auto work = [owner = owner_(), &control = control_, job = std::move(job),
               then = std::move(then)]() mutable {
    job();
    job = nullptr;  // what it holds is let go of before `then`
    control.post([owner = std::move(owner), then = std::move(then)]() mutable { then(); });
  };
  // Shared, as it must outlive the attempt to run it in the background.
  const auto shared = std::make_shared<decltype(work)>(std::move(work));
  try {
    background_.run(line, [shared] { (*shared)(); });
  } catch (const std::system_error&) {
    (*shared)();
  }
}

}  // namespace tapring
