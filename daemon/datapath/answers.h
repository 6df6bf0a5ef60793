// SPDX-License-Identifier: MIT
// The responses of a turn: shown to the guests when it ends, with one notification a queue.
#pragma once

#include <cstddef>
#include <vector>

#include "ring/loop.h"

namespace tapring {

/// A queue with responses that its guest does not see yet.
class Answering {
 public:
  /// Pushes them, and notifies the guest if it asked.
  virtual void publish() = 0;

 protected:
  ~Answering() = default;
};

/// Gathers the queues of a worker that have something to publish; after the copies of the turn.
class Answers final : public Batch {
 public:
  explicit Answers(Loop& loop) : loop_(loop) {
    // An answer must not fail for want of memory: room for more queues than a worker has.
    waiting_.reserve(kRoom);
    publishing_.reserve(kRoom);
    loop_.add_batch(*this);
  }
  Answers(const Answers&) = delete;
  Answers& operator=(const Answers&) = delete;
  ~Answers() { loop_.remove_batch(*this); }

  /// Once a turn for each queue; it stays there until published or withdrawn.
  void add(Answering& queue) { waiting_.push_back(&queue); }
  void withdraw(Answering& queue) noexcept { std::erase(waiting_, &queue); }

  bool flush() override {
    if (waiting_.empty()) return false;
    publishing_.swap(waiting_);
    for (Answering* queue : publishing_) queue->publish();
    publishing_.clear();
    return true;
  }

 private:
  static constexpr std::size_t kRoom = 8192;

  Loop& loop_;
  std::vector<Answering*> waiting_;
  std::vector<Answering*> publishing_;  // kept for its capacity
};

}  // namespace tapring
