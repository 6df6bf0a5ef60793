// SPDX-License-Identifier: MIT
// Whether a disk is paused, which it is while any of its requests is held: counted by its shards,
// each on a worker, and read by the control thread.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

#include "daemon/datapath/error_policy.h"

namespace tapring {

/// For any thread. Used only when storage fails.
class DiskPause {
 public:
  /// `began`: called, on the thread of a shard, when a request is held and none was before.
  explicit DiskPause(const ErrorPolicy& policy, std::function<void()> began = {})
      : policy_(policy), began_(std::move(began)) {}
  DiskPause(const DiskPause&) = delete;
  DiskPause& operator=(const DiskPause&) = delete;

  ErrorPolicy policy() const noexcept { return policy_; }
  void set_policy(const ErrorPolicy& policy) noexcept { policy_ = policy; }

  void hold(StorageFault fault) {
    ++of(fault);
    if (held_++ > 0) return;
    ++pauses_;
    if (began_) began_();
  }
  void let_go(StorageFault fault) noexcept {
    --of(fault);
    --held_;
  }
  /// A request that was held because of `from` was retried, and failed because of `to`.
  void change(StorageFault from, StorageFault to) noexcept {
    --of(from);
    ++of(to);
    ++retries_;
  }
  /// A request has waited as long as the policy lets it.
  void give_up() noexcept { ++given_up_; }

  /// Requests that wait now, or are being retried.
  uint32_t held() const noexcept { return held_; }
  uint32_t held(StorageFault fault) const noexcept {
    return by_fault_[static_cast<std::size_t>(fault)];
  }

  // Totals.

  uint64_t pauses() const noexcept { return pauses_; }
  uint64_t given_up() const noexcept { return given_up_; }
  uint64_t retries() const noexcept { return retries_; }

 private:
  std::atomic<uint32_t>& of(StorageFault fault) noexcept {
    return by_fault_[static_cast<std::size_t>(fault)];
  }

  std::atomic<ErrorPolicy> policy_;
  std::function<void()> began_;
  std::atomic<uint32_t> held_ = 0;
  std::array<std::atomic<uint32_t>, 2> by_fault_{};
  std::atomic<uint64_t> pauses_ = 0;
  std::atomic<uint64_t> given_up_ = 0;
  std::atomic<uint64_t> retries_ = 0;
};

}  // namespace tapring
