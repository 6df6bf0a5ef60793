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
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "daemon/config/options.h"
#include "formats/format.h"
#include "tests/bench/backend.h"
#include "tests/bench/guest_thread.h"
#include "tests/bench/image_files.h"
#include "tests/bench/measurement.h"
#include "tests/bench/workload_options.h"

namespace tapring::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Settings {
  Workload workload;
  std::filesystem::path directory = ".";
  std::string image;  ///< if it is not empty, of the only disk
  std::string format = "aio";
  uint32_t mebibytes = 512;
  double seconds = 2;
  uint32_t poll_microseconds = Options{}.poll_microseconds;
  uint32_t workers = 1;
  bool streamer = false;
};

/// Seconds of all threads of this process, the kernel's workers for it included.
double processor_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

/// A neighbour on the same backend thread, if one is wanted, is the last disk.
constexpr Workload kStreamer{Workload::Operation::read, Workload::Access::sequential, 1 << 20, 32};

std::vector<Workload> disks_of(const Settings& settings) {
  std::vector<Workload> disks(settings.workload.disks, settings.workload);
  if (settings.streamer) disks.push_back(kStreamer);
  return disks;
}

std::size_t pages_for(const std::vector<Workload>& disks) {
  return std::accumulate(disks.begin(), disks.end(), std::size_t{0},
                         [](std::size_t pages, const Workload& disk) {
                           return pages + disk.queues * Guest::pages_for(disk);
                         });
}

std::string path_of(const Settings& settings, uint32_t disk) {
  if (!settings.image.empty()) return settings.image;
  return image_file(settings.directory, disk, settings.mebibytes);
}

using OpenImages = std::vector<std::unique_ptr<OpenImage>>;

OpenImages open_images(const Settings& settings) {
  OpenImages images;
  for (uint32_t disk = 0; disk < disks_of(settings).size(); ++disk) {
    ImageOptions options;
    options.path = path_of(settings, disk);
    images.push_back(find_format(settings.format)->open(options));
  }
  return images;
}

/// Those of one disk side by side.
std::vector<std::unique_ptr<Guest>> make_guests(GuestMemory& memory, const Settings& settings,
                                                const OpenImages& images) {
  std::vector<std::unique_ptr<Guest>> guests;
  GrantRef page = 0;
  auto image = images.begin();
  for (const Workload& disk : disks_of(settings)) {
    const uint64_t size_bytes = (*image++)->geometry().size_bytes;
    const uint64_t blocks = size_bytes / disk.block_bytes / disk.queues;
    for (uint32_t queue = 0; queue < disk.queues; ++queue) {
      const Region region = disk.access == Workload::Access::random
                                ? Region{0, blocks * disk.queues}
                                : Region{queue * blocks, blocks};
      const auto number = static_cast<uint32_t>(guests.size());
      guests.push_back(std::make_unique<Guest>(memory, page, disk, region, number + 1));
      page += static_cast<GrantRef>(Guest::pages_for(disk));
    }
  }
  return guests;
}

std::vector<BackendDisk> make_disks(const Settings& settings, OpenImages images,
                                    const std::vector<std::unique_ptr<Guest>>& guests) {
  std::vector<BackendDisk> disks;
  Port port = 0;
  for (const Workload& workload : disks_of(settings)) {
    BackendDisk disk{std::move(images[disks.size()]), {Abi::x86_64, "x86_64-abi", {}}};
    for (uint32_t queue = 0; queue < workload.queues; ++queue, ++port) {
      disk.rings.queues.push_back(guests[port]->setup(port));
    }
    disks.push_back(std::move(disk));
  }
  return disks;
}

Measurement measure(const Settings& settings, Backend& backend, GuestThread& guest) {
  std::this_thread::sleep_for(kWarmUp);
  guest.measure();
  Measurement measurement;
  measurement.block_bytes = settings.workload.block_bytes;
  const auto begin = Clock::now();
  const uint64_t answered = guest.answered();
  const uint64_t neighbours = guest.answered_neighbours();
  const uint64_t system_calls = backend.system_calls();
  const double busy = processor_seconds();
  const std::chrono::duration<double> busy_guest = guest.processor_time();
  std::this_thread::sleep_for(std::chrono::duration<double>(settings.seconds));
  measurement.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  measurement.requests = guest.answered() - answered;
  measurement.neighbour_bytes = (guest.answered_neighbours() - neighbours) * kStreamer.block_bytes;
  measurement.system_calls = backend.system_calls() - system_calls;
  measurement.processor_seconds =
      processor_seconds() - busy -
      (std::chrono::duration<double>(guest.processor_time()) - busy_guest).count();
  return measurement;
}

Measurement run(const Settings& settings) {
  GuestMemory memory(pages_for(disks_of(settings)));
  OpenImages images = open_images(settings);
  auto guests = make_guests(memory, settings, images);
  if (guests.size() > Doorbell::kMaxPorts) throw std::runtime_error("too many queues");
  const std::size_t measured = std::size_t{settings.workload.disks} * settings.workload.queues;
  Doorbell bell;
  Backend backend(memory, bell, make_disks(settings, std::move(images), guests),
                  std::chrono::microseconds(settings.poll_microseconds), settings.workers);
  GuestThread guest(guests, measured, bell, [&backend](Port port) { backend.send(port); });
  Measurement measurement = measure(settings, backend, guest);
  guest.stop();
  for (const auto& one : guests) {
    if (one->failures() > 0) throw std::runtime_error("requests failed");
    measurement.latencies.insert(measurement.latencies.end(), one->latencies().begin(),
                                 one->latencies().end());
  }
  return measurement;
}

std::vector<std::string> format_names() {
  std::vector<std::string> names;
  for (const Format& format : all_formats()) names.emplace_back(format.name);
  return names;
}

void add_options(CLI::App& app, Settings& settings) {
  Workload& workload = settings.workload;
  add_workload_options(app, workload);
  app.add_option("--queues", workload.queues, "Of each disk")->check(CLI::Range(1, 16));
  auto* disks = app.add_option("--disks", workload.disks)->check(CLI::Range(1, 512));
  app.add_option("--format", settings.format)->check(CLI::IsMember(format_names()));
  auto* directory =
      app.add_option("--directory", settings.directory, "Where the images are, or are made");
  app.add_option("--mebibytes", settings.mebibytes, "Of each image that is made");
  auto* streamer =
      app.add_flag("--streamer", settings.streamer,
                   "Beside a disk that reads 1 MiB at a time, 32 at once, and is not measured");
  app.add_option("--image", settings.image, "Path of the only disk's image, which is there")
      ->excludes(disks, directory, streamer);
  app.add_option("--workers", settings.workers, "Threads that serve the disks")
      ->check(CLI::Range(1, 64));
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
