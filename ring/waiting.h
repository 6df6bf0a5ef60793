// SPDX-License-Identifier: MIT
// How the coroutines of one loop wait for each other. Whoever is let go on is resumed by the loop,
// not from within the call that lets it go.
#pragma once

#include <algorithm>
#include <cassert>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <list>
#include <utility>
#include <vector>

#include "ring/loop.h"

namespace tapring {

/// Coroutines that wait for a condition. Waking says that it may hold now: each checks for itself.
class WaitQueue {
 public:
  class Wait {
   public:
    explicit Wait(WaitQueue& queue) noexcept : queue_(queue) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter) { queue_.waiting_.push_back(waiter); }
    void await_resume() const noexcept {}

   private:
    WaitQueue& queue_;
  };

  explicit WaitQueue(Loop& loop) noexcept : loop_(loop) {}
  WaitQueue(const WaitQueue&) = delete;
  WaitQueue& operator=(const WaitQueue&) = delete;
  ~WaitQueue() { assert(waiting_.empty()); }

  Wait wait() noexcept { return Wait(*this); }

  void wake_all() {
    for (const std::coroutine_handle<> waiter : std::exchange(waiting_, {})) {
      loop_.resume_soon(waiter);
    }
  }

 private:
  Loop& loop_;
  std::vector<std::coroutine_handle<>> waiting_;
};

/// Counts coroutines that nobody awaits one by one, so that one other can await the end of all.
class TaskGroup {
 public:
  /// Held by a coroutine for as long as it runs.
  class Member {
   public:
    explicit Member(TaskGroup& group) noexcept : group_(&group) { ++group.size_; }
    Member(Member&& other) noexcept : group_(std::exchange(other.group_, nullptr)) {}
    Member& operator=(Member&&) = delete;
    ~Member() {
      if (group_ != nullptr) group_->leave();
    }

   private:
    TaskGroup* group_;
  };

  /// Suspends until the group has no members.
  class Drained {
   public:
    explicit Drained(TaskGroup& group) noexcept : group_(group) {}
    bool await_ready() const noexcept { return group_.size_ == 0; }
    void await_suspend(std::coroutine_handle<> waiter) noexcept {
      assert(!group_.waiter_);
      group_.waiter_ = waiter;
    }
    void await_resume() const noexcept {}

   private:
    TaskGroup& group_;
  };

  explicit TaskGroup(Loop& loop) noexcept : loop_(loop) {}
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;
  /// A coroutine that is still a member would go on in memory that is freed.
  ~TaskGroup() {
    if (size_ > 0) std::abort();
  }

  Member enter() noexcept { return Member(*this); }
  /// One waiter at a time.
  Drained drained() noexcept { return Drained(*this); }
  std::size_t size() const noexcept { return size_; }

 private:
  void leave() noexcept {
    // By the loop: the coroutine that leaves still has its frame to unwind.
    if (--size_ == 0 && waiter_) loop_.resume_soon(std::exchange(waiter_, nullptr));
  }

  Loop& loop_;
  std::size_t size_ = 0;
  std::coroutine_handle<> waiter_;
};

/// A mutex for each part of something that has offsets: a file, a table, or just [0, 1).
class RangeLock {
 public:
  /// Holds [begin, end) from when it was awaited until it is destroyed. Guards whose ranges overlap
  /// get the lock in the order they were made.
  class Guard {
   public:
    Guard(RangeLock& lock, uint64_t begin, uint64_t end)
        : lock_(lock),
          begin_(begin),
          end_(end),
          place_(lock.guards_.insert(lock.guards_.end(), this)) {}
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

    ~Guard() {
      const auto later = lock_.guards_.erase(place_);
      for (auto guard = later; guard != lock_.guards_.end(); ++guard) (*guard)->resume_if_free();
    }

    bool await_ready() const noexcept { return is_free(); }
    void await_suspend(std::coroutine_handle<> waiter) noexcept { waiter_ = waiter; }
    void await_resume() const noexcept {}

   private:
    /// No earlier guard has or awaits a part of the range.
    bool is_free() const noexcept {
      return std::none_of(lock_.guards_.begin(), place_, [this](const Guard* earlier) {
        return earlier->begin_ < end_ && begin_ < earlier->end_;
      });
    }

    void resume_if_free() noexcept {
      if (waiter_ && is_free()) lock_.loop_.resume_soon(std::exchange(waiter_, nullptr));
    }

    RangeLock& lock_;
    uint64_t begin_;
    uint64_t end_;
    std::list<Guard*>::iterator place_;
    std::coroutine_handle<> waiter_;
  };

  explicit RangeLock(Loop& loop) noexcept : loop_(loop) {}
  RangeLock(const RangeLock&) = delete;
  RangeLock& operator=(const RangeLock&) = delete;

 private:
  Loop& loop_;
  std::list<Guard*> guards_;  ///< in the order they were made
};

}  // namespace tapring
