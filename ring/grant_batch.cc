// SPDX-License-Identifier: MIT
#include "ring/grant_batch.h"

#include <algorithm>

namespace tapring {

void GrantBatch::Transfer::await_suspend(std::coroutine_handle<> waiter) {
  end_ = batch_.copies_.size();
  waiter_ = waiter;
  batch_.transfers_.push_back(this);
}

bool GrantBatch::flush() {
  if (transfers_.empty()) return false;
  flushing_copies_.swap(copies_);
  flushing_transfers_.swap(transfers_);
  const Error call_error = table_.copy(flushing_copies_);
  for (Transfer* transfer : flushing_transfers_) {
    const auto begin = flushing_copies_.begin();
    const bool failed = std::any_of(begin + static_cast<std::ptrdiff_t>(transfer->first_),
                                    begin + static_cast<std::ptrdiff_t>(transfer->end_),
                                    [](const GrantCopy& copy) { return copy.failed; });
    transfer->error_ = failed ? std::make_error_code(std::errc::bad_address) : call_error;
    loop_.resume_soon(transfer->waiter_);
  }
  flushing_copies_.clear();
  flushing_transfers_.clear();
  return true;
}

}  // namespace tapring
