// SPDX-License-Identifier: MIT
// The data path of production, from the ring to the file and back, with plain memory in place of
// granted pages, beside fio on the same file: one after the other, in one run.
#include <fmt/format.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <array>
#include <boost/json.hpp>
#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iostream>
#include <stdexcept>

#include "tests/bench/native.h"
#include "tests/bench/tapring.h"

namespace tapring::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Settings {
  std::string path = "tapring-bench.img";
  std::string format = "aio";
  uint32_t mebibytes = 512;
  uint32_t seconds = 5;
  bool json = false;
};

double thread_cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

/// Also the guest's share of the thread's time is counted as ours.
Figures run_tapring(const Settings& settings, const Workload& workload) {
  Tapring tapring(settings.path, settings.format, workload);
  const double cpu_before = thread_cpu_seconds();
  const auto begin = Clock::now();
  const auto end = begin + std::chrono::seconds(settings.seconds);
  tapring.serve_while([end] { return Clock::now() < end; });
  const auto requests = static_cast<double>(tapring.answered());
  const std::chrono::duration<double> elapsed = Clock::now() - begin;
  const double cpu = thread_cpu_seconds() - cpu_before;
  tapring.end();
  return {requests / elapsed.count(), cpu * 1e6 / requests};
}

void make_file(const Settings& settings) {
  // Written through, so that neither side reads holes.
  const std::string command =
      fmt::format("fio --name=fill --filename={} --size={}M --rw=write --bs=1M --end_fsync=1 "
                  "--output=/dev/null",
                  settings.path, settings.mebibytes);
  if (std::system(command.c_str()) != 0) throw std::runtime_error("fio failed: " + command);
}

boost::json::object row_of(const Workload& workload, const Figures& ours, const Figures& native) {
  return {{"operation", workload.writes ? "randwrite" : "randread"},
          {"block_bytes", workload.block_bytes},
          {"depth", workload.depth},
          {"tapring_iops", ours.requests_per_second},
          {"native_iops", native.requests_per_second},
          {"share", ours.requests_per_second / native.requests_per_second},
          {"tapring_cpu_us", ours.cpu_microseconds},
          {"native_cpu_us", native.cpu_microseconds}};
}

void print_row(const Workload& workload, const Figures& ours, const Figures& native) {
  fmt::print("{:<10}{:>8}{:>7}{:>14.0f}{:>14.0f}{:>8.2f}{:>12.2f}{:>12.2f}\n",
             workload.writes ? "randwrite" : "randread", workload.block_bytes, workload.depth,
             ours.requests_per_second, native.requests_per_second,
             ours.requests_per_second / native.requests_per_second, ours.cpu_microseconds,
             native.cpu_microseconds);
  std::fflush(stdout);
}

void run(const Settings& settings) {
  constexpr std::array kWorkloads{Workload{false, 4096, 32},    Workload{true, 4096, 32},
                                  Workload{false, 131072, 16},  Workload{true, 131072, 16},
                                  Workload{false, 4096, 1},     Workload{true, 4096, 1}};
  make_file(settings);
  boost::json::array rows;
  if (!settings.json) {
    fmt::print("{:<10}{:>8}{:>7}{:>14}{:>14}{:>8}{:>12}{:>12}\n", "", "block", "depth",
               "tapring IOPS", "native IOPS", "share", "tapring us", "native us");
  }
  for (const Workload& workload : kWorkloads) {
    const Figures ours = run_tapring(settings, workload);
    const Figures native = run_fio(settings.path, workload, settings.seconds);
    rows.push_back(row_of(workload, ours, native));
    if (!settings.json) print_row(workload, ours, native);
  }
  if (settings.json) std::cout << boost::json::serialize(rows) << '\n';
  std::filesystem::remove(settings.path);
}

}  // namespace
}  // namespace tapring::bench

int main(int argc, char** argv) {
  tapring::bench::Settings settings;
  CLI::App app("The data path beside fio on the same file. us: CPU microseconds a request.");
  app.add_option("--file", settings.path, "Where to make the image; removed afterwards");
  app.add_option("--format", settings.format, "aio or raw")->check(CLI::IsMember({"aio", "raw"}));
  app.add_option("--mebibytes", settings.mebibytes, "Its size");
  app.add_option("--seconds", settings.seconds, "For each figure");
  app.add_flag("--json", settings.json);
  CLI11_PARSE(app, argc, argv);
  try {
    tapring::bench::run(settings);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
