// SPDX-License-Identifier: MIT
// What the journal costs of a request: the same requests through a ring with it and without it, and
// beside them whole 4k reads by the data path of production, in turns on one thread.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <ctime>
#include <exception>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "daemon/datapath/journal_files.h"
#include "ring/back_ring.h"
#include "ring/journaled_ring.h"
#include "tests/bench/image_files.h"
#include "tests/bench/tapring.h"
#include "tests/daemon/temporary_directory.h"
#include "tests/sim/front_ring.h"

namespace tapring::bench {
namespace {

constexpr uint32_t kAtATime = 32;

/// Nanoseconds of processor of this process.
double processor_time() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

class PlainRing {
 public:
  explicit PlainRing(std::span<std::byte> pages) : ring_(pages, Abi::x86_64) {}

  bool take() {
    const auto request = ring_.take(copy_);
    if (request) taken_.push_back(*request);
    return request.has_value();
  }
  void answer_all() {
    for (const Request& request : taken_) {
      ring_.respond(request.id, request.operation, BlkifStatus::okay);
    }
    taken_.clear();
    ring_.push();
  }

 private:
  BackRing ring_;
  std::array<std::byte, layout_of(Abi::x86_64).entry_bytes> copy_{};
  std::vector<Request> taken_;
};

class RingWithJournal {
 public:
  explicit RingWithJournal(std::span<std::byte> pages)
      : entries_(ring_entries(Abi::x86_64, 1)),
        journal_(JournalFiles(directory_.path())
                     .open("bench", 0, Journal::bytes_for(entries_))
                     .get(),
                 Journal::bytes_for(entries_)),
        ring_({pages, {journal_.bytes()}}, {{}, 0, entries_, Abi::x86_64}) {}

  bool take() {
    const auto request = ring_.take();
    if (request) taken_.push_back(*request);
    return request.has_value();
  }
  void answer_all() {
    for (const JournaledRing::Taken& taken : taken_) ring_.respond(taken, BlkifStatus::okay);
    taken_.clear();
    ring_.push();
  }

 private:
  TemporaryDirectory directory_;
  uint32_t entries_;
  SharedMemory journal_;
  JournaledRing ring_;
  std::vector<JournaledRing::Taken> taken_;
};

/// Nanoseconds of a request, the guest's part included.
template <typename Ring>
double of_a_ring(uint64_t requests) {
  alignas(kPageBytes) static std::array<std::byte, kPageBytes> page;
  sim::FrontRing front(page, Abi::x86_64);
  Ring ring(page);
  sim::FrontRequest read;
  read.segment_count = 1;
  read.segments[0].last_sect = 7;
  const double began = processor_time();
  for (uint64_t done = 0; done < requests; done += kAtATime) {
    for (uint32_t i = 0; i < kAtATime; ++i) front.put(read);
    front.push();
    while (ring.take()) {
    }
    ring.answer_all();
    while (front.take()) {
    }
  }
  return (processor_time() - began) / static_cast<double>(requests);
}

/// Likewise of a 4k read of the image.
double of_the_data_path(const std::string& image, uint64_t requests) {
  Workload workload;
  workload.depth = kAtATime;
  Tapring tapring(image, "aio", workload);
  const double began = processor_time();
  tapring.serve_while([&] { return tapring.answered() < requests; });
  const double took = processor_time() - began;
  const auto answered = static_cast<double>(tapring.answered());
  tapring.end();
  return took / answered;
}

double median(std::vector<double> figures) {
  std::ranges::sort(figures);
  return figures[figures.size() / 2];
}

void measure(const std::filesystem::path& parent, uint32_t rounds) {
  constexpr uint64_t kRingRequests = 1'000'000;
  constexpr uint64_t kReads = 100'000;
  const TemporaryDirectory directory(parent);
  const std::string image = image_file(directory.path(), 0, 64);
  std::vector<double> without;
  std::vector<double> with;
  std::vector<double> reads;
  for (uint32_t round = 0; round < rounds; ++round) {
    without.push_back(of_a_ring<PlainRing>(kRingRequests));
    with.push_back(of_a_ring<RingWithJournal>(kRingRequests));
    reads.push_back(of_the_data_path(image, kReads));
  }
  fmt::print("nanoseconds of processor for a request, medians of {} rounds\n", rounds);
  fmt::print("  a ring without journal    {:8.1f}\n", median(without));
  fmt::print("  a ring with it            {:8.1f}\n", median(with));
  fmt::print("  a 4k read, all of it      {:8.1f}\n", median(reads));
  fmt::print("  the journal's share       {:8.1f} %\n",
             100 * (median(with) - median(without)) / median(reads));
}

}  // namespace
}  // namespace tapring::bench

int main(int argc, char** argv) {
  std::string directory = "/dev/shm";
  uint32_t rounds = 9;
  CLI::App app("Measures what the journal of requests in flight costs.");
  app.add_option("--directory", directory, "Where the image is for that long")
      ->check(CLI::ExistingDirectory)
      ->capture_default_str();
  app.add_option("--rounds", rounds)->check(CLI::Range(1, 1000))->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    tapring::bench::measure(directory, rounds);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
