// SPDX-License-Identifier: MIT
// Measures one workload on the data path of production, from the ring to the file and back, with
// plain memory in place of granted pages and a guest on a thread of its own.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <ctime>
#include <exception>
#include <filesystem>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>

#include "formats/format.h"
#include "tests/bench/backend_thread.h"
#include "tests/bench/guest_thread.h"
#include "tests/bench/image_files.h"
#include "tests/bench/measurement.h"

namespace tapring::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Settings {
  Workload workload;
  std::filesystem::path directory = ".";
  std::string format = "aio";
  uint32_t mebibytes = 512;
  double seconds = 2;
  uint32_t poll_microseconds = 0;
};

constexpr std::chrono::milliseconds kWarmUp{300};

/// Seconds of all threads of this process, the kernel's workers for it included.
double processor_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

/// Guest number disk * queues + queue.
std::vector<std::unique_ptr<Guest>> make_guests(GuestMemory& memory, const Settings& settings) {
  const Workload& workload = settings.workload;
  const uint64_t blocks =
      (uint64_t{settings.mebibytes} << 20) / workload.block_bytes / workload.queues;
  std::vector<std::unique_ptr<Guest>> guests;
  GrantRef page = 0;
  for (uint32_t disk = 0; disk < workload.disks; ++disk) {
    for (uint32_t queue = 0; queue < workload.queues; ++queue) {
      const Region region = workload.access == Workload::Access::random
                                ? Region{0, blocks * workload.queues}
                                : Region{queue * blocks, blocks};
      const auto number = static_cast<uint32_t>(guests.size());
      guests.push_back(std::make_unique<Guest>(memory, page, workload, region, number + 1));
      page += static_cast<GrantRef>(Guest::pages_for(workload));
    }
  }
  return guests;
}

std::vector<BackendDisk> open_disks(const Settings& settings,
                                    const std::vector<std::unique_ptr<Guest>>& guests) {
  std::vector<BackendDisk> disks;
  Port port = 0;
  for (uint32_t number = 0; number < settings.workload.disks; ++number) {
    ImageOptions options;
    options.path = image_file(settings.directory, number, settings.mebibytes);
    BackendDisk disk{find_format(settings.format)->open(options), {Abi::x86_64, "x86_64-abi", {}}};
    for (uint32_t queue = 0; queue < settings.workload.queues; ++queue, ++port) {
      disk.rings.queues.push_back(guests[port]->setup(port));
    }
    disks.push_back(std::move(disk));
  }
  return disks;
}

Measurement measure(const Settings& settings, BackendThread& backend, GuestThread& guest) {
  std::this_thread::sleep_for(kWarmUp);
  guest.measure();
  Measurement measurement;
  measurement.block_bytes = settings.workload.block_bytes;
  const auto begin = Clock::now();
  const uint64_t answered = guest.answered();
  const uint64_t system_calls = backend.system_calls();
  const double busy = processor_seconds();
  const std::chrono::duration<double> busy_guest = guest.processor_time();
  std::this_thread::sleep_for(std::chrono::duration<double>(settings.seconds));
  measurement.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  measurement.requests = guest.answered() - answered;
  measurement.system_calls = backend.system_calls() - system_calls;
  measurement.processor_seconds =
      processor_seconds() - busy -
      (std::chrono::duration<double>(guest.processor_time()) - busy_guest).count();
  return measurement;
}

Measurement run(const Settings& settings) {
  const std::size_t rings = std::size_t{settings.workload.disks} * settings.workload.queues;
  if (rings > Doorbell::kMaxPorts) throw std::runtime_error("too many queues");
  GuestMemory memory(rings * Guest::pages_for(settings.workload));
  auto guests = make_guests(memory, settings);
  Doorbell bell;
  BackendThread backend(memory, bell, open_disks(settings, guests),
                        std::chrono::microseconds(settings.poll_microseconds));
  GuestThread guest(guests, bell, [&backend](Port port) { backend.send(port); });
  Measurement measurement = measure(settings, backend, guest);
  guest.stop();
  for (const auto& one : guests) {
    if (one->failures() > 0) throw std::runtime_error("requests failed");
    measurement.latencies.insert(measurement.latencies.end(), one->latencies().begin(),
                                 one->latencies().end());
  }
  return measurement;
}

void add_options(CLI::App& app, Settings& settings) {
  using Operation = Workload::Operation;
  using Access = Workload::Access;
  const std::map<std::string, Operation> operations{
      {"read", Operation::read}, {"write", Operation::write}, {"mixed", Operation::mixed}};
  const std::map<std::string, Access> accesses{{"random", Access::random},
                                               {"sequential", Access::sequential}};
  Workload& workload = settings.workload;
  app.add_option("--operation", workload.operation)->transform(CLI::Transformer(operations));
  app.add_option("--access", workload.access)->transform(CLI::Transformer(accesses));
  app.add_option("--block-bytes", workload.block_bytes)->check(CLI::Range(512, 1 << 20));
  app.add_option("--depth", workload.depth, "Requests at a time, of each queue")
      ->check(CLI::Range(1, 512));
  app.add_option("--queues", workload.queues, "Of each disk")->check(CLI::Range(1, 16));
  app.add_option("--disks", workload.disks)->check(CLI::Range(1, 512));
  app.add_option("--format", settings.format)->check(CLI::IsMember({"aio", "raw"}));
  app.add_option("--directory", settings.directory, "Where the images are, or are made");
  app.add_option("--mebibytes", settings.mebibytes, "Of each image");
  app.add_option("--poll-microseconds", settings.poll_microseconds, "As of tapringd");
  app.add_option("--seconds", settings.seconds);
}

}  // namespace
}  // namespace tapring::bench

int main(int argc, char** argv) {
  tapring::bench::Settings settings;
  CLI::App app("Measures one workload on the data path; prints JSON.");
  tapring::bench::add_options(app, settings);
  CLI11_PARSE(app, argc, argv);
  try {
    auto measurement = tapring::bench::run(settings);
    std::cout << tapring::bench::to_json(measurement) << '\n';
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
