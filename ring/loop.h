// SPDX-License-Identifier: MIT
// The turn of a worker thread: wait, run what completed, then let the batches of the turn go.
// What is waited on differs by world: io_uring in production, simulated time in the tests.
#pragma once

#include <atomic>
#include <chrono>
#include <coroutine>
#include <memory>
#include <mutex>
#include <vector>

#include "ring/executor.h"
#include "ring/poll_window.h"

namespace tapring {

class File;
struct OpenFile;

/// Someone who gathers work during a turn and does it at once when the turn ends.
class Batch {
 public:
  /// Does what was gathered. True if it did anything, as that may have made more work.
  virtual bool flush() = 0;

 protected:
  ~Batch() = default;
};

/// A source of work in shared memory: while it is polled, the other side need not wake us.
class Pollable {
 public:
  /// Whether there is work. Cheap.
  virtual bool has_work() const noexcept = 0;

  /// Takes what is there.
  virtual void poll() = 0;

  /// From now on the other side wakes us. True if there is work after all: then it need not.
  virtual bool arm() = 0;

 protected:
  ~Pollable() = default;
};

/// One thread's event loop. All but post() and stop() belong to the thread that runs it.
class Loop : public Executor {
 public:
  using Clock = std::chrono::steady_clock;

  Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// Turns until stop(). Work still queued then is not run.
  void run();

  /// Makes run() return after its present turn. From any thread.
  void stop();

  /// Runs `work` in a later turn. From any thread.
  void post(Work work) final;

  /// One turn: waits for something to do if `may_block`, does it, flushes the batches.
  void turn(bool may_block);

  /// Who does heavy work for this loop's coroutines: itself, unless it is given somebody, who is to
  /// be done with it all, down to the last post(), when the loop is destroyed.
  Executor& helper() noexcept { return helper_ != nullptr ? *helper_ : *this; }
  void use_helper(Executor& helper) noexcept { helper_ = &helper; }

  /// Resumes a coroutine in this turn, after what runs now.
  void resume_soon(std::coroutine_handle<> coroutine) { resumable_.push_back(coroutine); }

  /// Flushed at the end of each turn, in the order they were added, until none does anything.
  void add_batch(Batch& batch) { batches_.push_back(&batch); }
  void remove_batch(Batch& batch) noexcept;

  /// Polls `source` in each turn until the loop sleeps, which arms it first. More than once is
  /// once.
  void poll(Pollable& source);
  void stop_polling(Pollable& source) noexcept { std::erase(polled_, &source); }

  /// Before it sleeps the loop looks for work as long as this, while that pays; 0 for never.
  void look_before_sleeping(PollWindow::Duration limit) noexcept;

  /// When the waiting of this turn was over. Cheap, and precise enough for latencies.
  Clock::time_point turn_time() const noexcept { return turn_time_; }

  /// A file for use on this loop; takes the descriptor over.
  virtual std::unique_ptr<File> file(OpenFile file) = 0;

 protected:
  /// Submits what is queued and runs every completion that is there; with `may_block` waits for
  /// one or for wake(). Calls woke() between the two.
  virtual void wait(bool may_block) = 0;

  /// The waiting of this turn is over.
  void woke() { turn_time_ = now(); }

  /// Ends a wait(true) of the loop's thread. From any thread.
  virtual void wake() = 0;

  /// Submits what is queued; whether a completion is there for wait().
  virtual bool look() { return false; }

  /// Whether what is waited for is the storage rather than a guest.
  virtual bool awaits_storage() const noexcept { return false; }

  bool is_polling() const noexcept { return !polled_.empty(); }

  /// Has all that is polled wake us from now on. False if there is work after all.
  bool arm_all();

  virtual Clock::time_point now() const { return Clock::now(); }

 private:
  bool has_work() const noexcept;
  bool finds_work(const PollWindow& window, Clock::time_point since);
  void wait_for_work();
  void poll_all();
  void run_posted();
  bool resume_all();
  void flush_batches();

  std::mutex posted_mutex_;
  // Each with room for all that is under way at once on a worker that is well used, so that going
  // on with a request takes no memory.
  static constexpr std::size_t kRoom = 4096;

  std::vector<Work> posted_;
  std::vector<Work> running_;
  std::atomic<bool> has_posted_ = false;
  std::atomic<bool> stopping_ = false;
  Executor* helper_ = nullptr;
  std::vector<std::coroutine_handle<>> resumable_;
  std::vector<std::coroutine_handle<>> resuming_;
  std::vector<Batch*> batches_;
  std::vector<Pollable*> polled_;
  PollWindow storage_window_;
  PollWindow guest_window_;
  Clock::time_point turn_time_ = Clock::now();
};

}  // namespace tapring
