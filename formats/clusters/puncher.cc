// SPDX-License-Identifier: MIT
#include "formats/clusters/puncher.h"

namespace tapring {

/// Nothing if it is not the time for one punch more, with so many under way.
HostRange Puncher::next(std::size_t under_way) {
  const bool busy = changes_ > changes_in_wait_;
  if (left_ == 0 || failed_ || !file_.discards()) return {};
  if (under_way >= (busy ? 1 : kMaxPunches)) return {};
  const HostRange range = allocator_.take_to_punch(kMaxPunchBytes);
  if (range.bytes > 0) --left_;
  return range;
}

void Puncher::start() {
  for (;;) {
    const HostRange range = next(punching_.size());
    if (range.bytes == 0) return;
    if (punch(range).begun) continue;
    allocator_.end_punch(range, false);  // no memory for it
    failed_ = true;
    return;
  }
}

/// This one, and then others in its place.
Detached Puncher::punch(HostRange range) {
  const TaskGroup::Member member(punching_);
  while (range.bytes > 0) {
    const Error error = co_await file_.discard(range.offset, range.bytes);
    allocator_.end_punch(range, !error);
    if (error) failed_ = true;
    if (!file_.discards() && events_ != nullptr) {
      events_->warn("room that the guest discards is used again, but not given back: its storage "
                    "cannot punch holes into a file",
                    error);
    }
    progress_.wake_all();
    range = next(punching_.size() - 1);
  }
}

Task<Error> Puncher::room() {
  while (allocator_.waiting_for_punch() >= kMaxWaiting && !failed_ && file_.discards()) {
    const InWait in_wait(changes_in_wait_);
    start();
    // Without memory for a punch none is under way, and nobody would tell of its end.
    if (punching_.size() == 0) break;
    co_await progress_.wait();
  }
  co_return Error{};
}

Task<Error> Puncher::finish() {
  left_ = kMaxPunchesAtClose;
  start();
  co_await punching_.drained();
  co_return Error{};
}

}  // namespace tapring
