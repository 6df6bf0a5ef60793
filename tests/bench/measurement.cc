// SPDX-License-Identifier: MIT
#include "tests/bench/measurement.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>
#include <string>

namespace tapring::bench {
namespace {

/// `share` of the sorted values are at most this.
double percentile(const std::vector<uint32_t>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::clamp<std::size_t>(rank, 1, sorted.size()) - 1];
}

boost::json::object latency(std::vector<uint32_t>& nanoseconds) {
  std::ranges::sort(nanoseconds);
  const double sum = std::accumulate(nanoseconds.begin(), nanoseconds.end(), 0.0);
  const auto count = static_cast<double>(std::max<std::size_t>(nanoseconds.size(), 1));
  return {{"mean", sum / count / 1e3},
          {"p50", percentile(nanoseconds, 0.5) / 1e3},
          {"p99", percentile(nanoseconds, 0.99) / 1e3},
          {"p99.9", percentile(nanoseconds, 0.999) / 1e3}};
}

boost::json::value per_request(const std::optional<uint64_t>& count, double requests) {
  if (!count) return nullptr;
  return static_cast<double>(*count) / requests;
}

}  // namespace

boost::json::object to_json(Measurement& measurement) {
  const auto requests = static_cast<double>(std::max<uint64_t>(measurement.requests, 1));
  const double rate = static_cast<double>(measurement.requests) / measurement.seconds;
  return {{"requests_per_second", rate},
          {"mebibytes_per_second", rate * measurement.block_bytes / (1 << 20)},
          {"latency_us", latency(measurement.latencies)},
          {"cpu_us_per_request", measurement.processor_seconds * 1e6 / requests},
          {"system_calls_per_request", per_request(measurement.system_calls, requests)},
          {"memory_kib", nullptr},
          {"neighbour_mebibytes_per_second",
           static_cast<double>(measurement.neighbour_bytes >> 20) / measurement.seconds}};
}

}  // namespace tapring::bench
