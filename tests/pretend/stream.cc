// SPDX-License-Identifier: MIT
#include "tests/pretend/stream.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <stdexcept>
#include <utility>

#include "tests/pretend/backend_usage.h"

namespace tapring::pretend {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kWarmUp = 300ms;
constexpr auto kCountingTime = 200ms;  ///< of system calls, after what is timed
constexpr auto kLastAnswers = 30s;
/// Without an event, before somebody looks at the clock.
constexpr int kLongestSleepMilliseconds = 10;
constexpr std::size_t kPortsAtOnce = 64;

uint64_t now() {
  return static_cast<uint64_t>(std::chrono::nanoseconds(Clock::now().time_since_epoch()).count());
}

/// As libxl numbers and names them: those after the sixteenth do not fit the older numbers.
sim::DiskLine line_of(DomainId domain, std::size_t index, std::string params) {
  constexpr std::size_t kOldDisks = 16;
  sim::DiskLine line;
  line.name.domain = domain;
  line.name.device =
      static_cast<uint32_t>(index < kOldDisks ? 51712 + 16 * index : (1U << 28U) + (index << 8U));
  std::string letters(1, static_cast<char>('a' + index % 26));
  if (index >= 26) letters.insert(letters.begin(), static_cast<char>('a' + index / 26 - 1));
  line.vdev = "xvd" + letters;
  line.params = std::move(params);
  line.script = "/etc/xen/scripts/block-tapring";
  return line;
}

}  // namespace

/// What was done in some time.
struct Stream::Window {
  double seconds = 0;
  uint64_t requests = 0;
  double backend_cpu_seconds = 0;
  double own_cpu_seconds = 0;
  /// Calls of domain 0 that would have been system calls on Xen.
  uint64_t free_calls = 0;
};

Stream::Stream(Machine& machine, DomainId domain, StreamOptions options)
    : machine_(machine),
      options_(std::move(options)),
      world_(machine, domain),
      toolstack_(world_),
      memory_(machine, domain, 0, options_.work,
              static_cast<uint32_t>(options_.images.size()) * options_.work.queues) {
  for (std::size_t i = 0; i < options_.images.size(); ++i) {
    disks_.push_back(std::make_unique<StreamDisk>(world_, toolstack_, memory_, world_.events(),
                                                  line_of(domain, i, options_.images[i]),
                                                  options_.work));
    by_token_[disks_.back()->token()] = disks_.back().get();
  }
  world_.store().deliver_to([this](const WatchEvent& event) { look_at(event.token); });
}

void Stream::attach(bool one_at_a_time) {
  const auto wait_for = [this](std::size_t count) {
    world_.wait_for(
        "the disks", [this, count] { return connected_ == count; }, 600s);
  };
  for (const auto& disk : disks_) {
    disk->begin_attach();
    if (one_at_a_time) wait_for(connected_ + 1);
  }
  wait_for(disks_.size());
}

boost::json::object Stream::measure() {
  start();
  run(kWarmUp);
  latencies_.clear();
  const Window timed = run(std::chrono::nanoseconds(static_cast<int64_t>(options_.seconds * 1e9)));
  const auto requests = static_cast<double>(timed.requests);
  boost::json::object figures{
      {"requests", timed.requests},
      {"seconds", timed.seconds},
      {"latency_us", boost::json::object{{"mean", latencies_.mean()},
                                         {"p50", latencies_.percentile(0.5)},
                                         {"p99", latencies_.percentile(0.99)},
                                         {"p99.9", latencies_.percentile(0.999)}}},
      {"backend_cpu_seconds", timed.backend_cpu_seconds},
      {"guest_cpu_seconds", timed.own_cpu_seconds},
      {"backend_resident_kib", resident_kib_of(options_.backend)},
      {"free_calls_per_request", static_cast<double>(timed.free_calls) / requests}};
  if (const auto calls = SystemCalls::of(options_.backend)) {
    const Window counted = run(kCountingTime);
    figures["system_calls_per_request"] =
        static_cast<double>(calls->count()) / static_cast<double>(counted.requests);
  } else {
    figures["system_calls_per_request"] = nullptr;
  }
  drain();
  figures["failed"] = failed();
  return figures;
}

void Stream::look_at(const std::string& token) {
  const auto found = by_token_.find(token);
  if (found == by_token_.end()) return;
  const bool before = found->second->connected();
  found->second->look();
  if (!before && found->second->connected()) ++connected_;
}

void Stream::start() {
  for (const auto& disk : disks_) {
    uint32_t index = 0;
    for (const auto& queue : disk->queues()) {
      queues_.push_back(queue.get());
      by_port_[queue->port()] = queue.get();
      queue->start(StreamPlan(options_.work, disk->sectors(), index++), now());
    }
  }
}

Stream::Window Stream::run(std::chrono::nanoseconds time) {
  const Counters& counters = machine_.domain(0).counters;
  const uint64_t free_calls = counters.free_calls;
  const std::size_t answered = latencies_.count();
  const double own_cpu = cpu_seconds_of(::getpid());
  const double cpu = cpu_seconds_of(options_.backend);
  const auto begin = Clock::now();
  while (Clock::now() < begin + time) turn(false);
  Window window;
  window.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  window.backend_cpu_seconds = cpu_seconds_of(options_.backend) - cpu;
  window.own_cpu_seconds = cpu_seconds_of(::getpid()) - own_cpu;
  window.requests = latencies_.count() - answered;
  window.free_calls = counters.free_calls - free_calls;
  if (window.requests == 0) throw std::runtime_error("no request was answered");
  return window;
}

void Stream::drain() {
  const auto deadline = Clock::now() + kLastAnswers;
  const auto busy = [](const StreamQueue* queue) { return queue->in_flight() > 0; };
  while (std::ranges::any_of(queues_, busy)) {
    if (Clock::now() > deadline) throw std::runtime_error("requests were never answered");
    turn(true);
  }
}

void Stream::turn(bool stop) {
  options_.work.polls ? look_at_all(stop) : wait_for_events(stop);
}

void Stream::look_at_all(bool stop) {
  for (StreamQueue* queue : queues_) {
    if (queue->has_answers()) queue->turn(now(), latencies_, stop);
  }
}

void Stream::wait_for_events(bool stop) {
  pollfd fifo{world_.events().fd(), POLLIN, 0};
  ::poll(&fifo, 1, kLongestSleepMilliseconds);
  std::array<Port, kPortsAtOnce> ports{};
  const std::size_t count = world_.events().take(ports).value_or(0);
  for (const Port port : std::span(ports).first(count)) {
    const auto found = by_port_.find(port);
    if (found != by_port_.end()) found->second->turn(now(), latencies_, stop);
    world_.events().unmask(port);
  }
}

uint64_t Stream::failed() const {
  uint64_t sum = 0;
  for (const StreamQueue* queue : queues_) sum += queue->failed();
  return sum;
}

}  // namespace tapring::pretend
