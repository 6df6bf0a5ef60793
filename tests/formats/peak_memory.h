// SPDX-License-Identifier: MIT
// A program that has this counts what it allocates by operator new.
#pragma once

#include <cstddef>

namespace tapring {

/// The most that this thread had allocated at once since this was made, beyond what it had then.
class PeakMemory {
 public:
  PeakMemory() noexcept;
  std::size_t bytes() const noexcept;

 private:
  std::size_t before_;
};

}  // namespace tapring
