// SPDX-License-Identifier: MIT
#include "daemon/cli/rates.h"

namespace tapring {
namespace {

struct Totals {
  uint64_t count;
  uint64_t bytes;
  uint64_t ns;
};

OperationRate rate_between(const Totals& earlier, const Totals& later, double seconds) {
  const uint64_t count = later.count - earlier.count;
  OperationRate rate;
  if (seconds <= 0 || count == 0) return rate;
  rate.per_second = static_cast<double>(count) / seconds;
  rate.bytes_per_second = static_cast<double>(later.bytes - earlier.bytes) / seconds;
  rate.mean_latency_us =
      static_cast<double>(later.ns - earlier.ns) / static_cast<double>(count) / 1000;
  return rate;
}

Totals reads(const DiskCounters& c) {
  return {c.reads, c.read_bytes, c.read_ns};
}
Totals writes(const DiskCounters& c) {
  return {c.writes, c.written_bytes, c.write_ns};
}
Totals flushes(const DiskCounters& c) {
  return {c.flushes, 0, c.flush_ns};
}

bool went_back(const Totals& earlier, const Totals& later) {
  return later.count < earlier.count || later.bytes < earlier.bytes || later.ns < earlier.ns;
}

}  // namespace

DiskRates rates_between(const DiskCounters& earlier, const DiskCounters& later,
                        std::chrono::nanoseconds elapsed) {
  const double seconds = std::chrono::duration<double>(elapsed).count();
  const bool anew = went_back(reads(earlier), reads(later)) ||
                    went_back(writes(earlier), writes(later)) ||
                    went_back(flushes(earlier), flushes(later));
  const DiskCounters& base = anew ? DiskCounters{} : earlier;
  return {rate_between(reads(base), reads(later), seconds),
          rate_between(writes(base), writes(later), seconds),
          rate_between(flushes(base), flushes(later), seconds)};
}

}  // namespace tapring
