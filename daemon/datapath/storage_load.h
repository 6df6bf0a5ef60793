// SPDX-License-Identifier: MIT
// What a disk has at its storage, and whether that storage has stopped to answer. Such a disk waits
// alone: others on its worker get memory and threads of the kernel in place of what it keeps.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <vector>

#include "ring/buffers.h"
#include "ring/loop.h"

namespace tapring {

class StorageLoad;

/// Looks at the loads of a loop's disks now and then, while there is anything that may stall.
class StallWatch final : public Batch {
 public:
  explicit StallWatch(Loop& loop);
  StallWatch(const StallWatch&) = delete;
  StallWatch& operator=(const StallWatch&) = delete;
  ~StallWatch();

  bool flush() override;

 private:
  friend class StorageLoad;
  static constexpr std::chrono::milliseconds kPause{125};

  void look();

  Loop& loop_;
  std::vector<StorageLoad*> loads_;
  std::size_t requests_ = 0;  ///< of all that are not known to be stalled
  std::size_t stalled_requests_ = 0;
  Loop::Clock::time_point next_look_;
};

/// One disk's, on one worker. Outlives its requests.
class StorageLoad {
 public:
  /// A storage is stalled that has a request for longer than this; it shows before 1.5 times that.
  static constexpr std::chrono::milliseconds kStalled{1000};

  StorageLoad(StallWatch& watch, BufferQuota& buffers);
  StorageLoad(const StorageLoad&) = delete;
  StorageLoad& operator=(const StorageLoad&) = delete;
  ~StorageLoad();

  /// A request at the storage, for as long as this lives.
  class Request {
   public:
    explicit Request(StorageLoad& load) noexcept : load_(load), generation_(load.begin()) {}
    Request(const Request&) = delete;
    Request& operator=(const Request&) = delete;
    ~Request() { load_.end(generation_); }

   private:
    StorageLoad& load_;
    std::size_t generation_;
  };

  bool is_stalled() const noexcept { return is_stalled_; }

 private:
  friend class StallWatch;

  std::size_t begin() noexcept;
  void end(std::size_t generation) noexcept;
  void look(Loop::Clock::time_point now) noexcept;
  void set_stalled(bool stalled) noexcept;
  std::size_t oldest() const noexcept { return (young_ + 1) % requests_.size(); }

  StallWatch& watch_;
  BufferQuota& buffers_;
  /// By age, in turn: those begun since `young_since_` are in the young generation, and what is in
  /// the one after it, the oldest, keeps it from being reused.
  std::array<std::size_t, 5> requests_{};
  std::size_t young_ = 0;
  std::size_t all_requests_ = 0;
  Loop::Clock::time_point young_since_;
  bool is_stalled_ = false;
};

}  // namespace tapring
