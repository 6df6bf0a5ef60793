// SPDX-License-Identifier: MIT
// The reads and writes of a turn. Those that follow each other in a file, as a guest's sequential
// requests do, become one: the kernel's cost of a small transfer is nearly all per call.
#pragma once

#include <sys/uio.h>

#include <array>
#include <climits>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ring/completion.h"

namespace tapring {

class UringLoop;

class UringTransfers {
 public:
  enum class Direction : uint8_t { read, write };

  /// Instead of a result: what it was joined with failed or fell short, perhaps not by its fault.
  /// Nothing of it counts; do it again, alone.
  static constexpr int kDoAlone = INT_MIN;

  struct Place {
    int fd;
    Direction direction;
    uint64_t offset;
    iovec memory;
    bool alone;  ///< never joined with others
  };

  explicit UringTransfers(UringLoop& loop) noexcept;
  UringTransfers(const UringTransfers&) = delete;
  UringTransfers& operator=(const UringTransfers&) = delete;
  ~UringTransfers();

  /// Awaits one transfer: gives a count of bytes, a negative errno, or kDoAlone.
  class Transfer final : public Completion {
   public:
    Transfer(UringTransfers& transfers, const Place& place) noexcept
        : transfers_(transfers), place_(place) {}

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiter);
    int await_resume() const noexcept { return result_; }

    void completed(int result) noexcept override;

   private:
    friend class UringTransfers;
    UringTransfers& transfers_;
    Place place_;
    std::coroutine_handle<> waiter_;
    int result_ = 0;
  };

  /// Puts what was awaited since the last call into the submission queue.
  void submit();

  /// Transfers that are awaited.
  std::size_t under_way() const noexcept { return under_way_; }

 private:
  // More bytes together save little, and the first would wait for the last.
  static constexpr std::size_t kMaxJoined = 64, kMaxJoinedBytes = std::size_t{256} << 10;

  class Run;

  std::span<Transfer* const> next_run(std::span<Transfer* const> queued) const noexcept;
  bool submit_alone(Transfer& transfer);
  bool submit_joined(std::span<Transfer* const> run);
  void add_run();

  UringLoop& loop_;
  std::vector<Transfer*> queued_;
  std::vector<Transfer*> submitting_;
  std::vector<std::unique_ptr<Run>> free_runs_;
  std::size_t runs_ = 0;  ///< that there are, free or not
  std::size_t under_way_ = 0;
};

}  // namespace tapring
