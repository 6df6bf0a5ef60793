// SPDX-License-Identifier: MIT
#include "daemon/datapath/storage_load.h"

#include <algorithm>
#include <cassert>

namespace tapring {

StallWatch::StallWatch(Loop& loop) : loop_(loop) { loop_.add_batch(*this); }

StallWatch::~StallWatch() {
  assert(loads_.empty());
  loop_.remove_batch(*this);
}

/// What is known to be stalled needs no look: it shows when its requests end.
bool StallWatch::flush() {
  if (requests_ == 0) return false;
  const Loop::Clock::time_point now = loop_.turn_time();
  const bool is_due = now >= next_look_;
  if (is_due) {
    next_look_ = now + kPause;
    look();
  }
  loop_.wake_after(next_look_ - now);
  return is_due;
}

void StallWatch::look() {
  for (StorageLoad* load : loads_) load->look(loop_.turn_time());
  loop_.expect_stuck(stalled_requests_);
}

StorageLoad::StorageLoad(StallWatch& watch, BufferQuota& buffers)
    : watch_(watch), buffers_(buffers) {
  watch_.loads_.push_back(this);
}

StorageLoad::~StorageLoad() {
  assert(all_requests_ == 0);
  std::erase(watch_.loads_, this);
}

std::size_t StorageLoad::begin() noexcept {
  if (all_requests_++ == 0) young_since_ = watch_.loop_.turn_time();
  ++requests_[young_];
  ++(is_stalled_ ? watch_.stalled_requests_ : watch_.requests_);
  return young_;
}

void StorageLoad::end(std::size_t generation) noexcept {
  --all_requests_;
  --requests_[generation];
  --(is_stalled_ ? watch_.stalled_requests_ : watch_.requests_);
  if (is_stalled_ && requests_[oldest()] == 0) set_stalled(false);
}

void StorageLoad::look(Loop::Clock::time_point now) noexcept {
  if (is_stalled_ || now - young_since_ < kStalled / (requests_.size() - 1)) return;
  if (requests_[oldest()] > 0) return set_stalled(true);
  young_ = oldest();
  young_since_ = now;
}

void StorageLoad::set_stalled(bool stalled) noexcept {
  is_stalled_ = stalled;
  (stalled ? watch_.requests_ : watch_.stalled_requests_) -= all_requests_;
  (stalled ? watch_.stalled_requests_ : watch_.requests_) += all_requests_;
  buffers_.set_stalled(stalled);
}

}  // namespace tapring
