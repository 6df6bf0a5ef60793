// SPDX-License-Identifier: MIT
// The copies between guests and bounce memory in one turn of a loop, done in one call to Xen.
#pragma once

#include <coroutine>
#include <cstddef>
#include <span>
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
    Transfer(const Transfer&) = delete;
    Transfer& operator=(const Transfer&) = delete;
    /// Removes copies that were added but not awaited, as there was no memory for the next one.
    /// They are the last of the batch.
    ~Transfer() {
      if (count_ > 0 && !awaited_) batch_.copies_.resize(first_);
    }

    void add(const GrantCopy& copy) {
      batch_.copies_.push_back(copy);
      ++count_;
    }

    bool await_ready() const noexcept { return count_ == 0; }
    void await_suspend(std::coroutine_handle<> waiter);
    /// Success only if every copy was done.
    Error await_resume() const noexcept { return error_; }

   private:
    friend class GrantBatch;
    GrantBatch& batch_;
    std::size_t first_;
    std::size_t count_ = 0;
    bool awaited_ = false;
    std::coroutine_handle<> waiter_;
    Error error_;
  };

  bool flush() override;

 private:
  Error copy(std::span<GrantCopy> copies);

  Loop& loop_;
  GrantTable& table_;
  std::vector<GrantCopy> copies_;
  std::vector<Transfer*> transfers_;
  // The batch in progress: coroutines that it resumes add to the next one. Kept for its capacity.
  std::vector<GrantCopy> flushing_copies_;
  std::vector<Transfer*> flushing_transfers_;
};

}  // namespace tapring
