// SPDX-License-Identifier: MIT
// The other side of the ratio: fio with io_uring on the image itself.
#pragma once

#include <cstdint>
#include <string>

#include "tests/bench/guest.h"

namespace tapring::bench {

struct Figures {
  double requests_per_second = 0;
  double cpu_microseconds = 0;  ///< of this thread or of fio, for each request
};

/// Runs fio for `seconds`. Throws std::runtime_error when it fails.
Figures run_fio(const std::string& path, const Workload& workload, uint32_t seconds);

}  // namespace tapring::bench
