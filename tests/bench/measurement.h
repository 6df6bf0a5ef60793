// SPDX-License-Identifier: MIT
// What a benchmark finds out about a workload.
#pragma once

#include <boost/json.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

namespace tapring::bench {

/// Of a workload that runs, before it is measured.
inline constexpr std::chrono::milliseconds kWarmUp{300};

struct Measurement {
  double seconds = 0;
  uint64_t requests = 0;
  uint32_t block_bytes = 0;
  double processor_seconds = 0;          ///< of the backend, user and system
  std::optional<uint64_t> system_calls;  ///< of the backend, where they are counted
  uint64_t neighbour_bytes = 0;          ///< moved for disks that are not measured
  std::vector<uint32_t> latencies;       ///< nanoseconds, in any order
};

/// The form that every benchmark of a workload prints. Sorts the latencies.
boost::json::object to_json(Measurement& measurement);

}  // namespace tapring::bench
