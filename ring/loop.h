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

/// One thread's event loop. All but post() and stop() belong to the thread that runs it.
class Loop : public Executor {
 public:
  using Clock = std::chrono::steady_clock;

  Loop() = default;
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

  /// Resumes a coroutine in this turn, after what runs now.
  void resume_soon(std::coroutine_handle<> coroutine) { resumable_.push_back(coroutine); }

  /// Flushed at the end of each turn, in the order they were added, until none does anything.
  void add_batch(Batch& batch) { batches_.push_back(&batch); }
  void remove_batch(Batch& batch) noexcept;

  /// When this turn began. Cheap, and precise enough for latencies.
  Clock::time_point turn_time() const noexcept { return turn_time_; }

  /// A file for use on this loop; takes the descriptor over.
  virtual std::unique_ptr<File> file(OpenFile file) = 0;

 protected:
  /// Submits what is queued and runs every completion that is there; with `may_block` waits for
  /// one or for wake().
  virtual void wait(bool may_block) = 0;

  /// Ends a wait(true) of the loop's thread. From any thread.
  virtual void wake() = 0;

  virtual Clock::time_point now() const { return Clock::now(); }

 private:
  void run_posted();
  bool resume_all();
  void flush_batches();

  std::mutex posted_mutex_;
  std::vector<Work> posted_;
  std::atomic<bool> has_posted_ = false;
  std::atomic<bool> stopping_ = false;
  std::vector<std::coroutine_handle<>> resumable_;
  std::vector<Batch*> batches_;
  Clock::time_point turn_time_ = Clock::now();
};

}  // namespace tapring
