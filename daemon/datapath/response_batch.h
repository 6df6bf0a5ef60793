// SPDX-License-Identifier: MIT
// The responses of a turn: pushed to the guests when it ends, with one notification a queue.
#pragma once

#include <cstddef>
#include <vector>

#include "ring/loop.h"

namespace tapring {

/// A queue with responses in its ring that its guest does not see yet.
class ResponseSource {
 public:
  /// Shows the guest the responses, and notifies it if it asked.
  virtual void push_responses() = 0;

 protected:
  ~ResponseSource() = default;
};

/// Gathers the queues of a worker that have responses to push. Made after the batch of copies, so
/// that it comes after the copies in each turn.
class ResponseBatch final : public Batch {
 public:
  explicit ResponseBatch(Loop& loop) : loop_(loop) {
    // A response must not fail for want of memory.
    queues_.reserve(kMaxQueues);
    pushing_.reserve(kMaxQueues);
    loop_.add_batch(*this);
  }
  ResponseBatch(const ResponseBatch&) = delete;
  ResponseBatch& operator=(const ResponseBatch&) = delete;
  ~ResponseBatch() { loop_.remove_batch(*this); }

  /// Once a turn for each queue; it stays until its responses are pushed or it is removed.
  void add(ResponseSource& queue) { queues_.push_back(&queue); }
  void remove(ResponseSource& queue) noexcept { std::erase(queues_, &queue); }

  bool flush() override {
    if (queues_.empty()) return false;
    pushing_.swap(queues_);
    for (ResponseSource* queue : pushing_) queue->push_responses();
    pushing_.clear();
    return true;
  }

 private:
  static constexpr std::size_t kMaxQueues = 8192;  ///< more than a worker has

  Loop& loop_;
  std::vector<ResponseSource*> queues_;
  std::vector<ResponseSource*> pushing_;  // kept for its capacity
};

}  // namespace tapring
