// SPDX-License-Identifier: MIT
#include "tests/pretend/bench_command.h"

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>

namespace tapring::pretend {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kLongestPause = 600s;

}  // namespace

void BenchCommand::add_to(CLI::App& command) {
  using Operation = StreamWork::Operation;
  static const std::map<std::string, Operation> kOperations{
      {"read", Operation::read}, {"write", Operation::write}, {"mixed", Operation::mixed}};
  static const std::map<std::string, bool> kAccesses{{"random", false}, {"sequential", true}};
  constexpr unsigned kMostBytes = 1U << 20U;
  constexpr unsigned kSector = 512;
  StreamWork& work = options_.work;
  command.add_option("--params", options_.images, "FORMAT:/path; a disk for each")->required();
  command.add_option("--backend-process", options_.backend, "Its number")->required();
  command.add_option("--operation", work.operation)
      ->transform(CLI::CheckedTransformer(kOperations));
  command.add_option("--access", work.sequential)->transform(CLI::CheckedTransformer(kAccesses));
  command.add_option("--block-bytes", work.block_bytes)
      ->check(CLI::Range(kSector, kMostBytes))
      ->check([](const std::string& text) {
        return std::stoul(text) % kSector == 0 ? "" : "is to be a multiple of 512";
      });
  command.add_option("--depth", work.depth, "Requests of a queue at a time")
      ->check(CLI::Range(1, 512));
  command.add_option("--queues", work.queues, "Of a disk")->check(CLI::Range(1, 64));
  command.add_option("--seconds", options_.seconds, "0: only attach")
      ->check(CLI::NonNegativeNumber);
  command.add_flag("--polls", work.polls, "The guest looks again and again, and never sleeps");
  command.add_flag("--one-at-a-time", one_at_a_time_, "Attach the next disk after the last");
  command.add_flag("--pause", pause_, "Wait for SIGTERM before the disks are used");
}

int BenchCommand::run(const std::string& machine_directory, DomainId domain) {
  Machine machine(machine_directory);
  Stream stream(machine, domain, options_);
  const auto begin = Clock::now();
  stream.attach(one_at_a_time_);
  const std::chrono::duration<double> took = Clock::now() - begin;
  std::cout << boost::json::object{{"event", "attached"}, {"seconds", took.count()}} << std::endl;
  if (pause_) {
    stream.world().wait_for(
        "the end of the pause", [&] { return stream.world().told_to_stop(); }, kLongestPause);
  }
  boost::json::object end{{"event", "end"}};
  if (options_.seconds > 0) {
    for (auto& [name, value] : stream.measure()) end[name] = value;
  }
  std::cout << end << std::endl;
  return EXIT_SUCCESS;
}

}  // namespace tapring::pretend
