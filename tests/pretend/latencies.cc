// SPDX-License-Identifier: MIT
#include "tests/pretend/latencies.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tapring::pretend {
namespace {

constexpr double kNanosecondsInMicrosecond = 1000;

}  // namespace

double Latencies::mean() const noexcept {
  if (samples_.empty()) return 0;
  const uint64_t sum = std::accumulate(samples_.begin(), samples_.end(), uint64_t{0});
  return static_cast<double>(sum) / static_cast<double>(samples_.size()) /
         kNanosecondsInMicrosecond;
}

double Latencies::percentile(double share) {
  if (samples_.empty()) return 0;
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(count())));
  const auto found =
      samples_.begin() + static_cast<std::ptrdiff_t>(std::clamp<std::size_t>(rank, 1, count()) - 1);
  std::ranges::nth_element(samples_, found);
  return *found / kNanosecondsInMicrosecond;
}

}  // namespace tapring::pretend
