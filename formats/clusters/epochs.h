// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>

#include "ring/error.h"
#include "ring/task.h"
#include "ring/waiting.h"

namespace tapring {

/// Which transfers may still be at clusters that the map no longer names: none that began later.
class Epochs {
 public:
  /// Held while a transfer is under way to where the map said in the same turn.
  class Pass {
   public:
    explicit Pass(Epochs& epochs) noexcept : epochs_(epochs), epoch_(epochs.current_) {
      ++epochs.inside_[epoch_];
    }
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    ~Pass() {
      if (--epochs_.inside_[epoch_] == 0 && epoch_ != epochs_.current_) epochs_.left_.wake_all();
    }

   private:
    Epochs& epochs_;
    std::size_t epoch_;
  };

  explicit Epochs(Loop& loop) noexcept : left_(loop) {}

  /// Ends when every transfer has ended that is under way now. One call at a time.
  Task<Error> end() {
    current_ = 1 - current_;
    while (inside_[1 - current_] > 0) co_await left_.wait();
    co_return Error{};
  }

 private:
  std::array<std::size_t, 2> inside_{};
  std::size_t current_ = 0;
  WaitQueue left_;
};

}  // namespace tapring
