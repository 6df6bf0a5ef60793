// SPDX-License-Identifier: MIT
// The reads and writes of a turn. Those that continue each other in a file, as a guest's sequential
// requests do, are merged: nearly all that a small transfer costs the kernel is per request.
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

namespace tapring {

class UringLoop;

/// Told the result of one submission to io_uring: a count or a negative errno.
class Completion {
 public:
  virtual void completed(int result) noexcept = 0;

 protected:
  ~Completion() = default;
};

class UringTransfers {
 public:
  enum class Direction : uint8_t { read, write };

  /// Instead of a result: the transfer was merged with others, and the whole failed or fell short,
  /// perhaps at another's part. Nothing is known of this part: do it again, unmerged.
  static constexpr int kRetryUnmerged = INT_MIN;

  struct Place {
    int fd;
    Direction direction;
    uint64_t offset;
    iovec memory;
    bool unmerged;  ///< not to be merged with others
  };

  explicit UringTransfers(UringLoop& loop) noexcept;
  UringTransfers(const UringTransfers&) = delete;
  UringTransfers& operator=(const UringTransfers&) = delete;
  ~UringTransfers();

  /// Awaits one transfer: gives a count of bytes, a negative errno, or kRetryUnmerged.
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

  /// Queues for submission all transfers that were awaited since the last call.
  void submit();

  /// How many transfers are awaited.
  std::size_t under_way() const noexcept { return under_way_; }

 private:
  // To merge more saves little, and the first transfer would wait for the last one.
  static constexpr std::size_t kMaxMerged = 64, kMaxMergedBytes = std::size_t{256} << 10;

  class MergedTransfer;

  std::span<Transfer* const> next_mergeable(std::span<Transfer* const> queued) const noexcept;
  bool submit_single(Transfer& transfer);
  bool submit_merged(std::span<Transfer* const> transfers);
  void add_merged();

  UringLoop& loop_;
  std::vector<Transfer*> queued_;
  std::vector<Transfer*> submitting_;
  std::vector<std::unique_ptr<MergedTransfer>> free_merged_;
  std::size_t merged_count_ = 0;  ///< that exist, free or in use
  std::size_t under_way_ = 0;
};

}  // namespace tapring
