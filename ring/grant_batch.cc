// SPDX-License-Identifier: MIT
#include "ring/grant_batch.h"

#include <algorithm>
#include <new>

namespace tapring {

void GrantBatch::Transfer::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  batch_.transfers_.push_back(this);
  awaited_ = true;
}

bool GrantBatch::flush() {
  if (transfers_.empty()) return false;
  flushing_copies_.swap(copies_);
  flushing_transfers_.swap(transfers_);
  const Error call_error = copy(flushing_copies_);
  for (Transfer* transfer : flushing_transfers_) {
    const auto own = std::span(flushing_copies_).subspan(transfer->first_, transfer->count_);
    const bool failed = std::ranges::any_of(own, &GrantCopy::failed);
    transfer->error_ = failed ? std::make_error_code(std::errc::bad_address) : call_error;
    loop_.resume_soon(transfer->waiter_);
  }
  flushing_copies_.clear();
  flushing_transfers_.clear();
  return true;
}

Error GrantBatch::copy(std::span<GrantCopy> copies) {
  try {
    return table_.copy(copies);
  } catch (const std::bad_alloc&) {
    return std::make_error_code(std::errc::not_enough_memory);
  }
}

}  // namespace tapring
