// SPDX-License-Identifier: MIT
#include "ring/loop.h"

#include <algorithm>
#include <utility>

namespace tapring {

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
  turn_time_ = now();
  wait(may_block && resumable_.empty() && !has_posted_);
  turn_time_ = now();
  run_posted();
  resume_all();
  flush_batches();
}

void Loop::remove_batch(Batch& batch) noexcept { std::erase(batches_, &batch); }

void Loop::run_posted() {
  if (!has_posted_) return;
  std::vector<Work> posted;
  {
    std::lock_guard lock(posted_mutex_);
    posted.swap(posted_);
    has_posted_ = false;
  }
  for (Work& work : posted) work();
}

bool Loop::resume_all() {
  if (resumable_.empty()) return false;
  while (!resumable_.empty()) {
    std::vector<std::coroutine_handle<>> ready;
    ready.swap(resumable_);
    for (std::coroutine_handle<> coroutine : ready) coroutine.resume();
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
