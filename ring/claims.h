// SPDX-License-Identifier: MIT
// Who may change which part of a thing, one at a time.
#pragma once

#include <algorithm>
#include <coroutine>
#include <cstdint>
#include <list>
#include <utility>

#include "ring/loop.h"

namespace tapring {

class Claim;

/// Ranges that coroutines of one loop hold or wait for.
class Claims {
 public:
  explicit Claims(Loop& loop) noexcept : loop_(loop) {}
  Claims(const Claims&) = delete;
  Claims& operator=(const Claims&) = delete;

 private:
  friend class Claim;
  Loop& loop_;
  std::list<Claim*> claims_;  ///< in the order they were made
};

/// The right to [begin, end), once it was awaited, until it is destroyed: claims that overlap are
/// held in the order they were made.
class Claim {
 public:
  Claim(Claims& claims, uint64_t begin, uint64_t end)
      : claims_(claims), begin_(begin), end_(end),
        place_(claims.claims_.insert(claims.claims_.end(), this)) {}
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

  ~Claim() {
    const auto later = claims_.claims_.erase(place_);
    for (auto claim = later; claim != claims_.claims_.end(); ++claim) (*claim)->resume_if_first();
  }

  bool await_ready() const noexcept { return is_first(); }
  void await_suspend(std::coroutine_handle<> waiter) noexcept { waiter_ = waiter; }
  void await_resume() const noexcept {}

 private:
  bool is_first() const noexcept {
    return std::none_of(claims_.claims_.begin(), place_, [this](const Claim* earlier) {
      return earlier->begin_ < end_ && begin_ < earlier->end_;
    });
  }

  void resume_if_first() noexcept {
    if (waiter_ && is_first()) claims_.loop_.resume_soon(std::exchange(waiter_, nullptr));
  }

  Claims& claims_;
  uint64_t begin_;
  uint64_t end_;
  std::list<Claim*>::iterator place_;
  std::coroutine_handle<> waiter_;
};

}  // namespace tapring
