// SPDX-License-Identifier: MIT
// Requests that the storage failed and that wait to be retried. Between two tries a request is only
// a suspended coroutine: its data is in the guest's pages, which stay granted until it is answered,
// so it holds no bounce memory that others could use.
#pragma once

#include <array>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "daemon/datapath/disk_pause.h"
#include "ring/loop.h"

namespace tapring {

class HeldRequest;

/// The held requests of a disk on one worker. One thread only.
///
/// One is retried at a time, as a probe: storage that is full, or dying, must not be stormed. Each
/// that succeeds lets two more retry, until none is left.
class HeldRequests {
 public:
  /// Between two probes, at least. For room, a little less than a second, so that each check()
  /// probes. A failing drive is left alone for longer, as each try may keep it from work for
  /// others.
  static constexpr std::chrono::milliseconds kNoSpaceInterval{900};
  static constexpr std::chrono::milliseconds kIoErrorInterval{9900};

  enum class Verdict : uint8_t {
    again,   ///< retry the request
    report,  ///< tell the guest
    leave,   ///< end it without an answer
  };

  HeldRequests(Loop& loop, std::shared_ptr<DiskPause> pause) noexcept
      : loop_(loop), pause_(std::move(pause)) {}
  HeldRequests(const HeldRequests&) = delete;
  HeldRequests& operator=(const HeldRequests&) = delete;
  ~HeldRequests();

  /// Whether a request that ended with `error` is to be held.
  bool holds(Error error) const noexcept {
    const auto fault = storage_fault(error);
    return fault && pause_->policy().on(*fault) == OnError::pause;
  }

  /// Lets go of requests that the policy holds no longer, and probes when it is time. To be called
  /// every second while anything is held, and when the policy has changed.
  void check();

  /// Retries all of them now.
  void retry_all();

  /// All held requests, now and later, end without an answer.
  void end();

 private:
  friend class HeldRequest;

  bool is_overdue(const HeldRequest& request, uint32_t limit_seconds) const noexcept;
  std::optional<Verdict> verdict_on(const HeldRequest& request) noexcept;
  void add(HeldRequest& request);
  HeldRequest* first(StorageFault fault) const noexcept;
  void probe(StorageFault fault);
  void release(HeldRequest& request, Verdict verdict);
  void release_first() {
    if (!waiting_.empty()) release(*waiting_.front(), Verdict::again);
  }

  Loop& loop_;
  std::shared_ptr<DiskPause> pause_;
  std::deque<HeldRequest*> waiting_;  ///< the longest since its last try is the first
  unsigned trying_ = 0;
  std::array<Loop::Clock::time_point, 2> next_probe_{};  ///< of each fault
  bool ended_ = false;
};

/// One request, from its first failure to its end.
class HeldRequest {
 public:
  using Verdict = HeldRequests::Verdict;

  HeldRequest(HeldRequests& all, StorageFault fault);
  HeldRequest(const HeldRequest&) = delete;
  HeldRequest& operator=(const HeldRequest&) = delete;
  ~HeldRequest();

  /// Suspends until the verdict on a request that failed because of `fault`.
  class Wait {
   public:
    explicit Wait(HeldRequest& request) noexcept : request_(request) {}
    bool await_ready() const noexcept { return request_.verdict_.has_value(); }
    void await_suspend(std::coroutine_handle<> waiter);
    Verdict await_resume() const noexcept { return *request_.verdict_; }

   private:
    HeldRequest& request_;
  };
  Wait wait(StorageFault fault) noexcept;

  /// The retry succeeded.
  void succeeded();

 private:
  friend class HeldRequests;

  void stop_trying() noexcept;

  HeldRequests& all_;
  StorageFault fault_;
  Loop::Clock::time_point since_;
  std::optional<Verdict> verdict_;
  bool trying_ = false;
  std::coroutine_handle<> waiter_;
};

}  // namespace tapring
