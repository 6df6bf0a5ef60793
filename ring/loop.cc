// SPDX-License-Identifier: MIT
#include "ring/loop.h"

#include <algorithm>
#include <utility>

namespace tapring {
namespace {

/// Lets the other thread of a core, or the hypervisor, know that this one only waits.
void relax() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

Loop::Loop() {
  posted_.reserve(kQueueCapacity);
  running_.reserve(kQueueCapacity);
  resumable_.reserve(kQueueCapacity);
  resuming_.reserve(kQueueCapacity);
  polled_.reserve(kQueueCapacity);
}

void Loop::run() {
  while (!stopping_) turn(true);
  stopping_ = false;
}

void Loop::stop() {
  stopping_ = true;
  wake();
}

void Loop::post(Work work) {
  {
    std::lock_guard lock(posted_mutex_);
    posted_.push_back(std::move(work));
    if (has_posted_.exchange(true)) return;  // the loop has been woken for the one before
  }
  wake();
}

void Loop::turn(bool may_block) {
  if (may_block && !has_work()) {
    wait_for_work();
  } else {
    wait(false);
  }
  poll_all();
  run_posted();
  resume_all();
  flush_batches();
}

void Loop::poll(Pollable& source) {
  if (std::ranges::find(polled_, &source) == polled_.end()) polled_.push_back(&source);
}

void Loop::set_busy_poll(PollWindow::Duration limit) noexcept {
  storage_window_ = PollWindow(limit);
  guest_window_ = PollWindow(limit);
}

bool Loop::has_work() const noexcept {
  return !resumable_.empty() || has_posted_ ||
         std::ranges::any_of(polled_, [](const Pollable* source) { return source->has_work(); });
}

void Loop::wait_for_work() {
  PollWindow& window = awaits_storage() ? storage_window_ : guest_window_;
  const Clock::time_point since = now();
  const bool found = busy_poll(window, since);
  const bool asleep = !found && arm_all();
  wait(asleep);
  window.waited(turn_time() - since, asleep);
}

/// Whether work came before the window closed.
bool Loop::busy_poll(const PollWindow& window, Clock::time_point since) {
  if (window.length() == PollWindow::Duration::zero()) return false;
  do {
    if (poll_once() || has_work()) return true;
    relax();
  } while (now() - since < window.length());
  return false;
}

bool Loop::arm_all() {
  std::erase_if(polled_, [](Pollable* source) { return !source->arm(); });
  return polled_.empty() && !has_work();
}

void Loop::poll_all() {
  // By index: what runs here may stop polling one.
  for (std::size_t i = 0; i < polled_.size(); ++i) polled_[i]->poll();
}

void Loop::remove_batch(Batch& batch) noexcept { std::erase(batches_, &batch); }

void Loop::run_posted() {
  if (!has_posted_) return;
  {
    std::lock_guard lock(posted_mutex_);
    running_.swap(posted_);
    has_posted_ = false;
  }
  for (Work& work : running_) work();
  running_.clear();
}

bool Loop::resume_all() {
  if (resumable_.empty()) return false;
  while (!resumable_.empty()) {
    resuming_.swap(resumable_);
    for (std::coroutine_handle<> coroutine : resuming_) coroutine.resume();
    resuming_.clear();
  }
  return true;
}

void Loop::flush_batches() {
  bool busy = true;
  while (busy) {
    busy = false;
    // By index: what runs here may add or remove a batch.
    for (std::size_t i = 0; i < batches_.size(); ++i) {
      busy |= batches_[i]->flush();
      busy |= resume_all();
    }
  }
}

}  // namespace tapring
