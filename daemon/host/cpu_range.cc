// SPDX-License-Identifier: MIT
#include "daemon/host/cpu_range.h"

#include <fmt/format.h>
#include <pthread.h>
#include <sched.h>

#include <system_error>

#include "daemon/host/decimal.h"

namespace tapring {
namespace {

std::optional<uint32_t> parse_cpu(std::string_view text) {
  const auto number = parse_decimal(text);
  return number && *number < CpuRange::kLimit ? number : std::nullopt;
}

}  // namespace

std::optional<CpuRange> parse_cpu_range(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto first = parse_cpu(text.substr(0, dash));
  const auto last = dash == std::string_view::npos ? first : parse_cpu(text.substr(dash + 1));
  if (!first || !last || *last < *first) return std::nullopt;
  return CpuRange{*first, *last};
}

std::string to_string(const CpuRange& range) {
  if (range.first == range.last) return fmt::format("{}", range.first);
  return fmt::format("{}-{}", range.first, range.last);
}

void run_on(const CpuRange& range) {
  static_assert(CpuRange::kLimit == CPU_SETSIZE);
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  for (uint32_t cpu = range.first; cpu <= range.last; ++cpu) CPU_SET(cpu, &cpus);
  const int error = ::pthread_setaffinity_np(::pthread_self(), sizeof cpus, &cpus);
  if (error != 0) {
    throw std::system_error(error, std::system_category(),
                            fmt::format("running a worker on CPU {} (worker_cpus: is it online, "
                                        "and does the service's CPUAffinity= allow it?)",
                                        to_string(range)));
  }
}

}  // namespace tapring
