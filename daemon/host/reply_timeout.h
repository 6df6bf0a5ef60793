// SPDX-License-Identifier: MIT
// A limit for the wait for an answer of xenstored. libxenstore itself would wait for ever.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>

namespace tapring {

/// Shuts the connection down when a wait takes too long, so that the wait fails. Thread-safe.
class ReplyTimeout {
 public:
  using Clock = std::chrono::steady_clock;

  /// How long to wait: xenstored may be swapped out, or busy with its own live update.
  static constexpr std::chrono::seconds kPatience{20};

  /// A wait this long is logged.
  static constexpr std::chrono::seconds kNotable{3};

  explicit ReplyTimeout(Clock::duration patience) noexcept : patience_(patience) {}
  ReplyTimeout(const ReplyTimeout&) = delete;
  ReplyTimeout& operator=(const ReplyTimeout&) = delete;

  /// One wait, for as long as this lives; one at a time. `socket` is the connection's, which stays
  /// open meanwhile; -1: the wait cannot be ended. Without a limit nothing happens.
  class Wait {
   public:
    Wait(ReplyTimeout* limit, int socket) : limit_(limit) {
      if (limit_ != nullptr) limit_->begin(socket);
    }
    ~Wait() {
      if (limit_ != nullptr) limit_->end();
    }
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;

    /// Whether check() has ended it.
    bool expired() const { return limit_ != nullptr && limit_->expired(); }

   private:
    ReplyTimeout* limit_;
  };

  /// To be called now and then, by another thread than the one that waits.
  void check(Clock::time_point now = Clock::now());

  /// Whether somebody waits, or has waited since the last time that this was asked.
  bool was_used();

 private:
  void begin(int socket);
  void end();
  bool expired();

  const Clock::duration patience_;
  std::mutex mutex_;
  bool waiting_ = false;
  bool used_ = false;
  bool expired_ = false;
  bool told_ = false;  ///< of this wait, in the log
  int socket_ = -1;
  Clock::time_point since_;
};

}  // namespace tapring
