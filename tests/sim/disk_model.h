// SPDX-License-Identifier: MIT
// What a disk may contain, seen from the guest: each sector of a read must hold what some allowed
// order of the writes leaves there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace tapring::sim {

/// Every write has a content of its own, so that a sector tells which write it is from.
class DiskModel {
 public:
  using Ticket = uint64_t;

  /// What the disk has at first; zeros where that is too short.
  explicit DiskModel(std::string content = {}) : initial_(std::move(content)) {}

  Ticket begin_write(uint64_t sector, uint64_t sectors) {
    return begin(sector, sectors, Content::own);
  }

  /// A write of zeros.
  Ticket begin_discard(uint64_t sector, uint64_t sectors) {
    return begin(sector, sectors, Content::zeros);
  }

  /// What the write puts there, for `sector` and those after it.
  static void fill(Ticket write, uint64_t sector, std::span<std::byte> data);

  /// Not `done`: any sectors of it may or may not have been written by now. A write that is never
  /// ended may happen at any time.
  void end_write(Ticket write, bool done);

  Ticket begin_read();

  /// What is wrong with the data that was read; nullopt if nothing is.
  std::optional<std::string> end_read(Ticket read, uint64_t sector,
                                      std::span<const std::byte> data);

  /// A read that got no data.
  void forget_read(Ticket read) { reads_.erase(read); }

  // Writes are lost with the power unless a flush that began after their answer was answered.

  /// To be called before the first write if power_off() will be.
  void expect_power_off() noexcept { losable_ = true; }
  Ticket begin_flush() noexcept { return ++clock_; }
  void end_flush(Ticket flush, bool done) noexcept;
  void power_off();

  /// Nobody has the disk open: what was not answered will never be. Each sector has one of the
  /// contents that were possible until now, and keeps it until it is written again.
  void settle();

  /// Sectors that were ever written.
  std::vector<uint64_t> written() const;

 private:
  static constexpr uint64_t kNever = UINT64_MAX;

  struct Write {
    uint64_t sector;
    uint64_t sectors;
    uint64_t answered = kNever;
    bool done = false;
  };
  struct Candidate {
    Ticket write;
    Ticket content;  ///< of which write; 0: zeros
    uint64_t answered;
    bool done;
    bool settled;  ///< was not overwritten when the disk was last closed
  };
  enum class Content : uint8_t { own, zeros };
  static constexpr Ticket kInitial = UINT64_MAX;  ///< the content that the disk had at first

  std::span<const char> initial(uint64_t sector) const noexcept;
  Candidate untouched(uint64_t sector) const noexcept;
  bool holds(Ticket content, uint64_t sector, std::span<const std::byte> data) const;

  Ticket begin(uint64_t sector, uint64_t sectors, Content content);

  static Ticket newest_done(const std::vector<Candidate>& candidates, uint64_t before) noexcept;
  void prune(uint64_t sector);
  void pin(uint64_t sector, Ticket seen);

  std::string initial_;
  uint64_t clock_ = 0;
  bool losable_ = false;
  Ticket flushed_ = 0;  ///< what was answered before is durable
  std::map<Ticket, Write> writes_;  ///< not yet answered
  std::set<Ticket> reads_;
  /// By sector; a sector that is not there has never been written.
  std::map<uint64_t, std::vector<Candidate>> sectors_;
};

}  // namespace tapring::sim
