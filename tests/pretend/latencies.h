// SPDX-License-Identifier: MIT
// How long requests took: every one is kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tapring::pretend {

class Latencies {
 public:
  /// With room for some millions, so that adding one takes no time.
  Latencies() { samples_.reserve(std::size_t{1} << 22U); }

  void add(uint64_t nanoseconds) {
    samples_.push_back(static_cast<uint32_t>(nanoseconds < UINT32_MAX ? nanoseconds : UINT32_MAX));
  }
  void clear() noexcept { samples_.clear(); }

  std::size_t count() const noexcept { return samples_.size(); }

  // In microseconds; 0 of none.
  double mean() const noexcept;
  /// The least sample that at least this share of all, more than 0 and at most 1, do not exceed.
  double percentile(double share);

 private:
  std::vector<uint32_t> samples_;
};

}  // namespace tapring::pretend
