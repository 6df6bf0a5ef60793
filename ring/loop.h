// SPDX-License-Identifier: MIT
// The event loop of a worker thread, turn by turn: wait, run what completed, then flush the batches
// of the turn. What it waits for differs by world: io_uring in production, simulated time in tests.
#pragma once

#include <atomic>
#include <chrono>
#include <coroutine>
#include <memory>
#include <mutex>
#include <vector>

#include "ring/executor.h"
#include "ring/memory_registry.h"
#include "ring/poll_window.h"

namespace tapring {

class File;
struct OpenFile;

/// Gathers work during a turn, to do all of it at once when the turn ends.
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

  /// Asks the other side to wake us when there is work. True if there is some already: then it is
  /// polled on instead.
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

  /// Does heavy work for this loop's coroutines: the loop itself, unless it was given a helper. A
  /// helper must have ended all of it, the last post() included, before the loop is destroyed.
  Executor& helper() noexcept { return helper_ != nullptr ? *helper_ : *this; }
  void use_helper(Executor& helper) noexcept { helper_ = &helper; }

  /// Resumes a coroutine in this turn, after what runs now.
  void resume_soon(std::coroutine_handle<> coroutine) { resumable_.push_back(coroutine); }

  /// Flushed at the end of each turn, in the order they were added, until none does anything.
  void add_batch(Batch& batch) { batches_.push_back(&batch); }
  void remove_batch(Batch& batch) noexcept;

  /// Polls `source` in each turn, until the loop arms it in order to sleep. A second call changes
  /// nothing.
  void poll(Pollable& source);
  void stop_polling(Pollable& source) noexcept { std::erase(polled_, &source); }

  /// Before it sleeps the loop polls for work for up to `limit`, as long as that pays (PollWindow);
  /// 0: never.
  void set_busy_poll(PollWindow::Duration limit) noexcept;

  /// There is a turn after this time, or after the shortest that was asked for since the last turn
  /// of this kind.
  virtual void wake_after(Clock::duration time) = 0;

  /// To be told of the memory that files are read into and written from; null: none is needed.
  virtual MemoryRegistry* memory_registry() noexcept { return nullptr; }

  /// So many requests may be stuck in the kernel: it has threads for others all the same.
  virtual void expect_stuck(std::size_t /*requests*/) {}

  /// When the waiting of this turn was over. Cheap, and precise enough for latencies.
  Clock::time_point turn_time() const noexcept { return turn_time_; }

  /// A file for use on this loop; takes the descriptor over.
  virtual std::unique_ptr<File> file(OpenFile file) = 0;

 protected:
  /// Submits what is queued and runs every completion that is there; with `may_block` waits for
  /// one or for wake(). Calls begin_turn() after waiting, before completions run.
  virtual void wait(bool may_block) = 0;

  /// The waiting of this turn is over.
  void begin_turn() { turn_time_ = now(); }

  /// Ends a wait(true) of the loop's thread. From any thread.
  virtual void wake() = 0;

  /// Submits what is queued. Whether wait() would find a completion.
  virtual bool poll_once() { return false; }

  /// Whether the loop waits for the storage rather than for a guest.
  virtual bool awaits_storage() const noexcept { return false; }

  bool is_polling() const noexcept { return !polled_.empty(); }

  /// Arms every polled source. False if there is work after all.
  bool arm_all();

  virtual Clock::time_point now() const { return Clock::now(); }

 private:
  bool has_work() const noexcept;
  bool busy_poll(const PollWindow& window, Clock::time_point since);
  void wait_for_work();
  void poll_all();
  void run_posted();
  bool resume_all();
  void flush_batches();

  std::mutex posted_mutex_;
  // Reserved in each queue below: as many as a busy worker has at once, so that a request that is
  // under way needs no memory to go on.
  static constexpr std::size_t kQueueCapacity = 4096;

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
