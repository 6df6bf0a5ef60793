// SPDX-License-Identifier: MIT
// Requests that their storage failed and whose guest is to wait: each sleeps here, between two
// tries, with nothing but its coroutine. Its data lies in the guest's pages, which stay granted
// while it is unanswered, so it holds no bounce memory that others could use.
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

/// Those of a disk that are on one worker. One thread only.
///
/// One is tried at a time, as a probe: storage that is full, or dying, must not be stormed. Each
/// that succeeds lets two more try, until none is left.
class HeldRequests {
 public:
  /// How often one is tried, at most. The first is a little less than a second, so at each check();
  /// in the second a failing drive may be busy with the try, and others may want it.
  static constexpr std::chrono::milliseconds kNoSpaceInterval{900};
  static constexpr std::chrono::milliseconds kIoErrorInterval{9900};

  enum class Verdict : uint8_t {
    again,   ///< do the request once more
    report,  ///< tell the guest
    leave,   ///< end it without an answer
  };

  HeldRequests(Loop& loop, std::shared_ptr<DiskPause> pause) noexcept
      : loop_(loop), pause_(std::move(pause)) {}
  HeldRequests(const HeldRequests&) = delete;
  HeldRequests& operator=(const HeldRequests&) = delete;
  ~HeldRequests();

  /// Whether a request that ended so is to be held.
  bool holds(Error error) const noexcept {
    const auto fault = storage_fault(error);
    return fault && pause_->policy().on(*fault) == OnError::pause;
  }

  /// Does what it is time for. To be called every second while anything is held, and when the
  /// policy has changed.
  void check();

  /// Tries all of them now.
  void retry_all();

  /// All of them end without an answer, now and from now on.
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
  std::deque<HeldRequest*> waiting_;  ///< who waits longest since its last try is the first
  unsigned trying_ = 0;
  std::array<Loop::Clock::time_point, 2> next_probe_{};  ///< of each fault
  bool ended_ = false;
};

/// One request, from the first time that it failed to its end.
class HeldRequest {
 public:
  using Verdict = HeldRequests::Verdict;

  HeldRequest(HeldRequests& all, StorageFault fault);
  HeldRequest(const HeldRequest&) = delete;
  HeldRequest& operator=(const HeldRequest&) = delete;
  ~HeldRequest();

  /// Sleeps until the verdict on what failed so.
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

  /// The last try did it.
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
