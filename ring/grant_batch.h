// SPDX-License-Identifier: MIT
// The copies between guests and bounce memory of one turn of a loop, done in one call to Xen.
#pragma once

#include <coroutine>
#include <cstddef>
#include <vector>

#include "ring/grants.h"
#include "ring/loop.h"

namespace tapring {

/// Gathers the copies of a worker's requests. Its grant table outlives it.
class GrantBatch final : public Batch {
 public:
  GrantBatch(Loop& loop, GrantTable& table) : loop_(loop), table_(table) { loop_.add_batch(*this); }
  GrantBatch(const GrantBatch&) = delete;
  GrantBatch& operator=(const GrantBatch&) = delete;
  ~GrantBatch() { loop_.remove_batch(*this); }

  /// The copies of one request: add them, then await them, with no other await between.
  class Transfer {
   public:
    explicit Transfer(GrantBatch& batch) noexcept : batch_(batch), first_(batch.copies_.size()) {}

    void add(const GrantCopy& copy) { batch_.copies_.push_back(copy); }

    bool await_ready() const noexcept { return batch_.copies_.size() == first_; }
    void await_suspend(std::coroutine_handle<> waiter);
    /// Success only if every copy was done.
    Error await_resume() const noexcept { return error_; }

   private:
    friend class GrantBatch;
    GrantBatch& batch_;
    std::size_t first_;
    std::size_t end_ = 0;
    std::coroutine_handle<> waiter_;
    Error error_;
  };

  bool flush() override;

 private:
  Loop& loop_;
  GrantTable& table_;
  std::vector<GrantCopy> copies_;
  std::vector<Transfer*> transfers_;
  // The batch being done, kept for its capacity: who is resumed fills the next one.
  std::vector<GrantCopy> flushing_copies_;
  std::vector<Transfer*> flushing_transfers_;
};

}  // namespace tapring
