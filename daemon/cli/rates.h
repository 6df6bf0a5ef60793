// SPDX-License-Identifier: MIT
// What happened on a disk between two looks at its counters.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "daemon/vbd/report.h"

namespace tapring {

/// Of one kind of operation.
struct OperationRate {
  double per_second = 0;
  double bytes_per_second = 0;
  std::optional<double> mean_latency_us;  ///< nullopt: there was none
};

struct DiskRates {
  OperationRate reads;
  OperationRate writes;
  OperationRate flushes;
};

/// If the disk was reconnected in between, its counters began at zero again: then the rates are
/// those since the reconnect.
DiskRates rates_between(const DiskCounters& earlier, const DiskCounters& later,
                        std::chrono::nanoseconds elapsed);

}  // namespace tapring
