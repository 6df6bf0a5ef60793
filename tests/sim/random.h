// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace tapring::sim {

/// The one source of randomness of a simulated world: the same seed gives the same numbers
/// everywhere (std's distributions may differ between libraries). SplitMix64.
class Random {
 public:
  explicit Random(uint64_t seed) noexcept : state_(seed) {}

  uint64_t next() noexcept {
    state_ += 0x9e3779b97f4a7c15U;
    uint64_t mixed = state_;
    mixed = (mixed ^ (mixed >> 30U)) * 0xbf58476d1ce4e5b9U;
    mixed = (mixed ^ (mixed >> 27U)) * 0x94d049bb133111ebU;
    return mixed ^ (mixed >> 31U);
  }

  /// Below `bound`, which is not 0.
  uint64_t below(uint64_t bound) noexcept { return next() % bound; }

  /// Both ends included.
  uint64_t between(uint64_t least, uint64_t most) noexcept {
    return least + below(most - least + 1);
  }

  bool chance(double probability) noexcept {
    return static_cast<double>(next() >> 11U) * 0x1p-53 < probability;
  }

 private:
  uint64_t state_;
};

}  // namespace tapring::sim
